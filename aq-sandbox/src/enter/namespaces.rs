//! The namespaces of a box.

use std::fs;
use std::io;

use libc::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, c_int};
use nix::unistd::{getegid, geteuid};

use crate::os::unshare;

/// Makes new namespaces; the process namespace is for the children. The user keeps its id: files
/// of the user are its own inside as well, and names that hold the id mean the same.
pub(crate) fn make(is_strict: bool) -> io::Result<()> {
    let network = if is_strict { CLONE_NEWNET } else { 0 };
    let wanted = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | network;
    let (user, group) = (geteuid(), getegid());
    match unshare(CLONE_NEWUSER | wanted) {
        Ok(()) => {
            map("/proc/self/setgroups", "deny")?;
            map("/proc/self/uid_map", &format!("{user} {user} 1"))?;
            map("/proc/self/gid_map", &format!("{group} {group} 1"))
        }
        // Root needs no user namespace for the others.
        Err(_) if user.is_root() && unshare(wanted).is_ok() => Ok(()),
        Err(error) => Err(explained(error)),
    }
}

fn map(file: &str, text: &str) -> io::Result<()> {
    fs::write(file, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{file} is refused: {error}")))
}

/// The refusal with the switch of the system that may be its cause.
fn explained(error: io::Error) -> io::Error {
    let is =
        |file: &str, value: &str| fs::read_to_string(file).is_ok_and(|text| text.trim() == value);
    let switches = [
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            "0",
            "kernel.unprivileged_userns_clone is 0",
        ),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns is 1",
        ),
    ];
    let cause = switches.iter().find(|(file, value, _)| is(file, value));
    match cause {
        Some((_, _, words)) => {
            io::Error::new(error.kind(), format!("user namespaces are refused: {words}"))
        }
        None => error,
    }
}

/// Flags of `clone` and `unshare` that make namespaces.
pub(super) const NAMESPACE_FLAGS: [c_int; 8] = [
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWTIME,
];
