//! Ends of `aq`: the exit codes that scripts rely on, and the errors that lead to them.

use std::fmt;
use std::process::ExitCode;

use aq_fleet::client::CallError;
use aq_manifest::{JobId, Stage};
use aq_runner::checkpoint::CheckpointError;
use aq_runner::run::{
    FleetError, FleetSettingsError, PromptError, PullError, ReplyError, ShipError, WorkplaceError,
};
use aq_runner::store::{AddError, StoreError};

use crate::output::style::plain_lines;

/// Exit codes (docs/commands.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CliExit {
    /// Done.
    Done = 0,
    /// Done, and some job failed, or the answer is no.
    No = 1,
    /// Wrong usage or bad input; nothing changed.
    Usage = 2,
    /// No such job or queue.
    NotFound = 3,
    /// Refused because of the present state: a duplicate, a cycle, already running.
    Refused = 4,
    /// The environment failed: disk, network, permissions.
    Environment = 5,
}

impl From<CliExit> for ExitCode {
    fn from(exit: CliExit) -> Self {
        Self::from(exit as u8)
    }
}

/// The answer of a command.
pub(crate) type Outcome = Result<CliExit, CliFailure>;

/// An error on its way to the user: what it says, and the exit code that it ends in.
#[derive(Debug)]
pub(crate) struct CliFailure {
    pub(crate) exit: CliExit,
    /// The message is a report that has headings of its own.
    pub(crate) is_report: bool,
    message: String,
}

impl CliFailure {
    pub(crate) fn new(exit: CliExit, message: impl fmt::Display) -> Self {
        Self { exit, is_report: false, message: message.to_string() }
    }

    /// Wrong usage or bad input.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(CliExit::Usage, message)
    }

    /// The same failure, said of something.
    pub(crate) fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Words that cannot be sent to a job. For one that is shipped, with what can be done instead.
    pub(crate) fn of_reply(id: &JobId, error: ReplyError) -> Self {
        let is_shipped =
            matches!(error, ReplyError::Store(StoreError::WrongStage { at: Stage::Shipped, .. }));
        let failure = Self::from(error);
        match is_shipped {
            true => Self {
                message: format!(
                    "{failure}; `aq add --after {id} FILE` adds a job that goes on from it"
                ),
                ..failure
            },
            false => failure,
        }
    }

    /// The environment failed while `doing` something.
    pub(crate) fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(CliExit::Environment, format_args!("cannot {doing}: {error}"))
    }
}

impl fmt::Display for CliFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<StoreError> for CliFailure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::NoSuchJob(_) => {
                let message = format_args!("{error}; `aq status --all` lists the jobs");
                return Self::new(CliExit::NotFound, message);
            }
            StoreError::NoQueue(_)
            | StoreError::NotADirectory(_)
            | StoreError::Incomplete { .. } => CliExit::NotFound,
            StoreError::WrongStage { .. }
            | StoreError::Busy(_)
            | StoreError::Moved(_)
            | StoreError::Record { .. } => CliExit::Refused,
            StoreError::NotText(_) => CliExit::Usage,
            StoreError::Io { .. } => CliExit::Environment,
        };
        Self::new(exit, error)
    }
}

impl From<ReplyError> for CliFailure {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Store(error) => error.into(),
            ReplyError::Words(_) => Self::usage(error),
        }
    }
}

impl From<PromptError> for CliFailure {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Store(error) => error.into(),
            PromptError::Invalid(_) => Self { is_report: true, ..Self::usage(error) },
            PromptError::NoCandidates(_) | PromptError::NoSuchEngine(_) => {
                Self::new(CliExit::Refused, error)
            }
        }
    }
}

impl From<AddError> for CliFailure {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Store(error) => error.into(),
            AddError::Partly { .. } => Self::new(CliExit::Environment, error),
            AddError::Invalid(_) => Self { is_report: true, ..Self::usage(error) },
            AddError::Clash { .. } | AddError::Twice { .. } | AddError::Cycle { .. } => {
                Self::new(CliExit::Refused, error)
            }
        }
    }
}

impl From<WorkplaceError> for CliFailure {
    fn from(error: WorkplaceError) -> Self {
        match error {
            WorkplaceError::Store(error) => error.into(),
            WorkplaceError::Checkpoint(CheckpointError::Io { .. }) => {
                Self::new(CliExit::Environment, error)
            }
            WorkplaceError::NoBranch(_)
            | WorkplaceError::PutAway { .. }
            | WorkplaceError::LeftOut { .. }
            | WorkplaceError::Checkpoint(_) => Self::new(CliExit::Refused, error),
        }
    }
}

impl From<ShipError> for CliFailure {
    fn from(error: ShipError) -> Self {
        match error {
            ShipError::Store(error) => error.into(),
            ShipError::Workplace(error) => error.into(),
            ShipError::Fenced(_) => Self::new(CliExit::Refused, error),
            ShipError::Unasked { .. } => Self::new(CliExit::Environment, error),
        }
    }
}

impl From<PullError> for CliFailure {
    fn from(error: PullError) -> Self {
        let exit = match error {
            PullError::Store(error) => return error.into(),
            PullError::Workplace(WorkplaceError::Checkpoint(CheckpointError::Git {
                ref command,
                ..
            })) if command == "push" => CliExit::Environment,
            PullError::Workplace(error) => return error.into(),
            PullError::Token(_) => CliExit::Usage,
            PullError::Forge(ref forge) if forge.is_usage() => CliExit::Usage,
            PullError::Forge(ref forge) if forge.is_unavailable() => CliExit::Environment,
            _ => CliExit::Refused,
        };
        // Remotes and forges say what they like.
        Self::new(exit, plain_lines(&error.to_string()))
    }
}

impl From<FleetSettingsError> for CliFailure {
    fn from(error: FleetSettingsError) -> Self {
        match error {
            FleetSettingsError::Outbox(_) => Self::new(CliExit::Environment, error),
            _ => Self::usage(error),
        }
    }
}

impl From<FleetError> for CliFailure {
    fn from(error: FleetError) -> Self {
        let exit = match &error {
            FleetError::Settings(_) => CliExit::Usage,
            FleetError::Call(CallError::Refused(problem)) => match problem.status {
                404 => CliExit::NotFound,
                409 => CliExit::Refused,
                // A job file with an error, or a circle of dependencies.
                413 | 422 => CliExit::Usage,
                _ => CliExit::Environment,
            },
            FleetError::NoSuchJob(_) => CliExit::NotFound,
            FleetError::ManyJobs { .. } => CliExit::Usage,
            FleetError::Call(CallError::Fenced { .. }) => CliExit::Refused,
            FleetError::Call(_) | FleetError::OlderCoordinator => CliExit::Environment,
        };
        Self::new(exit, error)
    }
}
