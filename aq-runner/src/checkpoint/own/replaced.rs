//! Repositories that the agent has put in the place of its own, or damaged so that it borrows
//! nothing any more. Its files are saved as always; what else was committed there is in no ref of
//! the new one, so such a repository is kept beside the checkout.

use std::path::{Path, PathBuf};

use super::super::checkout::remove;
use super::super::error::{HeadState, Result};
use super::super::left::LeftOut;
use super::super::repository::CommitId;
use super::super::wip::JobBranch;
use super::bring::borrowed_from;
use super::place::OwnPlace;
use super::refs::{OwnHead, OwnRepository};

/// The start of their names. No checkout's name begins with a dot.
const KEPT: &str = ".git-replaced-";
/// The name under which they are reported.
const NAME: &str = ".git";

impl OwnPlace {
    /// Takes what is at the place of `.git` away, and keeps it where it is a repository.
    pub(super) fn put_aside(&self, own: &OwnRepository) -> Result<()> {
        if !own.dir().symlink_metadata().is_ok_and(|about| about.is_dir()) {
            return remove(own.dir());
        }
        let free = (1..).map(|n| self.dir.join(format!("{KEPT}{n}")));
        let free = free.into_iter().find(|path| path.symlink_metadata().is_err());
        let path = free.unwrap_or_else(|| self.dir.join(KEPT));
        std::fs::rename(own.dir(), &path).at("move away", own.dir())
    }

    fn put_asides(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(KEPT.as_bytes()));
        let mut paths: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }
}

impl JobBranch {
    /// Names the repositories that were replaced and have contents of files that the user's has
    /// not. The others are removed.
    pub(super) fn left_in_replaced(&self, place: &OwnPlace) -> Result<Vec<LeftOut>> {
        let mut left = Vec::new();
        for path in place.put_asides() {
            let words = match self.contents_only_in(&path) {
                Ok(0) => {
                    remove(&path)?;
                    continue;
                }
                Ok(1) => "one file".to_owned(),
                Ok(count) => format!("{count} files"),
                Err(e) => format!("something that git cannot read ({e})"),
            };
            let why = format!(
                "the agent replaced its repository, and {words} committed there is not on the \
                 job's branch; it is kept at {}",
                path.display()
            );
            left.push(LeftOut::new(NAME, why));
        }
        Ok(left)
    }

    /// The number of committed contents that the user's repository has not.
    fn contents_only_in(&self, path: &Path) -> Result<usize> {
        let repository = OwnRepository::at(path.to_owned());
        let refs = repository.refs()?;
        let of_agent = refs.iter().filter(|(name, _)| !name.starts_with("refs/remotes/"));
        let mut commits: Vec<CommitId> = of_agent.map(|(_, commit)| commit.clone()).collect();
        if let OwnHead::Detached(commit) = repository.head()? {
            commits.push(commit);
        }
        if commits.is_empty() {
            return Ok(0);
        }
        let call = self.repo.call("rev-list").args(["--objects", "--no-object-names"]);
        let call = call.args(["--filter=object:type=blob", "--filter-provided-objects"]);
        let call =
            call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", borrowed_from(&repository.objects()));
        let call = call.args(commits.iter().map(CommitId::as_str)).args(["--not", "--all"]);
        let contents = call.slow().run()?.stdout;
        let call = self.repo.call("cat-file").arg("--batch-check").text(&contents)?;
        let known = call.slow().run()?.stdout;
        Ok(String::from_utf8_lossy(&known)
            .lines()
            .filter(|line| line.ends_with(" missing"))
            .count())
    }
}
