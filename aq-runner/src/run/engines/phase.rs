//! Meaning of a run's phase for its process: when it is ended, and how its end is judged. The
//! same for a job's run and for a check of an engine.

use std::time::Duration;

use crate::engine::{EndedBy, Exit, RunPhase};
use crate::process::{Cause, Ended, Flow, Status};

/// Times that a run may take beside its work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunPatience {
    /// Time to exit after its final event.
    pub(crate) grace: Duration,
    /// Longest wait for its vendor.
    pub(crate) longest_wait: Duration,
}

impl RunPatience {
    /// Decides about a process whose run has come into `phase`.
    pub(crate) fn flow(self, phase: RunPhase) -> Flow {
        match phase {
            RunPhase::Working => Flow::NotYet,
            // Some engines send their last event and never exit.
            RunPhase::Done { .. } => Flow::EndAfter(self.grace),
            RunPhase::Rejected => Flow::EndAfter(self.longest_wait),
            RunPhase::Waits => Flow::End,
        }
    }
}

/// Author of the end of a run that was in `phase` when it printed something last.
pub(crate) fn ended_by(cause: Cause, phase: RunPhase) -> EndedBy {
    let is_held_up = matches!(phase, RunPhase::Rejected | RunPhase::Waits);
    match cause {
        Cause::ByItself => EndedBy::Engine,
        Cause::ResultGrace | Cause::Observer if is_held_up => EndedBy::LongWait,
        Cause::ResultGrace => EndedBy::ResultGrace,
        // It had said its last word, and was only being waited for.
        Cause::Deadline if matches!(phase, RunPhase::Done { .. }) => EndedBy::ResultGrace,
        Cause::Deadline | Cause::Stopped(_) | Cause::Observer => EndedBy::Aq,
    }
}

/// End of the process of a run.
pub(crate) fn exit_of(ended: &Ended) -> Exit {
    match ended.status {
        Some(Status::Exited(code)) => Exit::Code(code),
        Some(Status::Signaled(signal)) => Exit::Signal(signal),
        None => Exit::Signal(nix::libc::SIGKILL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_after_the_last_word_is_the_grace() {
        let done = RunPhase::Done { event: 1 };
        assert_eq!(ended_by(Cause::Deadline, done), EndedBy::ResultGrace);
        assert_eq!(ended_by(Cause::Deadline, RunPhase::Working), EndedBy::Aq);
        assert_eq!(ended_by(Cause::Observer, RunPhase::Waits), EndedBy::LongWait);
        assert_eq!(ended_by(Cause::Observer, RunPhase::Working), EndedBy::Aq);
        assert_eq!(ended_by(Cause::ByItself, RunPhase::Waits), EndedBy::Engine);
    }
}
