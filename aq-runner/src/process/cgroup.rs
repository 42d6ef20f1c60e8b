//! A control group for one worker, where the system lets us have one (Linux, cgroup v2).
//!
//! While a supervisor lives it needs none. When it was killed, the group still shows which
//! processes were its: also one that cleared its environment and lost its parent. The supervisor
//! itself is in the group, so all that it starts from then on is in it from birth.
//!
//! Moving a process into a group makes the kernel wait until every processor has passed a quiet
//! point: 0.4 ms in a loop of moves, 10 ms for a single one that was traced, and one such move at a
//! time in the whole system. A command that is over in a moment is not worth that, so a supervisor
//! enters a group only when its command has run for a while
//! ([`SupervisedCommand::settle`](super::SupervisedCommand::settle)). Until then the processes of a
//! supervisor that was killed are known by their environment alone.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::tree;

/// Where cgroup v2 is mounted: alone, or beside v1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Every group made here begins with this; no other one is ever touched.
const PREFIX: &str = "aq-";
/// The file by which the kernel kills a whole group (Linux 5.14); a group without it is of no use.
const KILL: &str = "cgroup.kill";
/// The file that lists, and takes, the processes of a group.
const PROCS: &str = "cgroup.procs";

/// A control group made by [`ControlGroup::enter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlGroup(PathBuf);

/// A path that was written down is not one of our control groups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is no control group of aq: expected a path below /sys/fs/cgroup whose last part \
         begins with `aq-`", .0.display())]
pub struct CgroupError(PathBuf);

impl ControlGroup {
    /// Makes a group `aq-<name>-<pid>` below the one this process is in, and moves this process
    /// there with all that is below it. `None` where that is not allowed: cgroup v1, a container,
    /// a plain user without delegation. Finding that out costs four to six system calls. `name` is
    /// a file name.
    #[must_use]
    pub fn enter(name: &str) -> Option<ControlGroup> {
        let own = group_of("self")?;
        let leaf = format!("{PREFIX}{name}-{}", std::process::id());
        if leaf.contains('/') {
            return None;
        }
        // On v1 the first mount is a mere directory of others.
        let parents = MOUNTS.iter().map(|mount| Path::new(mount).join(&own));
        let parent = parents.into_iter().find(|parent| parent.join(PROCS).exists())?;
        let group = ControlGroup(parent.join(leaf));
        fs::create_dir(&group.0).ok()?;
        if group.0.join(KILL).exists() && fs::write(group.0.join(PROCS), "0").is_ok() {
            group.bring_descendants(&own);
            return Some(group);
        }
        let _ = fs::remove_dir(&group.0);
        None
    }

    /// The group at a path that was recorded earlier. It need not exist any more.
    ///
    /// # Errors
    /// When the path cannot be one that [`enter`](Self::enter) made.
    pub fn at(path: &Path) -> Result<ControlGroup, CgroupError> {
        let leaf = path.file_name().and_then(|leaf| leaf.to_str());
        let inside = path.starts_with(MOUNTS[0])
            && !path.components().any(|part| part == Component::ParentDir);
        if inside && leaf.is_some_and(|leaf| leaf.starts_with(PREFIX)) {
            Ok(ControlGroup(path.to_owned()))
        } else {
            Err(CgroupError(path.to_owned()))
        }
    }

    /// Moves this process, which entered it, back to the group above, and removes it.
    ///
    /// # Errors
    /// When another process is still in it, or the system refuses.
    pub fn leave(self) -> io::Result<()> {
        if let Some(above) = self.0.parent() {
            fs::write(above.join("cgroup.procs"), "0")?;
        }
        self.remove()
    }

    /// Moves what is below this process and still in the group `old`, until nothing is: one that
    /// forks meanwhile leaves its child there. What has a group of its own keeps it.
    fn bring_descendants(&self, old: &str) {
        loop {
            let mut moved = false;
            for id in tree::descendants(std::process::id()) {
                let pid = id.pid().to_string();
                // One that ended meanwhile cannot be moved, and need not be.
                moved |= group_of(&pid).is_some_and(|group| group == old)
                    && fs::write(self.0.join(PROCS), &pid).is_ok();
            }
            if !moved {
                return;
            }
        }
    }

    /// Where it is, to be recorded.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The pids in this group and in the groups below it.
    pub(super) fn members(&self) -> Vec<i32> {
        let mut found = Vec::new();
        for dir in self.dirs() {
            let list = fs::read_to_string(dir.join(PROCS)).unwrap_or_default();
            found.extend(list.lines().flat_map(str::parse::<i32>));
        }
        found
    }

    /// Kills every process in it at once. No fork escapes.
    pub(super) fn kill(&self) {
        // Where the file is missing, killing one by one has to do.
        let _ = fs::write(self.0.join(KILL), "1");
    }

    /// Removes the group, once no process is in it. One that is gone already is no error. The
    /// process that entered it cannot do this; whoever sees that process end can.
    ///
    /// # Errors
    /// When a process is still in it (`ResourceBusy`), or it may not be removed.
    pub fn remove(&self) -> io::Result<()> {
        for dir in self.dirs().iter().rev() {
            match fs::remove_dir(dir) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// The group and all below it, parents first: engines may make some of their own.
    fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs = vec![self.0.clone()];
        let mut next = 0;
        while let Some(dir) = dirs.get(next) {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            let below: Vec<_> = entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path())
                .collect();
            dirs.extend(below);
            next += 1;
        }
        dirs
    }
}

/// The group that a process is in, without the first slash; `self` is this one.
fn group_of(process: &str) -> Option<String> {
    let memberships = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    memberships.lines().find_map(|line| line.strip_prefix("0::/")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_groups_are_taken() {
        let taken = |path: &str| ControlGroup::at(Path::new(path)).is_ok();
        assert!(taken("/sys/fs/cgroup/user.slice/aq-job-12"));
        assert!(!taken("/sys/fs/cgroup/user.slice/other"));
        assert!(!taken("/sys/fs/cgroup/../../../home/me/aq-1"));
        assert!(!taken("/home/me/aq-1"));
        assert!(!taken("aq-1"));
        assert!(!taken(""));
    }

    #[test]
    fn a_name_with_a_slash_makes_no_group() {
        assert_eq!(ControlGroup::enter("a/b"), None);
    }
}
