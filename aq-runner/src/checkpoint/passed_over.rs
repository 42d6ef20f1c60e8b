//! Repositories inside that git passes over because something ignores them. An agent can write such
//! rules, and a `.gitignore` with `*` hides itself, too, so aq looks for them by itself.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::checkout::JobCheckout;
use super::error::{HeadState, Result};
use super::gitlinks::Gitlinks;
use super::nested::NestedRepository;
use super::wip::JobBranch;

/// So many directories are looked at, those near the top first: about 0.1 s.
const MOST_DIRECTORIES: usize = 10_000;

impl JobBranch {
    /// Repositories that are in no index and not ignored by the rules that the job started with.
    /// Without a run of git when there is none.
    pub(super) fn passed_over(
        &self,
        checkout: &JobCheckout,
        links: &Gitlinks,
    ) -> Result<Vec<NestedRepository>> {
        let mut found = repositories_below(&checkout.root);
        found.retain(|path| !links.contains_key(path.as_os_str()));
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let ignored = self.ignored_at_start(checkout, &found)?;
        found.retain(|path| !ignored.contains(path));
        Ok(found
            .iter()
            .filter_map(|path| NestedRepository::at(&checkout.root.join(path)))
            .collect())
    }

    /// Which of these directories the base's own ignore files ignore: no others, of nobody.
    fn ignored_at_start(
        &self,
        checkout: &JobCheckout,
        paths: &[PathBuf],
    ) -> Result<BTreeSet<PathBuf>> {
        let dir = tempfile::tempdir_in(self.notes.dir()).at("create in", self.notes.dir())?;
        let (index, files) = (dir.path().join("index"), dir.path().join("files"));
        for path in paths {
            let path = files.join(path);
            std::fs::create_dir_all(&path).at("create", &path)?;
        }
        let git_dir = checkout.git_dir.as_ref().unwrap_or(&checkout.common_dir);
        let call = |subcommand: &str| {
            let options = ["-c", "core.excludesFile=/dev/null"];
            let call = self.repo.git().call_with(&options, &files, subcommand);
            call.env("GIT_DIR", git_dir).env("GIT_WORK_TREE", &files).env("GIT_INDEX_FILE", &index)
        };
        call("read-tree").arg(self.base().as_str()).slow().run()?;
        let rules = call("ls-files").args(["-z", "--", ":(top,glob)**/.gitignore"]).run()?.stdout;
        call("checkout-index").args(["-q", "-z", "--stdin"]).text(&rules)?.slow().output()?;
        let list = paths.iter().map(|path| path.as_os_str().as_bytes()).collect::<Vec<_>>();
        let asked = call("check-ignore").args(["--no-index", "--verbose", "-z", "--stdin"]);
        let answer = asked.text(&list.join(&0))?.output()?;
        if !matches!(answer.code(), Some(0 | 1)) {
            return Err(answer.failure());
        }
        Ok(ignored(&answer.stdout))
    }
}

/// The paths that a tracked ignore file ignores, as `check-ignore --verbose -z` names them: the
/// file, the line, the pattern, the path.
fn ignored(answer: &[u8]) -> BTreeSet<PathBuf> {
    let fields: Vec<&[u8]> = answer.split(|&byte| byte == 0).collect();
    let of_base = fields.chunks_exact(4).filter_map(|four| {
        let &[file, _, pattern, path] = four else { return None };
        let file = Path::new(OsStr::from_bytes(file));
        let is_tracked = file.is_relative() && file.ends_with(".gitignore");
        let is_rule = is_tracked && !pattern.starts_with(b"!");
        is_rule.then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
    });
    of_base.collect()
}

/// The repositories below a directory, relative to it, but those inside of others.
fn repositories_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = VecDeque::from([PathBuf::new()]);
    for _ in 0..MOST_DIRECTORIES {
        let Some(dir) = open.pop_front() else { break };
        let mut inside = Vec::new();
        let mut is_repository = false;
        for entry in std::fs::read_dir(root.join(&dir)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == ".git" {
                is_repository = !dir.as_os_str().is_empty();
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                inside.push(dir.join(name));
            }
        }
        if is_repository {
            found.push(dir);
        } else {
            open.extend(inside);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_of_tracked_files_count() {
        let answer = b".gitignore\x001\0build/\0build/x\0/home/u/.gitignore\x002\0b\0b\0\
                       a/.gitignore\x003\0!c\0a/c\0/r/.git/info/exclude\x001\0d\0d\0";
        assert_eq!(ignored(answer), BTreeSet::from([PathBuf::from("build/x")]));
        assert_eq!(ignored(b""), BTreeSet::new());
    }

    #[test]
    fn repositories_are_found_and_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        for path in [".git/x/.git", "a/b/.git", "a/b/c/.git", "d"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(dir.path().join("d/.git"), "gitdir: elsewhere").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        let found = repositories_below(dir.path());
        assert_eq!(found, [PathBuf::from("d"), PathBuf::from("a/b")]);
    }
}
