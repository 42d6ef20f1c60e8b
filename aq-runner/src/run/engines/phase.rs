//! Meaning of a run's phase for its process: when it is ended, and how its end is judged. The
//! same for a job's run and for a check of an engine.

use std::time::Duration;

use crate::engine::{EndedBy, ProcessExit, RunPhase};
use crate::process::{CommandOutcome, EndCause, ExitReport, ObserverVerdict};

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
    pub(crate) fn flow(self, phase: RunPhase) -> ObserverVerdict {
        match phase {
            RunPhase::Working => ObserverVerdict::NotYet,
            // Some engines send their last event and never exit.
            RunPhase::Done { .. } => ObserverVerdict::EndAfter(self.grace),
            RunPhase::Rejected => ObserverVerdict::EndAfter(self.longest_wait),
            RunPhase::Waits => ObserverVerdict::End,
        }
    }
}

/// Author of the end of a run that was in `phase` when it printed something last.
pub(crate) fn ended_by(cause: EndCause, phase: RunPhase) -> EndedBy {
    let is_held_up = matches!(phase, RunPhase::Rejected | RunPhase::Waits);
    match cause {
        EndCause::ByItself => EndedBy::Engine,
        EndCause::ResultGrace | EndCause::Observer if is_held_up => EndedBy::LongWait,
        EndCause::ResultGrace => EndedBy::ResultGrace,
        // It had said its last word, and was only being waited for.
        EndCause::Deadline if matches!(phase, RunPhase::Done { .. }) => EndedBy::ResultGrace,
        EndCause::Deadline | EndCause::Stopped(_) | EndCause::Observer => EndedBy::Aq,
    }
}

/// End of the process of a run.
pub(crate) fn exit_of(ended: &CommandOutcome) -> ProcessExit {
    match ended.status {
        Some(ExitReport::Exited(code)) => ProcessExit::Code(code),
        Some(ExitReport::Signaled(signal)) => ProcessExit::Signal(signal),
        None => ProcessExit::Signal(nix::libc::SIGKILL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_after_the_last_word_is_the_grace() {
        let done = RunPhase::Done { event: 1 };
        assert_eq!(ended_by(EndCause::Deadline, done), EndedBy::ResultGrace);
        assert_eq!(ended_by(EndCause::Deadline, RunPhase::Working), EndedBy::Aq);
        assert_eq!(ended_by(EndCause::Observer, RunPhase::Waits), EndedBy::LongWait);
        assert_eq!(ended_by(EndCause::Observer, RunPhase::Working), EndedBy::Aq);
        assert_eq!(ended_by(EndCause::ByItself, RunPhase::Waits), EndedBy::Engine);
    }
}
