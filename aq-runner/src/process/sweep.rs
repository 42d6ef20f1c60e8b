//! Ending what a dead supervisor left behind.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use super::cgroup::ControlGroup;
use super::identity::ProcessId;
use super::{os, tree};

/// Time for which SIGKILL is repeated before what still stays is given up.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Time for which one process is waited for in one round of SIGKILL.
const KILL_ROUND: Duration = Duration::from_millis(100);
/// Time for which the environment of a process that is just being started is waited for.
const START_LIMIT: Duration = Duration::from_secs(1);
/// The pause between two looks at one.
const START_PAUSE: Duration = Duration::from_millis(1);

/// By what the processes of a dead supervisor are known.
#[derive(Debug, Clone, Copy)]
pub struct ProcessMarkers<'a> {
    /// Environment entries, all of which a process must have, exactly. None at all match nothing.
    pub markers: &'a [(&'a str, &'a OsStr)],
    /// The control group that the supervisor was in, when it had one.
    pub cgroup: Option<&'a ControlGroup>,
}

/// Result of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepReport {
    /// Processes that were found and had to be ended.
    pub found: usize,
    /// Processes that are there in spite of SIGKILL.
    pub left: usize,
}

/// Ends every process that has the traces, and all below them: SIGTERM, `grace`, SIGKILL until
/// none is there. The caller and its ancestors are spared. Doing it twice changes nothing.
///
/// What cleared its environment is found when an ancestor of it still has the marks, or by the
/// control group. Without a control group, one that lost its parent too stays unknown.
///
/// # Errors
/// When processes cannot be listed.
pub fn sweep(traces: &ProcessMarkers<'_>, grace: Duration) -> io::Result<SweepReport> {
    let spared = own_line();
    let mut known = BTreeSet::new();
    find(traces, &spared, &mut known)?;
    if !known.is_empty() {
        tree::ask_to_end(&known, None);
        let until = Instant::now().checked_add(grace);
        for id in &known {
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            id.wait_gone(left)?;
        }
        kill(traces, &spared, &mut known)?;
    }
    let left = known.iter().filter(|id| id.is_alive()).count();
    Ok(SweepReport { found: known.len(), left })
}

fn kill(
    traces: &ProcessMarkers<'_>,
    spared: &BTreeSet<i32>,
    known: &mut BTreeSet<ProcessId>,
) -> io::Result<()> {
    let give_up = Instant::now() + KILL_LIMIT;
    while Instant::now() < give_up {
        find(traces, spared, known)?;
        let mut frozen = BTreeSet::new();
        for id in known.iter().filter(|id| id.is_alive()) {
            tree::freeze(*id, &mut frozen);
            tree::freeze_below(id.pid(), &mut frozen);
        }
        if frozen.is_empty() {
            return Ok(());
        }
        tree::kill(&frozen);
        if let Some(group) = traces.cgroup
            && !group.members().iter().any(|pid| spared.contains(pid))
        {
            group.kill();
        }
        for id in &frozen {
            id.wait_gone(Some(KILL_ROUND))?;
        }
        known.extend(frozen);
    }
    Ok(())
}

/// Adds what has the traces now, and all below it.
fn find(
    traces: &ProcessMarkers<'_>,
    spared: &BTreeSet<i32>,
    known: &mut BTreeSet<ProcessId>,
) -> io::Result<()> {
    let mut roots = traces.cgroup.map(ControlGroup::members).unwrap_or_default();
    if !traces.markers.is_empty() {
        let entry =
            |(key, value): &(&str, &OsStr)| [key.as_bytes(), b"=", value.as_bytes()].concat();
        let entries: Vec<_> = traces.markers.iter().map(entry).collect();
        roots.extend(marked(os::processes()?, &entries));
    }
    for pid in roots.into_iter().filter(|pid| !spared.contains(pid)) {
        if let Some(id) = ProcessId::of(pid.cast_unsigned())? {
            known.insert(id);
            known.extend(tree::descendants(id.pid()));
        }
    }
    known.retain(|id| !spared.contains(&id.pid().cast_signed()));
    Ok(())
}

/// Those that have all entries in their environment. In the middle of `exec` a process has none
/// that can be read, so it is looked at again: the supervisor may have been killed just then.
fn marked(mut processes: Vec<i32>, entries: &[Vec<u8>]) -> Vec<i32> {
    let mut found = Vec::new();
    let give_up = Instant::now() + START_LIMIT;
    loop {
        processes.retain(|&pid| {
            let Some(environment) = os::environment(pid) else { return false };
            let has = |entry: &Vec<u8>| environment.split(|&b| b == 0).any(|e| e == entry);
            if entries.iter().all(has) {
                found.push(pid);
            }
            environment.is_empty() && os::is_starting(pid)
        });
        if processes.is_empty() || Instant::now() >= give_up {
            return found;
        }
        std::thread::sleep(START_PAUSE);
    }
}

/// The caller, its parent, and so on up to the first process.
fn own_line() -> BTreeSet<i32> {
    let mut line = BTreeSet::new();
    let mut pid = std::process::id().cast_signed();
    while pid > 0 && line.insert(pid) {
        pid = os::stat(pid).ok().flatten().map_or(0, |stat| stat.parent);
    }
    line
}
