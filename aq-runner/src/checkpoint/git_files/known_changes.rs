//! The changes of a job's first commit, which nearly always is its only one: the paths from the
//! indexes before and after, the lines from what `git commit` says. So nobody has to ask for them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::super::changes::BranchChanges;
use super::super::repository::CommitId;
use super::index_file::{IndexEntry, IndexFile};

/// Options by which `git commit` counts lines as `git diff-tree` does.
pub(in super::super) const COUNTED_ALIKE: [&str; 6] = [
    "-c",
    "diff.algorithm=default",
    "-c",
    "diff.relative=false",
    "-c",
    // As good as none, where there is more than one file to compare with another.
    "diff.renameLimit=1",
];

/// Changes between two commits, as far as this process has seen them.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct KnownChanges(Arc<Mutex<Option<ChangesBetween>>>);

#[derive(Clone, Debug)]
struct ChangesBetween {
    from: CommitId,
    to: CommitId,
    changes: BranchChanges,
}

impl KnownChanges {
    pub(in super::super) fn between(
        &self,
        from: &CommitId,
        to: &CommitId,
    ) -> Option<BranchChanges> {
        let known = self.0.lock().ok()?;
        let known = known.as_ref().filter(|known| known.from == *from && known.to == *to)?;
        Some(known.changes.clone())
    }

    pub(in super::super) fn note(&self, from: &CommitId, to: &CommitId, changes: BranchChanges) {
        if let Ok(mut known) = self.0.lock() {
            *known = Some(ChangesBetween { from: from.clone(), to: to.clone(), changes });
        }
    }
}

/// The differences between two indexes.
#[derive(Debug)]
pub(in super::super) struct IndexChanges {
    paths: Vec<String>,
    /// No attributes, which may have git count otherwise, and no repositories inside.
    is_plain: bool,
}

impl IndexChanges {
    /// `None` where only git can tell.
    pub(in super::super) fn between(before: &Path, after: &Path) -> Option<Self> {
        let (before, after) = (IndexFile::read(before)?, IndexFile::read(after)?);
        let mut paths = Vec::new();
        let (mut old, mut new) = (before.entries(), after.entries());
        loop {
            let name = |index: &IndexFile, entries: &[IndexEntry]| {
                entries.first().map(|entry| index.path(entry).to_vec())
            };
            let (one, other) = (name(&before, old), name(&after, new));
            let path = match (one, other) {
                (None, None) => break,
                (Some(one), Some(other)) if one == other => {
                    let is_same = old[0].is_same(&new[0]);
                    (old, new) = (&old[1..], &new[1..]);
                    if is_same {
                        continue;
                    }
                    one
                }
                (Some(one), other) if other.as_ref().is_none_or(|other| one < *other) => {
                    old = &old[1..];
                    one
                }
                (_, Some(other)) => {
                    new = &new[1..];
                    other
                }
                (Some(_), None) => return None,
            };
            paths.push(String::from_utf8_lossy(&path).into_owned());
        }
        let is_plain = [&before, &after].iter().all(|index| {
            index
                .entries()
                .iter()
                .all(|entry| !entry.is_gitlink() && !index.path(entry).ends_with(b".gitattributes"))
        });
        Some(Self { paths, is_plain })
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The changes of the commit that was made of the second index on top of the first, by the
    /// words of git. `None` where it has counted otherwise, or made another commit.
    pub(in super::super) fn counted(self, said: &[u8], commit: &CommitId) -> Option<BranchChanges> {
        let said = str::from_utf8(said).ok().filter(|_| self.is_plain)?;
        // `[aq/wip/job 1234567] job: attempt 1`
        let (head, _) = said.strip_prefix('[')?.split_once(']')?;
        let (_, short) = head.rsplit_once(' ')?;
        if short.len() < 4 || !commit.as_str().starts_with(short) {
            return None;
        }
        let [files_changed, lines_added, lines_deleted] = said.lines().skip(1).find_map(counts)?;
        // A file that was renamed counts once there.
        (files_changed == self.paths.len() as u64).then_some(BranchChanges {
            files_changed,
            lines_added,
            lines_deleted,
            paths: self.paths,
        })
    }
}

/// Files, insertions and deletions of ` 2 files changed, 3 insertions(+), 1 deletion(-)`.
fn counts(line: &str) -> Option<[u64; 3]> {
    let mut parts = line.strip_prefix(' ')?.split(", ");
    let (files, changed) = parts.next()?.split_once(' ')?;
    if !matches!(changed, "file changed" | "files changed") {
        return None;
    }
    let mut counts = [files.parse().ok()?, 0, 0];
    for part in parts {
        let (count, kind) = part.split_once(' ')?;
        let at = match kind {
            "insertion(+)" | "insertions(+)" => 1,
            "deletion(-)" | "deletions(-)" => 2,
            _ => return None,
        };
        counts[at] = count.parse().ok()?;
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_commit_are_counted() {
        let commit = CommitId::parse(&"1234567890".repeat(4)).unwrap();
        let counted = |paths: &[&str], said: &str| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            IndexChanges { paths, is_plain: true }.counted(said.as_bytes(), &commit)
        };
        let head = "[aq/wip/a 1234567] a: attempt 1\n Author: x <y>\n";
        let said = format!("{head} 2 files changed, 3 insertions(+), 1 deletion(-)\n create x\n");
        let changes = counted(&["a", "b"], &said).unwrap();
        let BranchChanges { files_changed, lines_added, lines_deleted, .. } = changes;
        assert_eq!((files_changed, lines_added, lines_deleted), (2, 3, 1));
        assert!(counted(&["a", "b", "c"], &said).is_none(), "one was renamed");
        assert!(counted(&["a", "b"], &said.replace("1234567]", "7654321]")).is_none());
        let binary = format!("{head} 1 file changed, 0 insertions(+), 0 deletions(-)\n");
        assert_eq!(counted(&["a"], &binary).unwrap().lines_added, 0);
        assert!(counted(&["a"], head).is_none());
    }
}
