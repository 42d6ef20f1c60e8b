//! The `.git` of a job's checkout, as the agent finds it: the user's branches of note, remotes,
//! tags and settings, and his objects.

use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::error::{HeadState, Result};
use super::super::files;
use super::super::git::GitCommand;
use super::super::notes::WorkOrigin;
use super::super::repository::CommitId;
use super::super::wip::{JobBranch, WorkIsolation};
use super::refs::OwnRepository;
use super::settings::{GitSetting, JobSettings, has_includes, lost_at, parse, render};
use super::settings_memory::SettingsMemory;
use super::tips::RefTips;

/// The directories that git and its hooks expect.
const DIRECTORIES: [&str; 8] =
    ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "info", "hooks"];
/// The largest hook that is taken along, in bytes.
const MAX_HOOK: u64 = 1 << 20;

/// What is known of the user's repository while a job's is made.
#[derive(Debug)]
pub(super) struct LendingRepository {
    pub(super) tips: RefTips,
    /// Those of the repository, and mostly those of the user's files.
    pub(super) settings: Vec<GitSetting>,
}

impl LendingRepository {
    pub(super) fn read(wip: &JobBranch) -> Result<Self> {
        let tips = RefTips::read(&wip.repo, wip.notes.dir())?;
        let memory = SettingsMemory::of(&wip.repo, wip.notes.dir());
        if let Some(settings) = memory.as_ref().and_then(SettingsMemory::recall) {
            return Ok(Self { tips, settings });
        }
        let call = wip.repo.call("config").env("GIT_DIR", wip.repo.git_dir());
        let settings = listed(call)?;
        if let Some(memory) = memory {
            memory.remember(&settings);
        }
        Ok(Self { tips, settings })
    }
}

impl JobBranch {
    /// Makes the repository in a checkout that has none, with the job's branch at a commit.
    pub(super) fn make_repository(
        &self,
        root: &Path,
        own: &OwnRepository,
        lender: &LendingRepository,
        tip: &CommitId,
    ) -> Result<()> {
        let dir = own.dir();
        for name in DIRECTORIES {
            let dir = dir.join(name);
            DirBuilder::new().create(&dir).at("create", &dir)?;
        }
        let common = self.repo.common_dir();
        own.borrow_from(&common.join("objects"), None)?;
        let origin = self.origin()?;
        let target = origin.as_ref().and_then(WorkOrigin::branch);
        let branches = lender.tips.branches(target.as_slice());
        let packed = lender.tips.packed(&branches);
        files::put(&dir.join("packed-refs"), packed.as_bytes())?;
        if let WorkIsolation::Own(place) = &self.isolation {
            place.give_refs(&packed)?;
        }
        for (name, to) in lender.tips.links() {
            own.write(name, &format!("ref: {to}\n"))?;
        }
        own.put_on(&self.branch_ref(), tip)?;
        self.write_settings(root, own, lender, &branches)?;
        for name in ["info/exclude", "info/attributes", "shallow"] {
            files::copy(&common.join(name), &dir.join(name))?;
        }
        let sparse = "info/sparse-checkout";
        files::copy(&self.repo.git_dir().join(sparse), &dir.join(sparse))?;
        copy_hooks(&common.join("hooks"), &dir.join("hooks"))?;
        self.copy_tags(own, &lender.tips)
    }

    fn write_settings(
        &self,
        root: &Path,
        own: &OwnRepository,
        lender: &LendingRepository,
        branches: &[&str],
    ) -> Result<()> {
        let file = own.dir().join("config");
        let of_repository = || lender.settings.iter().filter(|one| one.is_of_repository());
        files::put(&file, &render(of_repository(), self.settings_place(branches)))?;
        if !has_includes(&lender.settings) {
            return Ok(());
        }
        // Some of the user's files may be included only where his repository is.
        let call = self.repo.git().call(root, "config").env("GIT_DIR", own.dir());
        let lost = lost_at(&listed(call)?, &lender.settings);
        let all = lost.iter().chain(of_repository());
        files::put(&file, &render(all, self.settings_place(branches)))
    }

    pub(super) fn settings_place<'a>(&'a self, branches: &'a [&'a str]) -> JobSettings<'a> {
        let top = self.repo.root().unwrap_or(self.repo.common_dir());
        JobSettings { top, branches, is_sha256: self.base().as_str().len() == 64 }
    }

    /// Copies tag objects: the commit that keeps what is borrowed cannot keep those.
    fn copy_tags(&self, own: &OwnRepository, tips: &RefTips) -> Result<()> {
        let tags: Vec<&str> = tips.tag_objects().collect();
        if tags.is_empty() {
            return Ok(());
        }
        let call = self.repo.call("pack-objects").arg("-q").arg(own.objects().join("pack/pack"));
        call.text((tags.join("\n") + "\n").as_bytes())?.slow().run().map(drop)
    }

    /// Takes over how deep the user's history is by now: what he has fetched, or let go of.
    pub(super) fn refresh_shallow(&self, own: &OwnRepository) -> Result<()> {
        let name = "shallow";
        files::copy(&self.repo.common_dir().join(name), &own.dir().join(name))
    }
}

fn listed(call: GitCommand) -> Result<Vec<GitSetting>> {
    let call = call.args(["--list", "--includes", "--show-scope", "--show-origin", "-z"]);
    Ok(parse(&call.run()?.stdout))
}

impl OwnRepository {
    /// Makes git look for objects there, too, and no more in the old place.
    pub(super) fn borrow_from(&self, objects: &Path, old: Option<&Path>) -> Result<()> {
        let file = self.dir().join("objects/info/alternates");
        let known = files::read_bytes(&file).at("read", &file)?.unwrap_or_default();
        let (new, old) = (alternate(objects), old.map(alternate));
        let others = known.split(|&byte| byte == b'\n').filter(|line| {
            !line.is_empty() && **line != new && old.as_ref().is_none_or(|old| **line != *old)
        });
        let lines = std::iter::once(new.as_slice()).chain(others);
        files::put(&file, &[lines.collect::<Vec<_>>().join(&b'\n').as_slice(), b"\n"].concat())
    }
}

/// A line of `info/alternates`. What a line cannot hold is quoted as in C.
fn alternate(path: &Path) -> Vec<u8> {
    let path = path.as_os_str().as_bytes();
    if path.contains(&b'\n') { quoted(path) } else { path.to_vec() }
}

/// A path in quotes, as git reads it where several paths are in one text.
pub(super) fn quoted(path: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in path {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            b'\n' => text.extend(b"\\n"),
            byte => text.push(byte),
        }
    }
    text.push(b'"');
    text
}

/// Copies the hooks that the user has. They run for the agent's commits, never for aq's.
fn copy_hooks(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.extension().is_some_and(|end| end == "sample") {
            continue;
        }
        // Also where it is a link.
        let Ok(about) = path.metadata() else { continue };
        let is_hook = about.is_file() && about.permissions().mode() & 0o111 != 0;
        if is_hook && about.len() <= MAX_HOOK {
            let copy = to.join(name);
            std::fs::copy(&path, &copy).at("copy a hook to", &copy)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_are_quoted() {
        assert_eq!(alternate(Path::new("/a b/\"c\"")), b"/a b/\"c\"");
        assert_eq!(alternate(Path::new("/a\nb\\\"")), b"\"/a\\nb\\\\\\\"\"");
    }
}
