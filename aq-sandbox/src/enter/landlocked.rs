//! Landlock, on top of the mounts or alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};

use super::{EnterError, Step};
use crate::os::landlock_abi;
use crate::plan::BoxPlan;
use crate::policy::{PathAccess, PathRule};
use crate::probe::BoxLevel;

/// Places of the system that programs write to: devices, terminals, and their own entries.
const WRITTEN_PLACES: [&str; 2] = ["/dev", "/proc"];

/// Places of the box's own, at the level that has them.
const OWN_PLACES: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Puts this process, and all that come of it, under the rules of a plan.
pub(super) fn apply(plan: &BoxPlan) -> Result<(), EnterError> {
    let had = landlock_abi().unwrap_or(0).min(plan.landlock_abi);
    let abi = ABI::from(i32::try_from(had).unwrap_or(0));
    restrict(plan, abi).map_err(io::Error::other).step(|| "enter Landlock".to_owned())
}

fn restrict(plan: &BoxPlan, abi: ABI) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let all = AccessFs::from_all(abi);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(abi))?
        .create()?;
    let is_full = plan.level == BoxLevel::Full;
    match is_full {
        true => ruleset = allow(ruleset, Path::new("/"), AccessFs::from_read(abi))?,
        // Names are seen everywhere, contents only where nothing is hidden.
        false => {
            ruleset = allow(ruleset, Path::new("/"), AccessFs::ReadDir.into())?;
            for path in readable(Path::new("/"), &hidden(&plan.rules)) {
                ruleset = allow(ruleset, &path, AccessFs::from_read(abi))?;
            }
        }
    }
    let written = BitFlags::from(AccessFs::WriteFile)
        | AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::Truncate
        | AccessFs::IoctlDev;
    for place in WRITTEN_PLACES {
        ruleset = allow(ruleset, Path::new(place), written & all)?;
    }
    if is_full {
        let home = plan.home.iter().map(|layers| layers.home.as_path());
        for place in OWN_PLACES.map(Path::new).into_iter().chain(home) {
            ruleset = allow(ruleset, place, all)?;
        }
    }
    for rule in plan.rules.iter().filter(|rule| rule.access == PathAccess::Write) {
        ruleset = allow(ruleset, &rule.path, all)?;
    }
    ruleset.restrict_self()?;
    Ok(())
}

/// Allows something below a path; one that cannot be opened is not reached either.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    match PathFd::new(path) {
        Ok(opened) => ruleset.add_rule(PathBeneath::new(opened, access)),
        Err(_) => Ok(ruleset),
    }
}

fn hidden(rules: &[PathRule]) -> Vec<PathBuf> {
    let hidden = rules.iter().filter(|rule| rule.access == PathAccess::Hidden);
    hidden.map(|rule| rule.path.clone()).collect()
}

/// The paths below one that together are all of it but what is hidden. Links are none of them:
/// what they lead to is there by itself.
fn readable(dir: &Path, hidden: &[PathBuf]) -> Vec<PathBuf> {
    if !hidden.iter().any(|path| path.starts_with(dir)) {
        return vec![dir.to_owned()];
    }
    if hidden.iter().any(|path| path == dir) {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let real =
        entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    real.flat_map(|entry| readable(&entry.path(), hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_of_hidden_paths_are_readable() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["home/.ssh", "home/src", "etc"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("home/.netrc"), "").unwrap();
        std::os::unix::fs::symlink(root.join("home/.ssh"), root.join("home/link")).unwrap();
        let hidden = [root.join("home/.ssh"), root.join("home/.netrc")];
        let mut found = readable(root, &hidden);
        found.sort();
        assert_eq!(found, [root.join("etc"), root.join("home/src")]);
        assert_eq!(readable(root, &[]), [root]);
    }
}
