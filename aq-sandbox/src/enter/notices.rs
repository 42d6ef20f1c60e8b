//! Calls that the filter has passed to the outer process: each is answered, and what is refused is
//! reported.
//!
//! Nothing here decides what a box may do but for the calls that no box has: the others go on, and
//! the kernel refuses them or not. So a program that changes a path between the look and the call
//! deceives only the report.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::filter::refused_call;
use super::path_calls::refused_write;
use crate::denials::{Denial, DenialKind};
use crate::link::{self, LinkMessage};
use crate::os::{SystemCall, answer, hasten, next_call, read_memory};
use crate::plan::BoxPlan;
use crate::policy::{PathAccess, PathReach, reach};

/// The listener of the filter, and all that it takes to understand what it hears.
pub(super) struct Notices<'a> {
    plan: &'a BoxPlan,
    /// The processes as they are seen from outside.
    proc: OwnedFd,
    /// Sockets of other programs: paths, and names that begin with `@`.
    sockets: BTreeSet<String>,
    listener: Option<OwnedFd>,
}

impl<'a> Notices<'a> {
    /// To be called while the view is the one from outside.
    pub(super) fn new(plan: &'a BoxPlan) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
        let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
        let name = |line: &str| line.split(' ').next_back().map(str::to_owned);
        let sockets = table.lines().filter_map(name);
        let sockets = sockets.filter(|name| name.starts_with(['/', '@'])).collect();
        Ok(Self { plan, proc, sockets, listener: None })
    }

    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// Takes the listener over.
    pub(super) fn listen(&mut self, files: Vec<OwnedFd>) {
        self.listener = files.into_iter().next();
        if let Some(listener) = self.listener() {
            hasten(listener);
        }
    }

    /// Answers the next call.
    pub(super) fn take(&mut self, control: &OwnedFd) {
        let Some(listener) = &self.listener else { return };
        let call = match next_call(listener.as_fd()) {
            Ok(Some(call)) => call,
            Ok(None) => return,
            // Nobody is under the filter any more.
            Err(_) => {
                self.listener = None;
                return;
            }
        };
        let (denial, refusal) = match refused_call(call.number) {
            Some(name) => (Some(Denial::new(DenialKind::Call, name)), Some(libc::EPERM)),
            None => (self.look(&call), None),
        };
        answer(listener.as_fd(), &call, refusal);
        if let Some(denial) = denial {
            let _ = link::send(control, &LinkMessage::Refused(denial), &[]);
        }
    }

    /// The refusal that a call meets that goes on.
    fn look(&self, call: &SystemCall) -> Option<Denial> {
        if call.number == libc::SYS_connect {
            let length = usize::try_from(call.arguments[2]).ok()?.min(128);
            return self.connection(&read_memory(call.pid, call.arguments[1], length));
        }
        let path = refused_write(self.plan, &self.proc, call)?;
        Some(Denial::new(DenialKind::Write, path.to_string_lossy()))
    }

    /// The refusal of a connection to an address as the kernel has it.
    fn connection(&self, address: &[u8]) -> Option<Denial> {
        let family = u16::from_ne_bytes(address.get(..2)?.try_into().ok()?);
        let port = || Some(u16::from_be_bytes(address.get(2..4)?.try_into().ok()?));
        let direct = |ip: IpAddr, port: u16| {
            let is_out = self.plan.is_strict && !ip.is_loopback() && !ip.is_unspecified();
            let name = std::net::SocketAddr::from((ip, port)).to_string();
            is_out.then(|| Denial::new(DenialKind::Direct, name))
        };
        match i32::from(family) {
            libc::AF_INET => {
                let ip: [u8; 4] = address.get(4..8)?.try_into().ok()?;
                direct(ip.into(), port()?)
            }
            libc::AF_INET6 => {
                let ip: [u8; 16] = address.get(8..24)?.try_into().ok()?;
                direct(ip.into(), port()?)
            }
            libc::AF_UNIX => self.socket(&address[2..]),
            _ => None,
        }
    }

    /// The refusal of a local socket that is another program's.
    fn socket(&self, name: &[u8]) -> Option<Denial> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = match name.first()? {
            // The table writes a NUL within as `@`, too.
            0 => format!("@{}", text(&name[1..]).replace('\0', "@")),
            _ => text(name.split(|&byte| byte == 0).next()?),
        };
        let home = self.plan.home.as_ref().map(|layers| layers.home.as_path());
        let is_own = name.starts_with('/')
            && reach(&self.plan.rules, home, name.as_ref()) == PathReach::Ruled(PathAccess::Write);
        let is_others = !is_own && self.sockets.contains(&name);
        is_others.then(|| Denial::new(DenialKind::Socket, name))
    }
}
