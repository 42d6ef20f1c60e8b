//! The first process inside.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, set_parent_process_death_signal};

use super::outer::{Inside, take_signals};
use super::{EnterError, NO_BOX, Step, filter, landlocked, own_places, rights};
use crate::link::{self, LinkMessage};
use crate::os::{Fork, exit_now, fork};
use crate::probe::BoxLevel;

/// Code of a command that is not there, as a shell has it.
const NOT_FOUND: i32 = 127;

/// Code of a command that cannot be run.
const NOT_RUN: i32 = 126;

/// Shuts the box, runs the command in it, and ends with it.
#[expect(clippy::needless_pass_by_value, reason = "the process is this function's")]
pub(super) fn run(inside: Inside<'_>, link: OwnedFd) -> ! {
    let ended = start(&inside, &link).and_then(|(command, signals)| collect(command, &signals));
    match ended {
        Ok((code, signal)) => {
            let _ = link::send(&link, &LinkMessage::Ended { code, signal }, &[]);
            exit_now(0)
        }
        Err(error) => {
            let _ = link::send(&link, &LinkMessage::Failed(error.to_string()), &[]);
            exit_now(NO_BOX)
        }
    }
}

fn start(inside: &Inside<'_>, link: &OwnedFd) -> Result<(Pid, SignalFd), EnterError> {
    end_with_parent(link)?;
    let plan = inside.plan;
    if plan.level == BoxLevel::Full {
        own_places::show_processes()?;
    }
    std::env::set_current_dir(&plan.cwd).step(|| format!("enter {}", plan.cwd.display()))?;
    rights::give_up()?;
    landlocked::apply(plan)?;
    // Nothing inside looks into this process, which has the link.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step(|| "shut itself".to_owned())?;
    if let Some(listener) =
        filter::apply(plan.reports_writes).step(|| "filter system calls".to_owned())?
    {
        let sent = link::send(link, &LinkMessage::Filter, &[listener.as_fd()]);
        sent.step(|| "reach the outer process".to_owned())?;
    }
    let signals = take_signals().step(|| "take signals".to_owned())?;
    match fork().step(|| "start a process".to_owned())? {
        Fork::Child => become_command(inside, link),
        Fork::Parent(command) => Ok((command, signals)),
    }
}

/// Ends this process when the outer one ends, also when that is over already.
fn end_with_parent(link: &OwnedFd) -> Result<(), EnterError> {
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .step(|| "follow its parent".to_owned())?;
    let mut watched = [PollFd::new(link.as_fd(), PollFlags::empty())];
    let gone = poll(&mut watched, PollTimeout::ZERO).step(|| "look at its parent".to_owned())?;
    if gone > 0 { exit_now(NO_BOX) } else { Ok(()) }
}

fn become_command(inside: &Inside<'_>, link: &OwnedFd) -> ! {
    let _ = set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let _ = inside.mask.thread_set_mask();
    let program = &inside.command[0];
    let variables = inside.variables.iter().map(|(name, value)| (name, value));
    let error = Command::new(program).args(&inside.command[1..]).envs(variables).exec();
    let words = format!("cannot run {}: {error}", program.display());
    let _ = link::send(link, &LinkMessage::Failed(words), &[]);
    let is_missing = error.kind() == std::io::ErrorKind::NotFound;
    exit_now(if is_missing { NOT_FOUND } else { NOT_RUN })
}

/// Passes signals on and collects what has ended, until the command has.
fn collect(command: Pid, signals: &SignalFd) -> Result<(i32, Option<i32>), EnterError> {
    loop {
        let info = match signals.read_signal() {
            Err(Errno::EINTR) | Ok(None) => continue,
            Err(error) => return Err(error).step(|| "read signals".to_owned()),
            Ok(Some(info)) => info,
        };
        let number = info.ssi_signo.cast_signed();
        if number != libc::SIGCHLD {
            // One from a terminal has reached the command by itself.
            if info.ssi_code != libc::SI_KERNEL
                && let Ok(signal) = Signal::try_from(number)
            {
                let _ = kill(command, signal);
            }
            continue;
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == command => return Ok((code, None)),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => {
                    return Ok((0, Some(signal as i32)));
                }
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
}
