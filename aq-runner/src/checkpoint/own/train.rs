//! The checkout of a merge train: the files of a merge, for what checks them before it lands. One
//! for each target of a repository and queue. It is kept from merge to merge, with what is ignored
//! in it, such as a build; what else a check leaves is cleared away by the next merge.
//!
//! It is made as a job's is, and nothing in it is anybody's work: whatever is wrong with it, it is
//! made anew. `HEAD` of its own repository is a branch with the target's name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::super::checkout::remove;
use super::super::error::{CheckpointError, HeadState, Result};
use super::super::files;
use super::super::git::GitProgram;
use super::super::git_files::is_untouched;
use super::super::merge::PreparedMerge;
use super::super::merge_lock::MergeQueue;
use super::super::repository::CommitId;
use super::super::watch::GitWatch;
use super::super::wip::{JobBranch, WorkIsolation};
use super::keep::train_ref;
use super::place::OwnPlace;
use super::refs::OwnRepository;
use super::repository::LendingRepository;
use super::tips::digest;

/// The directory of aq's own part in a queue's `.state/`.
const TRAINS: &str = "trains";
/// Files of the control directory: where the checkout is, and of which branch.
const DIR: &str = "dir";
const TARGET: &str = "target";
/// So many characters of a branch's name are in that of the directory.
const NAMED: usize = 40;

impl OwnPlace {
    /// The place of a train's checkout: `work` is the directory in which jobs' checkouts are,
    /// `state` the queue's `.state/`, `repository` a common git directory and `target` a branch by
    /// its full name. No job's id begins as the name of such a directory does.
    pub fn of_train(work: &Path, state: &Path, repository: &Path, target: &str) -> Self {
        let parts = [&work.to_string_lossy(), &repository.to_string_lossy(), target];
        let short = target.strip_prefix("refs/heads/").unwrap_or(target);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let plain = short.chars().map(|c| if is_plain(c) { c } else { '-' });
        let plain: String = plain.take(NAMED).collect();
        let name = format!("_{plain}-{}", &digest(&[&parts.join("\0")])[..12]);
        let control = state.join(TRAINS).join(&name);
        Self { dir: work.join(&name), linked: control.join("linked"), control }
    }
}

impl PreparedMerge {
    /// Checks the merge out in a train's place. Answers the top of the checkout.
    ///
    /// # Errors
    /// When git fails, also in a checkout that was made anew.
    pub fn check_out(&self, place: &OwnPlace) -> Result<PathBuf> {
        let landing = self.landing();
        let wip = self.wip.for_train(landing.branch(), place);
        match wip.reuse(place, &landing.commit) {
            Ok(Some(root)) => Ok(root),
            Err(e @ (CheckpointError::Stopped { .. } | CheckpointError::TimedOut { .. })) => Err(e),
            Ok(None) | Err(_) => wip.make_anew(place, &landing.target, &landing.commit),
        }
    }

    /// The job's directory in a checkout of the merge.
    ///
    /// # Errors
    /// When it leads out of the checkout.
    pub fn directory_in(&self, root: &Path) -> Result<PathBuf> {
        self.wip.directory_in(root)
    }
}

impl JobBranch {
    /// The same as the branch of a train's own repository. No ref of the user's is written by it.
    fn for_train(&self, branch: &str, place: &OwnPlace) -> Self {
        self.with_branch(branch, WorkIsolation::Own(place.clone()))
    }

    /// Brings a checkout that is there to a commit; `None` where it is not what it was.
    fn reuse(&self, place: &OwnPlace, commit: &CommitId) -> Result<Option<PathBuf>> {
        let Some(root) = place.named_root()?.filter(|_| place.is_whole().unwrap_or(false)) else {
            return Ok(None);
        };
        let own = OwnRepository::of(&root);
        let is_dir = |path: &Path| path.symlink_metadata().is_ok_and(|about| about.is_dir());
        let is_named = files::is_there(&place.control.join(TARGET))?;
        let is_ours = is_named && is_dir(&place.dir) && is_dir(&root) && own.is_whole()?;
        let given = place.given()?.filter(|_| is_ours);
        let is_here = place.common_dir()?.as_deref() == Some(self.repo.common_dir());
        let Some(given) = given.filter(|_| is_here) else { return Ok(None) };
        let checkout = self.own_at(place, root);
        checkout.clear_locks()?;
        let left = match self.has_plain_index() && is_untouched(&checkout.root, &place.index()) {
            true => Vec::new(),
            false => {
                let call = checkout.call(self.repo.git(), "ls-files");
                let call = call.args(["-z", "-t", "--modified", "--deleted", "--others"]);
                call.arg("--exclude-standard").slow().run()?.stdout
            }
        };
        let call = checkout.call(self.repo.git(), "read-tree").slow();
        if left.is_empty() {
            call.args(["-m", "-u", given.as_str(), commit.as_str()]).run()?;
        } else {
            for path in left.split(|&byte| byte == 0).filter_map(|line| line.strip_prefix(b"? ")) {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                let path = checkout.root.join(OsStr::from_bytes(path));
                remove(&path)?;
                let above = path.ancestors().skip(1).take_while(|dir| *dir != checkout.root);
                // Those with anything else in them stay.
                let _ = above.map(std::fs::remove_dir).find(Result::is_err);
            }
            call.args(["--reset", "-u", commit.as_str()]).run()?;
        }
        self.refresh_shallow(&own)?;
        self.put_own_on(place, &own, commit, &place.index())?;
        Ok(Some(checkout.root))
    }

    fn make_anew(&self, place: &OwnPlace, target: &str, commit: &CommitId) -> Result<PathBuf> {
        place.discard()?;
        let lender = LendingRepository::read(self)?;
        let keeper = self.keep_for_train(&lender.tips, &name_of(&place.control))?;
        std::fs::create_dir_all(&place.control).at("create", &place.control)?;
        let checkout = self.fill_own(place, &lender, &keeper, commit)?;
        // What has no such files is not found by who removes trains, and made anew before.
        files::put(&place.control.join(DIR), place.dir.as_os_str().as_bytes())?;
        files::put(&place.control.join(TARGET), target.as_bytes())?;
        Ok(checkout.root)
    }
}

fn name_of(control: &Path) -> String {
    control.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes the checkouts of a queue's trains, but those that are in use. `state` is its `.state/`.
///
/// # Errors
/// When one cannot be removed.
pub fn remove_trains(queue: &Path, state: &Path) -> Result<()> {
    let entries = std::fs::read_dir(state.join(TRAINS)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).try_for_each(|control| remove_train(queue, control))
}

fn remove_train(queue: &Path, control: PathBuf) -> Result<()> {
    let read = |name: &str| {
        let path = control.join(name);
        files::read_bytes(&path).at("read", &path)
    };
    let (dir, target) = (read(DIR)?, read(TARGET)?);
    let dir = dir.map(|dir| PathBuf::from(OsString::from_vec(dir)));
    let target = target.and_then(|name| String::from_utf8(name).ok());
    let name = name_of(&control);
    let place = OwnPlace {
        // Where that is not known, nothing is there.
        dir: dir.unwrap_or_else(|| control.join("checkout")),
        linked: control.join("linked"),
        control,
    };
    let Some(common_dir) = place.common_dir()?.filter(|dir| dir.is_dir()) else {
        return place.discard();
    };
    let watch = GitWatch::default().limited(Some(std::time::Duration::ZERO));
    let target = target.unwrap_or_default();
    let job = "aq clean";
    let lock = MergeQueue { common_dir: &common_dir, target: &target, job, queue, watch: &watch };
    let _lock = match target.starts_with("refs/heads/").then(|| lock.enter()) {
        Some(Err(CheckpointError::MergeGoesOn { .. })) => return Ok(()),
        Some(entered) => Some(entered?),
        None => None,
    };
    place.discard()?;
    let git = GitProgram::new(&[], &GitWatch::default());
    let call = git.call(&common_dir, "update-ref").env("GIT_DIR", &common_dir);
    call.args(["-d", &train_ref(&name)]).run().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_trains_differ() {
        let place = |target: &str, repository: &str| {
            let (work, state) = (Path::new("/q/work"), Path::new("/q/.state"));
            OwnPlace::of_train(work, state, Path::new(repository), target)
        };
        let main = place("refs/heads/main", "/a/.git");
        let name = name_of(&main.control);
        assert!(name.starts_with("_main-") && name.len() == 18, "{name}");
        assert_eq!(main.dir, Path::new("/q/work").join(&name));
        assert_ne!(main, place("refs/heads/main", "/b/.git"));
        assert_ne!(main, place("refs/heads/next", "/a/.git"));
        let odd = place(&format!("refs/heads/.x/ü{}", "y".repeat(200)), "/a/.git");
        assert!(!name_of(&odd.control)[1..].contains('.') && name_of(&odd.control).len() < 80);
    }
}
