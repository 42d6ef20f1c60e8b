//! The process that stays outside of the process namespace.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::notices::Notices;
use super::{EnterError, NO_BOX, Step, inner, mounts, namespaces};
use crate::link::{self, LinkMessage};
use crate::os::{Fork, end_by, fork, raise_loopback};
use crate::plan::BoxPlan;
use crate::probe::BoxLevel;

/// Signals that are passed on to the command.
pub(super) const PASSED: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGALRM,
];

/// The command and its surroundings.
pub(super) struct Inside<'a> {
    pub(super) plan: &'a BoxPlan,
    pub(super) command: &'a [OsString],
    /// Variables beside those of this process.
    pub(super) variables: Vec<(&'static str, String)>,
    /// The signals that were blocked before.
    pub(super) mask: SigSet,
}

/// Makes the box, runs the command in it, and returns the code to end with.
pub(super) fn run(plan: &BoxPlan, control: OwnedFd, command: &[OsString]) -> i32 {
    match prepare(plan, &control, command) {
        Ok((inside, signals, notices)) => match start(inside, control) {
            Ok((child, link, control)) => {
                Attendant { child, link, control, notices }.attend(&signals)
            }
            Err((error, control)) => failed(&control, &error),
        },
        Err(error) => failed(&control, &error),
    }
}

fn failed(control: &OwnedFd, error: &EnterError) -> i32 {
    let _ = link::send(control, &LinkMessage::Failed(error.to_string()), &[]);
    NO_BOX
}

type Prepared<'a> = (Inside<'a>, SignalFd, Notices<'a>);

fn prepare<'a>(
    plan: &'a BoxPlan,
    control: &OwnedFd,
    command: &'a [OsString],
) -> Result<Prepared<'a>, EnterError> {
    let mask = SigSet::thread_get_mask().step(|| "read signals".to_owned())?;
    let signals = take_signals().step(|| "take signals".to_owned())?;
    // As it is outside: inside, this process has no entry.
    let notices = Notices::new(plan).step(|| "open /proc".to_owned())?;
    let mut variables = Vec::new();
    if plan.level == BoxLevel::Full {
        namespaces::make(plan.is_strict).step(|| "make namespaces".to_owned())?;
        if plan.is_strict {
            variables = lend_network(plan, control)?;
        }
        for lack in mounts::make(plan)? {
            let _ = link::send(control, &LinkMessage::Lacks(lack), &[]);
        }
    }
    Ok((Inside { plan, command, variables, mask }, signals, notices))
}

/// Blocks the signals that are passed on, and opens what they are read from.
pub(super) fn take_signals() -> nix::Result<SignalFd> {
    let mut taken: SigSet = PASSED.into_iter().collect();
    taken.add(Signal::SIGCHLD);
    taken.thread_block()?;
    SignalFd::with_flags(&taken, nix::sys::signalfd::SfdFlags::SFD_CLOEXEC)
}

/// Gives the launcher the sockets that listen inside, and returns the variables that lead programs
/// to them. A socket stays in the network in which it was made, so nothing inside has to relay.
fn lend_network(
    plan: &BoxPlan,
    control: &OwnedFd,
) -> Result<Vec<(&'static str, String)>, EnterError> {
    raise_loopback().step(|| "start the loopback interface".to_owned())?;
    let listen = |port: u16| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).step(|| format!("listen on port {port}"))
    };
    let lend = |socket: &TcpListener, relay: Option<u16>| {
        link::send(control, &LinkMessage::Listener { relay }, &[socket.as_fd()])
            .step(|| "reach the launcher".to_owned())
    };
    for &port in &plan.relays {
        lend(&listen(port)?, Some(port))?;
    }
    let proxy = listen(0)?;
    lend(&proxy, None)?;
    let address = proxy.local_addr().step(|| "read the proxy's port".to_owned())?;
    let url = format!("http://{address}");
    let names =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let mut variables: Vec<_> = names.into_iter().map(|name| (name, url.clone())).collect();
    let own = "localhost,127.0.0.1,::1";
    variables.extend(["NO_PROXY", "no_proxy"].map(|name| (name, own.to_owned())));
    variables.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
    Ok(variables)
}

type Started = (Pid, OwnedFd, OwnedFd);

fn start(inside: Inside<'_>, control: OwnedFd) -> Result<Started, (EnterError, OwnedFd)> {
    let parts = link::pair().step(|| "make a link".to_owned());
    let started = parts.and_then(|(outer, inner)| {
        Ok((outer, inner, fork().step(|| "start a process".to_owned())?))
    });
    match started {
        Ok((outer, inner, Fork::Child)) => {
            drop((outer, control));
            inner::run(inside, inner)
        }
        Ok((outer, _, Fork::Parent(child))) => Ok((child, outer, control)),
        Err(error) => Err((error, control)),
    }
}

/// The outer process at work.
struct Attendant<'a> {
    child: Pid,
    link: OwnedFd,
    control: OwnedFd,
    notices: Notices<'a>,
}

impl Attendant<'_> {
    /// Sees to the box until its command has ended.
    fn attend(mut self, signals: &SignalFd) -> i32 {
        let ended = loop {
            match self.wait(signals) {
                Ok(ready) if ready.launcher_gone => break None,
                Ok(ready) => {
                    if ready.signal {
                        self.pass(signals);
                    }
                    if ready.calls {
                        self.notices.take(&self.control);
                    }
                    if ready.message
                        && let Some(end) = self.message()
                    {
                        break end;
                    }
                }
                Err(_) => break None,
            }
        };
        if ended.is_none() {
            let _ = kill(self.child, Signal::SIGKILL);
        }
        // Its end is that of everything inside.
        let left = waitpid(self.child, None);
        match ended {
            Some((_, Some(signal))) => end_by(signal),
            Some((code, None)) => code,
            None => match left {
                Ok(WaitStatus::Exited(_, code)) if code != 0 => code,
                _ => NO_BOX,
            },
        }
    }

    fn wait(&self, signals: &SignalFd) -> nix::Result<Ready> {
        let mut watched = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.link.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.as_fd(), PollFlags::empty()),
        ];
        if let Some(listener) = self.notices.listener() {
            watched.push(PollFd::new(listener, PollFlags::POLLIN));
        }
        while let Err(error) = poll(&mut watched, PollTimeout::NONE) {
            if error != Errno::EINTR {
                return Err(error);
            }
        }
        let is = |at: usize, flag: PollFlags| {
            let found = watched.get(at).and_then(PollFd::revents);
            found.is_some_and(|found| found.intersects(flag))
        };
        Ok(Ready {
            signal: is(0, PollFlags::POLLIN),
            message: is(1, PollFlags::POLLIN | PollFlags::POLLHUP),
            launcher_gone: is(2, PollFlags::POLLHUP | PollFlags::POLLERR),
            calls: is(3, PollFlags::POLLIN),
        })
    }

    /// Passes a signal on. One from a terminal has reached the command by itself.
    fn pass(&self, signals: &SignalFd) {
        let Ok(Some(info)) = signals.read_signal() else { return };
        let number = info.ssi_signo.cast_signed();
        if number == libc::SIGCHLD || info.ssi_code == libc::SI_KERNEL {
            return;
        }
        if let Ok(signal) = Signal::try_from(number) {
            let _ = kill(self.child, signal);
        }
    }

    /// Reads a message of the inner process. Returns the end, when it says that.
    fn message(&mut self) -> Option<Option<(i32, Option<i32>)>> {
        match link::receive(&self.link) {
            Ok(Some((LinkMessage::Ended { code, signal }, _))) => Some(Some((code, signal))),
            Ok(Some((LinkMessage::Filter, files))) => {
                self.notices.listen(files);
                None
            }
            Ok(Some((message @ LinkMessage::Failed(_), _))) => {
                let _ = link::send(&self.control, &message, &[]);
                None
            }
            Ok(Some(_)) => None,
            Ok(None) | Err(_) => Some(None),
        }
    }
}

/// Ends of the attendant's waiting.
struct Ready {
    signal: bool,
    message: bool,
    launcher_gone: bool,
    calls: bool,
}
