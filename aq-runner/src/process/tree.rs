//! Every process below one process, and how to end them all.
//!
//! A process that cannot be looked at or signalled (another user's) is passed over here: whoever
//! waits for the tree to be gone sees that it stays, and says so.

use std::collections::BTreeSet;

use rustix::process::{Pid, Signal, kill_process_group};

use super::identity::ProcessId;
use super::os;

/// More processes than this are not looked at in one walk; the next one takes them.
const WALK_LIMIT: usize = 1 << 16;

/// Visits every process below `root`, parents before their children. The children are asked for
/// after the visit, so a visitor that stops its process sees all of them.
fn walk(root: u32, visit: &mut dyn FnMut(ProcessId)) {
    let mut parents = vec![root.cast_signed()];
    let mut visited = 0;
    while let Some(parent) = parents.pop() {
        for pid in os::children(parent) {
            // The parent is compared because the pid may have passed to a stranger since it was
            // listed. What got another parent meanwhile is found below that one by the next walk.
            let Ok(Some(stat)) = os::stat(pid) else { continue };
            let Ok(id) = ProcessId::seen(pid, &stat) else { continue };
            if stat.parent != parent || stat.zombie {
                continue;
            }
            visit(id);
            parents.push(pid);
            visited += 1;
            if visited == WALK_LIMIT {
                return;
            }
        }
    }
}

/// Every process below `root`.
pub(super) fn descendants(root: u32) -> BTreeSet<ProcessId> {
    let mut found = BTreeSet::new();
    walk(root, &mut |id| {
        found.insert(id);
    });
    found
}

/// Asks each process to end; a stopped one is let run so that it can. Each is asked once: a second
/// SIGTERM makes some programs skip their cleaning up. `group` is a process group whose leader is
/// a child of the caller that is not reaped.
pub(super) fn ask_to_end(processes: &BTreeSet<ProcessId>, group: Option<i32>) {
    let others: Vec<_> = processes.iter().filter(|id| !is_in_group(id, group)).collect();
    for signal in [Signal::TERM, Signal::CONT] {
        if let Some(group) = group.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
        for id in &others {
            let _ = id.signal(signal);
        }
    }
}

fn is_in_group(id: &ProcessId, group: Option<i32>) -> bool {
    let stat = os::stat(id.pid().cast_signed());
    matches!((stat, group), (Ok(Some(stat)), Some(group)) if stat.group == group)
}

/// Stops a process, so that it can neither fork nor react to the end of others: the kernel lets
/// nobody finish a fork who has a signal pending.
pub(super) fn freeze(id: ProcessId, frozen: &mut BTreeSet<ProcessId>) {
    let _ = id.signal(Signal::STOP);
    frozen.insert(id);
}

/// Stops everything below `root`, parents before children, so that nothing outruns the walk.
pub(super) fn freeze_below(root: u32, frozen: &mut BTreeSet<ProcessId>) {
    walk(root, &mut |id| freeze(id, frozen));
}

/// Kills each process.
pub(super) fn kill(processes: &BTreeSet<ProcessId>) {
    for id in processes {
        let _ = id.signal(Signal::KILL);
    }
}
