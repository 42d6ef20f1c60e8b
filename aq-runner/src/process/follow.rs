//! Running one command from its start until nothing of it is left.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::identity::ProcessId;
use super::pipes::{CommandPipes, ServedPipes};
use super::poll::poll_readable;
use super::reap::ChildReaper;
use super::start::{SuperviseError, start};
use super::supervisor::ProcessSupervisor;
use super::task::{CommandOutcome, DrainTimes, EndCause, OutputObserver, SupervisedCommand};
use super::tree;

/// Time for which SIGKILL is repeated before what still stays is given up.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Time that one round of SIGKILL has to take effect before the next.
const KILL_ROUND: Duration = Duration::from_millis(50);
/// Represents a time too long to be reckoned with.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl ProcessSupervisor {
    /// Runs one command and returns when nothing of it is left: neither its process group, nor
    /// what opened a session of its own, nor what lost its parent.
    ///
    /// The end is the main process's end, never the end of its pipes. What outlives it gets
    /// [`SupervisedCommand::drain`] to finish its output, then SIGTERM,
    /// [`SupervisedCommand::grace`], and SIGKILL. The same three end the whole tree on the
    /// deadline, a stop or the observer's wish.
    ///
    /// While the command is silent and has no deadline near, this sleeps in one system call.
    ///
    /// # Errors
    /// When the command cannot be started, or when a system call fails meanwhile; then its
    /// processes are killed first.
    pub fn run(
        &mut self,
        mut task: SupervisedCommand,
        observer: &mut dyn OutputObserver,
    ) -> Result<CommandOutcome, SuperviseError> {
        if let Some(signal) = self.stop_requested() {
            return Ok(CommandOutcome {
                status: None,
                cause: EndCause::Stopped(signal),
                duration: Duration::ZERO,
                survivors_killed: 0,
                left: 0,
            });
        }
        let started = Instant::now();
        let (main, pipes) = start(&mut task)?;
        let mut following = CommandFollower {
            supervisor: self,
            observer,
            pipes,
            reaper: ChildReaper::new(main, started),
            phase: FollowPhase::Running,
            cause: EndCause::ByItself,
            deadline: task.deadline.and_then(|limit| started.checked_add(limit)),
            result_due: None,
            settle_at: task.settle.and_then(|time| started.checked_add(time)),
            grace: task.grace,
            drain: task.drain,
            signalled: BTreeSet::new(),
        };
        match following.follow() {
            Ok(()) => Ok(following.ended(started)),
            Err(e) => {
                following.kill()?;
                Err(e.into())
            }
        }
    }
}

struct CommandFollower<'a> {
    supervisor: &'a mut ProcessSupervisor,
    observer: &'a mut dyn OutputObserver,
    pipes: CommandPipes,
    reaper: ChildReaper,
    phase: FollowPhase,
    cause: EndCause,
    deadline: Option<Instant>,
    result_due: Option<Instant>,
    settle_at: Option<Instant>,
    grace: Duration,
    drain: DrainTimes,
    /// Every process that was sent a signal.
    signalled: BTreeSet<ProcessId>,
}

#[derive(Debug, Clone, Copy)]
enum FollowPhase {
    /// The main process is at work.
    Running,
    /// It has ended by itself; others may still be writing.
    Draining { idle: Instant, total: Instant },
    /// All were asked to end and are killed at this time.
    Ending { kill_at: Instant },
    /// Some stay in spite of SIGKILL.
    GivenUp,
}

impl CommandFollower<'_> {
    fn follow(&mut self) -> io::Result<()> {
        while !self.reaper.none_left() && !matches!(self.phase, FollowPhase::GivenUp) {
            let wait_until = self.wait_until();
            let wake = self.supervisor.wake.as_fd();
            let buffer = &mut self.supervisor.buffer;
            let (woken, served) = self.pipes.serve(wake, wait_until, buffer, self.observer)?;
            if woken {
                self.supervisor.clear_wake()?;
                self.reaper.reap()?;
            }
            self.advance(&served, Instant::now())?;
        }
        self.pipes.close_input();
        let until = after(Instant::now(), self.drain.total);
        self.pipes.empty(until, &mut self.supervisor.buffer, self.observer)
    }

    /// The next moment at which something is due without an event.
    fn wait_until(&self) -> Option<Instant> {
        match self.phase {
            FollowPhase::Running => {
                self.deadline.into_iter().chain(self.result_due).chain(self.settle_at).min()
            }
            FollowPhase::Draining { idle, total } => Some(idle.min(total)),
            FollowPhase::Ending { kill_at } => Some(kill_at),
            FollowPhase::GivenUp => None,
        }
    }

    /// Moves on to the next phase when it is time.
    fn advance(&mut self, served: &ServedPipes, now: Instant) -> io::Result<()> {
        if self.reaper.none_left() {
            return Ok(());
        }
        match self.phase {
            FollowPhase::Running => {
                if let Some(wish) = served.end_after {
                    self.result_due = wish.and_then(|time| now.checked_add(time));
                }
                // A main process that ended in this very moment has ended by itself.
                if self.reason_to_end(served, now).is_some() {
                    self.reaper.reap()?;
                }
                if self.reaper.ended().is_some() {
                    self.pipes.close_input();
                    let DrainTimes { idle, total } = self.drain;
                    self.phase =
                        FollowPhase::Draining { idle: after(now, idle), total: after(now, total) };
                    return self.advance(&ServedPipes::default(), now);
                }
                if let Some(cause) = self.reason_to_end(served, now) {
                    self.cause = cause;
                    self.observer.ending();
                    self.ask_to_end(now);
                } else if self.settle_at.take_if(|at| now >= *at).is_some() {
                    self.observer.settled();
                }
            }
            FollowPhase::Draining { idle, total } => {
                let idle = if served.output { after(now, self.drain.idle) } else { idle };
                self.phase = FollowPhase::Draining { idle, total };
                let stop = served.end || self.supervisor.stop_requested().is_some();
                if stop || now >= idle.min(total) {
                    self.ask_to_end(now);
                }
            }
            FollowPhase::Ending { kill_at } => {
                if now >= kill_at {
                    self.kill()?;
                }
            }
            FollowPhase::GivenUp => {}
        }
        Ok(())
    }

    /// Returns the reason why a main process that still runs is to be ended now. One whose work is
    /// done is not late.
    fn reason_to_end(&self, served: &ServedPipes, now: Instant) -> Option<EndCause> {
        let passed = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if let Some(signal) = self.supervisor.stop_requested() {
            Some(EndCause::Stopped(signal))
        } else if served.end {
            Some(EndCause::Observer)
        } else if passed(self.result_due) {
            Some(EndCause::ResultGrace)
        } else if passed(self.deadline) {
            Some(EndCause::Deadline)
        } else {
            None
        }
    }

    fn ask_to_end(&mut self, now: Instant) {
        self.pipes.close_input();
        let tree = tree::descendants(std::process::id());
        tree::ask_to_end(&tree, self.reaper.running());
        self.signalled.extend(tree);
        self.phase = FollowPhase::Ending { kill_at: after(now, self.grace) };
    }

    /// Kills all that is there, again and again until nothing is, or nothing helps.
    fn kill(&mut self) -> io::Result<()> {
        let give_up = Instant::now() + KILL_LIMIT;
        loop {
            let mut frozen = BTreeSet::new();
            tree::freeze_below(std::process::id(), &mut frozen);
            tree::kill(&frozen);
            self.signalled.extend(frozen);
            let round_over = Instant::now() + KILL_ROUND;
            while !self.reaper.none_left() && Instant::now() < round_over {
                poll_readable(self.supervisor.wake.as_fd(), Some(round_over))?;
                self.supervisor.clear_wake()?;
                self.reaper.reap()?;
            }
            if self.reaper.none_left() {
                return Ok(());
            }
            if Instant::now() >= give_up {
                self.phase = FollowPhase::GivenUp;
                return Ok(());
            }
        }
    }

    fn ended(&self, started: Instant) -> CommandOutcome {
        let main = self.reaper.ended();
        let others =
            self.signalled.iter().filter(|id| id.pid().cast_signed() != self.reaper.main());
        let left =
            if self.reaper.none_left() { 0 } else { tree::descendants(std::process::id()).len() };
        CommandOutcome {
            status: main.map(|(status, _)| status),
            cause: self.cause,
            duration: main.map_or_else(|| started.elapsed(), |(_, duration)| duration),
            survivors_killed: others.count(),
            left,
        }
    }
}

fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + YEAR)
}
