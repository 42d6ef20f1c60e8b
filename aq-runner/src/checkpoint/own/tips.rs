//! The user's branches, tags and remotes as a job's repository gets them, and the one commit
//! that keeps all of it, so that nothing that is borrowed is pruned.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::error::Result;
use super::super::repository::{CommitId, GitRepository, nonsense};
use super::super::wip::BRANCHES;
use super::tips_memory::TipsMemory;

/// The refs that are looked at. What `stash` and aq's own keep is nobody's business there.
pub(super) const LOOKED_AT: [&str; 5] =
    ["refs/heads", "refs/remotes", "refs/tags", "refs/notes", "refs/replace"];
/// Names, objects, and the commits behind tags.
const FORMAT: &str = "--format=%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)\
                      %00%(*objecttype)%00%(symref)";

/// One of the user's refs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RefTip {
    name: String,
    /// Digits of the object that it names.
    object: String,
    kind: String,
    /// Digits and kind of what a tag object names.
    behind: Option<(String, String)>,
    /// The ref that a symbolic one names.
    link: Option<String>,
}

/// The user's refs, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefTips {
    tips: Vec<RefTip>,
}

impl RefTips {
    /// `notes` is the directory in which they are remembered.
    pub(super) fn read(repo: &GitRepository, notes: &Path) -> Result<Self> {
        let memory = TipsMemory::of(repo, notes);
        let state = memory.state();
        let known = state.as_ref().and_then(|state| memory.recall(state));
        if let Some(tips) = known.as_deref().and_then(Self::parse) {
            return Ok(tips);
        }
        let output = repo.call("for-each-ref").arg(FORMAT).args(LOOKED_AT).slow().run()?;
        let text = str::from_utf8(&output.stdout).map_err(|_| nonsense(&output.stdout))?;
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with(BRANCHES));
        let text: String = lines.collect();
        let tips = Self::parse(&text).ok_or_else(|| nonsense(&output.stdout))?;
        if let Some(state) = &state {
            memory.remember(state, &text);
        }
        Ok(tips)
    }

    fn parse(text: &str) -> Option<Self> {
        let tips: Option<Vec<RefTip>> = text.lines().map(RefTip::parse).collect();
        tips.map(|tips| Self { tips })
    }

    /// The commits that keep everything that these refs lead to, each once.
    pub(super) fn commits(&self) -> Vec<&str> {
        let mut commits: Vec<&str> = self.tips.iter().filter_map(RefTip::commit).collect();
        commits.sort_unstable();
        commits.dedup();
        commits
    }

    /// Tag objects, which no commit keeps.
    pub(super) fn tag_objects(&self) -> impl Iterator<Item = &str> {
        self.tips.iter().filter(|tip| tip.kind == "tag").map(|tip| tip.object.as_str())
    }

    /// The branches that a job's repository has: these, and the remotes' default ones.
    pub(super) fn branches<'a>(&'a self, wanted: &[&'a str]) -> Vec<&'a str> {
        let mut names: Vec<&str> = wanted.to_vec();
        names.extend(["main", "master"]);
        names.extend(self.tips.iter().filter_map(|tip| {
            let remote = tip.name.strip_prefix("refs/remotes/")?.strip_suffix("/HEAD")?;
            tip.link
                .as_ref()?
                .strip_prefix("refs/remotes/")?
                .strip_prefix(remote)?
                .strip_prefix('/')
        }));
        let is_there = |name: &&str| {
            let branch = |tip: &RefTip| tip.name.strip_prefix("refs/heads/") == Some(name);
            self.tips.iter().any(branch)
        };
        names.retain(is_there);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The text of `packed-refs`, with no other branches than these.
    pub(super) fn packed(&self, branches: &[&str]) -> String {
        let mut text = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        for tip in self.tips.iter().filter(|tip| tip.link.is_none()) {
            let branch = tip.name.strip_prefix("refs/heads/");
            if branch.is_some_and(|branch| !branches.contains(&branch)) {
                continue;
            }
            let _ = writeln!(text, "{} {}", tip.object, tip.name);
            if let Some((object, _)) = &tip.behind {
                let _ = writeln!(text, "^{object}");
            }
        }
        text
    }

    /// Symbolic refs below `refs/remotes/`, with what they name.
    pub(super) fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        let remote = |tip: &&RefTip| tip.name.starts_with("refs/remotes/");
        self.tips
            .iter()
            .filter(remote)
            .filter_map(|tip| Some((tip.name.as_str(), tip.link.as_deref()?)))
    }
}

impl RefTip {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\0').map(str::to_owned);
        let mut next = || fields.next();
        let (name, object, kind) = (next()?, next()?, next()?);
        let (behind, behind_kind, link) = (next()?, next()?, next()?);
        let behind = Some((behind, behind_kind)).filter(|(object, _)| !object.is_empty());
        Some(Self { name, object, kind, behind, link: Some(link).filter(|link| !link.is_empty()) })
    }

    fn commit(&self) -> Option<&str> {
        match (&self.behind, self.kind.as_str()) {
            (Some((object, kind)), _) => Some(object.as_str()).filter(|_| kind == "commit"),
            (None, "commit") => Some(&self.object),
            (None, _) => None,
        }
    }
}

/// The text of the commit that has all these as parents. The same parents make the same commit.
pub(super) fn keeper(tree: &str, commits: &[&str]) -> String {
    let mut text = format!("tree {tree}\n");
    for commit in commits {
        let _ = writeln!(text, "parent {commit}");
    }
    text + "author aq <aq@localhost> 0 +0000\ncommitter aq <aq@localhost> 0 +0000\n\n\
            aq: keeps what checkouts of jobs borrow\n"
}

/// A short name for what is to be kept, by which a keeper is found again.
pub(in super::super) fn digest(commits: &[&str]) -> String {
    let mut hash = Sha256::new();
    for commit in commits {
        hash.update(commit.as_bytes());
    }
    let bytes = hash.finalize();
    bytes.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The keeper in a line of remembered ones, if it is that of this digest.
pub(super) fn remembered(line: &str, digest: &str) -> Option<CommitId> {
    let (known, commit) = line.split_once(' ')?;
    CommitId::parse(commit).filter(|_| known == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tips(lines: &[&str]) -> RefTips {
        RefTips {
            tips: lines
                .iter()
                .map(|line| RefTip::parse(&line.replace('|', "\0")).unwrap())
                .collect(),
        }
    }

    #[test]
    fn commits_behind_tags_are_kept_once() {
        let tips = tips(&[
            "refs/heads/main|c1|commit|||",
            "refs/remotes/origin/HEAD|c1|commit|||refs/remotes/origin/main",
            "refs/tags/v1|t1|tag|c2|commit|",
            "refs/tags/tree|e1|tree|||",
            "refs/tags/file|t2|tag|b1|blob|",
        ]);
        assert_eq!(tips.commits(), ["c1", "c2"]);
        assert_eq!(tips.tag_objects().collect::<Vec<_>>(), ["t1", "t2"]);
        let packed = tips.packed(&["main"]);
        assert!(packed.contains("t1 refs/tags/v1\n^c2\n"), "{packed}");
        assert!(!packed.contains("HEAD"), "{packed}");
    }

    #[test]
    fn a_job_has_few_branches() {
        let tips = tips(&[
            "refs/heads/dev|c1|commit|||",
            "refs/heads/mine|c1|commit|||",
            "refs/heads/trunk|c1|commit|||",
            "refs/remotes/origin/HEAD|c1|commit|||refs/remotes/origin/trunk",
        ]);
        assert_eq!(tips.branches(&["dev", "gone"]), ["dev", "trunk"]);
        assert!(!tips.packed(&["dev"]).contains("mine"));
    }
}
