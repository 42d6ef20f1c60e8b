//! Messages between the launcher and the processes of a box, with open files beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use crate::denials::Denial;
use crate::plan::CONTROL;

/// The longest message: a path and some words.
const LONGEST: usize = 64 << 10;

/// The most open files beside one message.
const MOST_FILES: usize = 8;

/// A message of a process of the box to the one outside of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LinkMessage {
    /// The box could not be made, or its command not started.
    Failed(String),
    /// A socket that listens inside: of the proxy, or of the port that is relayed.
    Listener { relay: Option<u16> },
    /// A part of the box that this system did not give.
    Lacks(String),
    /// The filter's listener.
    Filter,
    /// Something was refused.
    Refused(Denial),
    /// The command ended with a code, or by a signal.
    Ended { code: i32, signal: Option<i32> },
}

/// Two ends of one link.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// The socket of a box's directory, ready for one caller.
pub(crate) fn listen(dir: &Path) -> io::Result<OwnedFd> {
    let socket = socket()?;
    rustix::net::bind(&socket, &address(&open_dir(dir)?)?)?;
    rustix::net::listen(&socket, 1)?;
    Ok(socket)
}

/// Calls the launcher of the box of this directory.
pub(crate) fn connect(dir: &Path) -> io::Result<OwnedFd> {
    let socket = socket()?;
    rustix::net::connect(&socket, &address(&open_dir(dir)?)?)?;
    Ok(socket)
}

fn socket() -> io::Result<OwnedFd> {
    let kind = SocketType::SEQPACKET;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?)
}

/// The address of the socket in a directory: by its descriptor, as an address holds 107 bytes.
fn address(dir: &OwnedFd) -> io::Result<SocketAddrUnix> {
    let number = std::os::fd::AsRawFd::as_raw_fd(dir);
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{number}/{CONTROL}"))?)
}

/// Sends a message, and files with it.
pub(crate) fn send(
    socket: impl AsFd,
    message: &LinkMessage,
    files: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other("too many files beside one message"));
    }
    let parts = [IoSlice::new(&text)];
    rustix::net::sendmsg(socket, &parts, &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for the next message. `None` when there will be no more.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<(LinkMessage, Vec<OwnedFd>)>> {
    let mut text = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = loop {
        let mut parts = [IoSliceMut::new(&mut text)];
        match rustix::net::recvmsg(&socket, &mut parts, &mut beside, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    if got.bytes == 0 {
        return Ok(None);
    }
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a message too long"));
    }
    let mut files = Vec::new();
    for part in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = part {
            files.extend(fds);
        }
    }
    Ok(Some((serde_json::from_slice(&text[..got.bytes])?, files)))
}
