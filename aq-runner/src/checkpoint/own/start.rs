//! Making the checkout step by step (`git clone --shared` fails on partial clones and copies the
//! packs of shallow ones), and finding it again.
//!
//! The order is: the ref that keeps what is borrowed, with the job's branch; the control directory;
//! `.git` in the checkout; the files; the indexes; and last the name of the commit that all of it
//! is at. What a kill leaves before that has no such name, no agent has seen it, and it is made
//! anew.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::super::checkout::{JobCheckout, remove};
use super::super::error::{HeadState, Result};
use super::super::files;
use super::super::repository::CommitId;
use super::super::wip::{CheckpointResult, JobBranch};
use super::place::{OwnPlace, repository_name};
use super::refs::OwnRepository;
use super::repository::LendingRepository;
use super::settings::render;

impl JobBranch {
    /// Gets the checkout ready: new, or as it was left, with what was left in it saved.
    pub(in super::super) fn start_own(
        &self,
        place: &OwnPlace,
        first: bool,
    ) -> Result<(JobCheckout, bool, CheckpointResult)> {
        if first {
            self.begin()?;
        }
        let mut leftovers = CheckpointResult::default();
        if !first && let Some(checkout) = self.checkout()? {
            leftovers = self.save(&checkout, "aq: left by an attempt that was interrupted")?;
            if checkout.own.is_some() {
                self.follow_branch(place, &checkout)?;
                return Ok((checkout, false, leftovers));
            }
            if checkout.git_dir.is_some() {
                return Ok((checkout, false, leftovers));
            }
        }
        if !first {
            place.discard()?;
            self.discard_linked(&place.linked)?;
        }
        // A git that was killed leaves a lock, also one of an earlier job of this name.
        self.unlock_branch()?;
        let with_branch = first || self.tip()?.is_none();
        let made = self.make_own(place, with_branch);
        Ok((made.map_err(|e| self.not_made(first, e))?, true, leftovers))
    }

    /// The checkout, if it was ever complete and its files are there.
    pub(in super::super) fn find_own(&self, place: &OwnPlace) -> Result<Option<JobCheckout>> {
        let Some(root) = place.named_root()? else { return Ok(None) };
        if !files::is_directory(&root)? || !place.is_whole()? {
            return Ok(None);
        }
        let checkout = self.own_at(place, root);
        self.follow_repository(place, &checkout)?;
        if let Some(own) = checkout.own.as_ref()
            && !own.is_whole()?
        {
            // The agent removed or replaced it. Its files are still its work.
            let at = place.given()?.unwrap_or_else(|| self.base().clone());
            place.put_aside(own)?;
            self.make_repository(&checkout.root, own, &LendingRepository::read(self)?, &at)?;
            // Without one, all files are read again, and nothing is lost.
            if let Ok(index) = self.index_of_work(&checkout, &place.index(), &at) {
                let _ = own.install_index(&index);
            }
        }
        Ok(Some(checkout))
    }

    /// Makes a checkout borrow from where the user's repository is by now, when it was moved.
    fn follow_repository(&self, place: &OwnPlace, checkout: &JobCheckout) -> Result<()> {
        let common = self.repo.common_dir();
        let Some(old) = place.common_dir()?.filter(|old| old != common) else { return Ok(()) };
        if let Some(own) = checkout.own.as_ref()
            && own.is_whole()?
        {
            own.borrow_from(&common.join("objects"), Some(&old.join("objects")))?;
        }
        // Last, so that a kill before it has all of this done again.
        place.lend(common)
    }

    fn make_own(&self, place: &OwnPlace, with_branch: bool) -> Result<JobCheckout> {
        let lender = LendingRepository::read(self)?;
        let begun = if with_branch { None } else { self.tip()? };
        let tip = begun.unwrap_or_else(|| self.base().clone());
        let keeper = self.keep(&lender.tips, with_branch)?;
        self.fill_own(place, &lender, &keeper, &tip)
    }

    /// Makes the checkout at a commit, where nothing is.
    pub(super) fn fill_own(
        &self,
        place: &OwnPlace,
        lender: &LendingRepository,
        keeper: &CommitId,
        commit: &CommitId,
    ) -> Result<JobCheckout> {
        let checkout = self.own_at(place, place.dir.join(repository_name(&self.repo)));
        self.make_control(place, &checkout, lender)?;
        place.keep(keeper)?;
        private(&place.dir)?;
        DirBuilder::new().create(&checkout.root).at("create", &checkout.root)?;
        if let Some(own) = &checkout.own {
            self.make_repository(&checkout.root, own, lender, commit)?;
        }
        let call = checkout.call(self.repo.git(), "read-tree").args(["-m", "-u", commit.as_str()]);
        call.slow().run()?;
        if let Some(own) = &checkout.own {
            own.install_index(&place.index())?;
        }
        place.give(commit)?;
        Ok(checkout)
    }

    /// aq's directory for the checkout: its `HEAD` is the job's branch, whatever the agent does.
    fn make_control(
        &self,
        place: &OwnPlace,
        checkout: &JobCheckout,
        lender: &LendingRepository,
    ) -> Result<()> {
        remove(&place.control)?;
        private(&place.control)?;
        let write = |name: &str, bytes: &[u8]| files::put(&place.control.join(name), bytes);
        let common = self.repo.common_dir();
        place.lend(common)?;
        write("HEAD", format!("ref: {}\n", self.branch_ref()).as_bytes())?;
        let mut of_worktree = lender.settings.iter().filter(|one| one.is_of_worktree()).peekable();
        if of_worktree.peek().is_some() {
            write("config.worktree", &render(of_worktree, self.settings_place(&[])))?;
        }
        private(&place.control.join("info"))?;
        let sparse = "info/sparse-checkout";
        files::copy(&self.repo.git_dir().join(sparse), &place.control.join(sparse))?;
        if common.join("reftable").is_dir() {
            // Where refs are in tables, each worktree has one of its own, for `HEAD`.
            private(&place.control.join("reftable"))?;
            write("reftable/tables.list", b"")?;
            private(&place.control.join("refs"))?;
            write("refs/heads", b"this repository uses the reftable format\n")?;
            let call = self.repo.git().call(&place.control, "symbolic-ref");
            let call = call.env("GIT_DIR", &place.control);
            call.args(["HEAD", &self.branch_ref()]).run()?;
        }
        place.name(&checkout.root)
    }

    pub(super) fn own_at(&self, place: &OwnPlace, root: PathBuf) -> JobCheckout {
        JobCheckout {
            git_dir: Some(place.control.clone()),
            own: Some(OwnRepository::of(&root)),
            root,
            common_dir: self.repo.common_dir().to_owned(),
            exclude: None,
            objects: None,
        }
    }

    /// Brings the files up to a branch that was moved in the user's repository since they were
    /// given to the agent. There is nothing in them that the branch does not have.
    pub(super) fn follow_branch(&self, place: &OwnPlace, checkout: &JobCheckout) -> Result<()> {
        let (Some(given), Some(tip)) = (place.given()?, self.tip()?) else { return Ok(()) };
        let Some(own) = &checkout.own else { return Ok(()) };
        self.refresh_shallow(own)?;
        if given == tip || self.is_held()? {
            return Ok(());
        }
        self.move_files(checkout, &given, &tip)?;
        let index = self.index_of_work(checkout, &place.index(), &tip)?;
        self.put_own_on(place, own, &tip, &index)
    }

    pub(in super::super) fn move_files(
        &self,
        checkout: &JobCheckout,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<()> {
        let call = checkout.call(self.repo.git(), "read-tree").args(["-m", "-u"]);
        call.args([from.as_str(), to.as_str()]).slow().run().map(drop)
    }

    /// Puts the agent's repository on the branch: refs, index, and no operation that goes on.
    pub(in super::super) fn put_own_on(
        &self,
        place: &OwnPlace,
        own: &OwnRepository,
        tip: &CommitId,
        index: &Path,
    ) -> Result<()> {
        own.clear_unfinished()?;
        own.put_on(&self.branch_ref(), tip)?;
        own.install_index(index)?;
        place.give(tip)
    }
}

/// Makes a directory, and those above it, that nobody else can look into.
fn private(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).at("create", dir)
}
