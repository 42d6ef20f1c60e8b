//! Processes, namespaces, mounts and interfaces.

#![expect(unsafe_code, reason = "fork, unshare, mount_setattr and ioctl have no safe form here")]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{c_int, c_ulong};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::Pid;

/// Side of a fork on which the caller is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the new one's id.
    Parent(Pid),
}

/// Makes a second process of this one.
///
/// # Panics
/// When this process has more than one thread: the others would be missing in the new one, with
/// whatever they held.
pub(crate) fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    assert_eq!(threads, 1, "a box is made by a process of one thread");
    // SAFETY: there is one thread, so nothing is left locked in the child.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(pid))),
    }
}

/// Calls a function in a process of its own, and returns the code that it makes.
pub(crate) fn in_fresh_process(code: impl FnOnce() -> u8) -> io::Result<i32> {
    match fork()? {
        Fork::Child => exit_now(code().into()),
        Fork::Parent(child) => match nix::sys::wait::waitpid(child, None)? {
            nix::sys::wait::WaitStatus::Exited(_, code) => Ok(code),
            _ => Ok(-1),
        },
    }
}

/// Ends this process without anything that the program wanted to do at its end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: it takes a number, and does not return.
    unsafe { libc::_exit(code) }
}

/// Ends this process by a signal, without a core file; where the signal does not end it, with the
/// code that a shell has for it.
pub fn end_by(signal: i32) -> ! {
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    // SAFETY: the default action of a signal is no function of this program.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    if let Ok(known) = Signal::try_from(signal) {
        let mut set = SigSet::empty();
        set.add(known);
        let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None);
    }
    // SAFETY: it takes a number, and only this process gets the signal.
    unsafe { libc::raise(signal) };
    exit_now(128 + signal)
}

/// Leaves the namespaces that `flags` names for new ones.
pub(crate) fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: there is one thread (see `fork`), and no flag is about open files.
    done(unsafe { libc::unshare(flags) }.into())
}

/// Flags of `mount_setattr`, which only add to what a mount refuses.
pub(crate) fn set_mount_flags(path: &Path, flags: u64, is_recursive: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes =
        libc::mount_attr { attr_set: flags, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let recursive = if is_recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path ends in NUL, the structure has the size that is passed, and both live until
    // the call is over.
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            recursive | libc::AT_SYMLINK_NOFOLLOW,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })
}

/// Starts the interface `lo` of this network namespace.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: zeros are a value of this structure of numbers and bytes.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    // Both are below 0x80.
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    request.ifr_ifru.ifru_flags = flags;
    let socket = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the socket is open, and the structure is the one that this request reads.
    done(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS as c_ulong, &raw mut request) }.into())
}

/// Version of Landlock that this kernel has on; `None` without it.
pub(crate) fn landlock_abi() -> Option<u32> {
    const VERSION: u32 = 1;
    let none: *const u8 = std::ptr::null();
    // SAFETY: with this flag, no structure and no size, the call only returns a number.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    u32::try_from(abi).ok().filter(|&abi| abi > 0)
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
