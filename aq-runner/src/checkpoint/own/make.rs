//! Making the job's own repository, step by step: `git clone --shared` fails on partial clones and
//! copies the packs of shallow ones.
//!
//! The order is: what keeps the borrowed objects, the job's branch, the control directory, `.git`
//! in the checkout, the files, and last aq's index, which says that all of it is there. What a kill
//! leaves before that has no index, no agent has seen it, and it is made anew.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::checkout::{Checkout, remove};
use super::super::error::{At, Result};
use super::super::files;
use super::super::git::Call;
use super::super::notes::Origin;
use super::super::repository::{CommitId, Repository};
use super::super::wip::Wip;
use super::refs::OwnRepository;
use super::settings::{Place, Setting, has_includes, lost_at, parse, render};
use super::tips::{Tips, digest, keeper, remembered};

/// Where the commits are that keep what jobs borrow: `refs/aq/base/<job>`.
const KEPT: &str = "refs/aq/base/";
/// Keepers that were made before, by what they keep, so that the next job makes none.
const KEEPERS: &str = ".keepers";
/// So many are remembered: one for each repository that a queue works in, as it was last.
const REMEMBERED: usize = 16;
/// The largest hook that is taken along, in bytes.
const MAX_HOOK: u64 = 1 << 20;
/// The files of the control directory that say where the checkout is, and at which commit.
const NAME: &str = "name";
const GIVEN: &str = "given";
const NEW_INDEX: &str = "index.new";

/// Where a job's own repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPlace {
    /// The directory in which the checkout is, under the name of the user's repository.
    pub dir: PathBuf,
    /// aq's git directory for it, out of the agent's way.
    pub control: PathBuf,
}

impl OwnPlace {
    /// The checkout; `None` when it was never made.
    pub(in super::super) fn root(&self) -> Option<PathBuf> {
        let name = files::read_path(&self.control.join(NAME)).ok()??;
        Some(self.dir.join(name))
    }

    /// The user's repository; `None` when the checkout was never made.
    pub(in super::super) fn common_dir(&self) -> Option<PathBuf> {
        files::read_path(&self.control.join("commondir")).ok()?
    }

    /// The commit that the checkout was last put at.
    pub(in super::super) fn given(&self) -> Result<Option<CommitId>> {
        let path = self.control.join(GIVEN);
        let text = files::read(&path).at("read", &path)?;
        Ok(text.and_then(|text| CommitId::parse(&text)))
    }

    /// Records the commit that the checkout is put at.
    pub(in super::super) fn give(&self, commit: &CommitId) -> Result<()> {
        put(&self.control.join(GIVEN), format!("{commit}\n").as_bytes())
    }

    /// Takes the checkout and aq's directory for it away. The files lose their place first, all
    /// at once: a checkout of which some are gone, because this was killed, would be saved by the
    /// next call, and the branch would lose them.
    pub(in super::super) fn discard(&self) -> Result<()> {
        let Some(name) = self.dir.file_name() else { return Ok(()) };
        // No job id starts with a dot, so this is nobody's.
        let gone = self.dir.with_file_name([OsStr::new(".gone-"), name].concat_os());
        remove(&gone)?;
        match std::fs::rename(&self.dir, &gone) {
            Err(e) if files::is_absent(&e) => {}
            moved => moved.at("move away", &self.dir)?,
        }
        remove(&self.control)?;
        remove(&gone)
    }
}

impl Wip {
    /// The checkout, if it was ever complete and its files are there.
    pub(in super::super) fn find_own(&self, place: &OwnPlace) -> Result<Option<Checkout>> {
        let Some(root) = place.named_root()? else { return Ok(None) };
        if !root.is_dir() || !place.control.join("index").exists() {
            return Ok(None);
        }
        let checkout = self.own_at(place, root);
        if let Some(own) = checkout.own.as_ref().filter(|own| !own.is_there()) {
            // The agent removed or replaced it. Its files are still its work.
            let tip = place.given()?.unwrap_or_else(|| self.base.clone());
            remove(own.dir())?;
            let tips = Tips::read(&self.repo)?;
            self.make_repository(&checkout.root, own, &tips, &self.settings()?, &tip)?;
        }
        Ok(Some(checkout))
    }

    /// Makes the checkout from the branch, or the branch, too.
    pub(in super::super) fn make_own(
        &self,
        place: &OwnPlace,
        with_branch: bool,
    ) -> Result<Checkout> {
        let tips = Tips::read(&self.repo)?;
        let settings = self.settings()?;
        let root = place.dir.join(repository_name(&self.repo));
        let tip = match self.tip()? {
            Some(tip) if !with_branch => tip,
            _ => self.base.clone(),
        };
        self.keep(&tips, with_branch)?;
        let checkout = self.own_at(place, root);
        self.make_control(place, &checkout, &settings)?;
        let Checkout { root, own: Some(own), .. } = &checkout else { return Ok(checkout) };
        private_dir(&place.dir)?;
        std::fs::create_dir(root).at("create", root)?;
        self.make_repository(root, own, &tips, &settings, &tip)?;
        self.fill(place, &checkout, &tip)?;
        Ok(checkout)
    }

    /// Writes all files, then the index that says so.
    fn fill(&self, place: &OwnPlace, checkout: &Checkout, tip: &CommitId) -> Result<()> {
        let new = place.control.join(NEW_INDEX);
        let call = checkout.call(self.repo.git(), "read-tree").env("GIT_INDEX_FILE", &new);
        call.args(["-m", "-u", tip.as_str()]).slow().run()?;
        place.give(tip)?;
        if let Some(own) = &checkout.own {
            own.install_index(&new)?;
        }
        let index = place.control.join("index");
        std::fs::rename(&new, &index).at("rename to", &index)
    }

    fn own_at(&self, place: &OwnPlace, root: PathBuf) -> Checkout {
        Checkout {
            git_dir: Some(place.control.clone()),
            own: Some(OwnRepository::of(&root)),
            root,
            common_dir: self.repo.common_dir().to_owned(),
            exclude: None,
        }
    }

    /// What applies in the user's checkout.
    fn settings(&self) -> Result<Vec<Setting>> {
        let call = self.repo.call("config").env("GIT_DIR", self.repo.git_dir());
        Ok(parse(&list_settings(call)?))
    }

    /// Makes the ref that keeps what is borrowed, and with it the job's branch at its base.
    fn keep(&self, tips: &Tips, with_branch: bool) -> Result<()> {
        let mut commits = tips.commits();
        if !commits.contains(&self.base.as_str()) {
            commits.push(self.base.as_str());
        }
        let digest = digest(&commits);
        let remembered = self.notes.dir().join(KEEPERS);
        let known = files::read(&remembered).ok().flatten().unwrap_or_default();
        let known_keeper = known.lines().find_map(|line| super::tips::remembered(line, &digest));
        if let Some(keeper) = known_keeper
            && self.make_refs(&keeper, with_branch).is_ok()
        {
            return Ok(());
        }
        let call = self.repo.call("hash-object").args(["-w", "-t", "tree"]);
        let tree = call.arg(Path::new("/dev/null")).line()?;
        let call = self.repo.call("hash-object").args(["-w", "-t", "commit", "--stdin"]);
        let keeper = call.text(keeper(&tree, &commits).as_bytes())?.line()?;
        let keeper = CommitId::parse(&keeper)
            .ok_or_else(|| super::super::repository::nonsense(keeper.as_bytes()))?;
        self.make_refs(&keeper, with_branch)?;
        let others = known.lines().filter(|line| remembered_other(line, &digest));
        let lines = std::iter::once(format!("{digest} {keeper}"));
        let lines = lines.chain(others.map(str::to_owned)).take(REMEMBERED);
        // What is not remembered is made again.
        let _ = put(&remembered, (lines.collect::<Vec<_>>().join("\n") + "\n").as_bytes());
        Ok(())
    }

    /// Both refs at once, or none.
    fn make_refs(&self, keeper: &CommitId, with_branch: bool) -> Result<()> {
        let kept = self.kept_ref();
        let mut text = format!("update {kept} {keeper}\n");
        if with_branch {
            text += &format!("create {} {}\n", self.branch_ref(), self.base);
        }
        let call = self.repo.call("update-ref").args(["-m", "aq: start", "--stdin"]);
        call.text(text.as_bytes())?.run().map(drop)
    }

    /// Lets go of what was kept for the job's checkout.
    pub(in super::super) fn let_go(&self) -> Result<()> {
        self.repo.call("update-ref").args(["-d", &self.kept_ref()]).run().map(drop)
    }

    /// The ref that keeps what the job's checkout borrows.
    pub(in super::super) fn kept_ref(&self) -> String {
        let branch = self.branch_ref();
        branch.replacen(super::super::wip::BRANCHES, KEPT, 1)
    }

    /// aq's directory for the checkout: `HEAD` is the job's branch, whatever the agent does.
    fn make_control(
        &self,
        place: &OwnPlace,
        checkout: &Checkout,
        settings: &[Setting],
    ) -> Result<()> {
        remove(&place.control)?;
        private_dir(&place.control)?;
        let write = |name: &str, bytes: &[u8]| put(&place.control.join(name), bytes);
        write("commondir", &line(self.repo.common_dir().as_os_str()))?;
        write("HEAD", format!("ref: {}\n", self.branch_ref()).as_bytes())?;
        let of_worktree: Vec<Setting> =
            settings.iter().filter(|setting| setting.is_of_worktree()).cloned().collect();
        if !of_worktree.is_empty() {
            write("config.worktree", &render(&of_worktree, self.place(&[])))?;
        }
        let sparse = self.repo.git_dir().join("info/sparse-checkout");
        copy(&sparse, &place.control.join("info/sparse-checkout"))?;
        if self.repo.common_dir().join("reftable").is_dir() {
            // Where refs are in tables, each worktree has one of its own, for `HEAD`.
            let table = place.control.join("reftable");
            private_dir(&table)?;
            put(&table.join("tables.list"), b"")?;
            private_dir(&place.control.join("refs"))?;
            write("refs/heads", b"this repository uses the reftable format\n")?;
            let call = checkout.call(self.repo.git(), "symbolic-ref");
            call.args(["HEAD", &self.branch_ref()]).run()?;
        }
        let name = checkout.root.file_name().unwrap_or_default();
        write(NAME, &line(name))
    }

    fn place<'a>(&'a self, branches: &'a [&'a str]) -> Place<'a> {
        let top = self.repo.root().unwrap_or(self.repo.common_dir());
        Place { top, branches, is_sha256: self.base.as_str().len() == 64 }
    }

    /// The `.git` of the checkout: the agent's own.
    fn make_repository(
        &self,
        root: &Path,
        own: &OwnRepository,
        tips: &Tips,
        settings: &[Setting],
        tip: &CommitId,
    ) -> Result<()> {
        for dir in ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "info", "hooks"] {
            let dir = own.dir().join(dir);
            std::fs::create_dir(&dir).at("create", &dir)?;
        }
        let common = self.repo.common_dir();
        let objects = common.join("objects");
        put(&own.dir().join("objects/info/alternates"), &alternate(&objects))?;
        let origin = self.origin()?;
        let target = match &origin {
            Some(Origin::Branch(name)) => name.strip_prefix("refs/heads/"),
            _ => None,
        };
        let wanted: Vec<&str> = target.into_iter().collect();
        let branches = tips.branches(&wanted);
        put(&own.dir().join("packed-refs"), tips.packed(&branches).as_bytes())?;
        for (name, to) in tips.links() {
            own.write(name, &format!("ref: {to}\n"))?;
        }
        own.put_on(&self.branch_ref(), tip)?;
        let config = own.dir().join("config");
        put(&config, &render(settings, self.place(&branches)))?;
        if has_includes(settings) {
            // Some may depend on where the repository is.
            let call = self.repo.git().call(root, "config").env("GIT_DIR", own.dir());
            let lost = lost_at(&parse(&list_settings(call)?), settings);
            let all: Vec<Setting> = lost.into_iter().chain(settings.iter().cloned()).collect();
            let all: Vec<Setting> = all.into_iter().filter(|one| !one.is_elsewhere()).collect();
            put(&config, &render(&all, self.place(&branches)))?;
        }
        for name in ["exclude", "attributes"] {
            copy(&common.join("info").join(name), &own.dir().join("info").join(name))?;
        }
        let sparse = "info/sparse-checkout";
        copy(&self.repo.git_dir().join(sparse), &own.dir().join(sparse))?;
        copy(&common.join("shallow"), &own.dir().join("shallow"))?;
        copy_hooks(&common.join("hooks"), &own.dir().join("hooks"))?;
        self.copy_tags(own, tips)
    }

    /// Copies tag objects: the commit that keeps what is borrowed cannot keep those.
    fn copy_tags(&self, own: &OwnRepository, tips: &Tips) -> Result<()> {
        let tags: Vec<&str> = tips.tag_objects().collect();
        if tags.is_empty() {
            return Ok(());
        }
        let call = self.repo.call("pack-objects").arg("--quiet");
        let call = call.arg(own.objects().join("pack/pack")).text((tags.join("\n") + "\n").as_bytes())?;
        call.slow().run().map(drop)
    }
}
