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
pub(crate) enum Exit {
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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The answer of a command.
pub(crate) type Outcome = Result<Exit, Failure>;

/// An error on its way to the user: what it says, and the exit code that it ends in.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The message is a report that has headings of its own.
    pub(crate) is_report: bool,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, is_report: false, message: message.to_string() }
    }

    /// Wrong usage or bad input.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same failure, said of something.
    pub(crate) fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Words that a job cannot be told. For one that is shipped, with what can be done instead.
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
        Self::new(Exit::Environment, format_args!("cannot {doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::NoSuchJob(_) => {
                let message = format_args!("{error}; `aq status --all` lists the jobs");
                return Self::new(Exit::NotFound, message);
            }
            StoreError::NoQueue(_)
            | StoreError::NotADirectory(_)
            | StoreError::Incomplete { .. } => Exit::NotFound,
            StoreError::WrongStage { .. }
            | StoreError::Busy(_)
            | StoreError::Moved(_)
            | StoreError::Record { .. } => Exit::Refused,
            StoreError::NotText(_) => Exit::Usage,
            StoreError::Io { .. } => Exit::Environment,
        };
        Self::new(exit, error)
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Store(error) => error.into(),
            ReplyError::Words(_) => Self::usage(error),
        }
    }
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Store(error) => error.into(),
            PromptError::Invalid(_) => Self { is_report: true, ..Self::usage(error) },
            PromptError::NoCandidates(_) | PromptError::NoSuchEngine(_) => {
                Self::new(Exit::Refused, error)
            }
        }
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Store(error) => error.into(),
            AddError::Partly { .. } => Self::new(Exit::Environment, error),
            AddError::Invalid(_) => Self { is_report: true, ..Self::usage(error) },
            AddError::Clash { .. } | AddError::Twice { .. } | AddError::Cycle { .. } => {
                Self::new(Exit::Refused, error)
            }
        }
    }
}

impl From<WorkplaceError> for Failure {
    fn from(error: WorkplaceError) -> Self {
        match error {
            WorkplaceError::Store(error) => error.into(),
            WorkplaceError::Checkpoint(CheckpointError::Io { .. }) => {
                Self::new(Exit::Environment, error)
            }
            WorkplaceError::NoBranch(_)
            | WorkplaceError::PutAway { .. }
            | WorkplaceError::LeftOut { .. }
            | WorkplaceError::Checkpoint(_) => Self::new(Exit::Refused, error),
        }
    }
}

impl From<ShipError> for Failure {
    fn from(error: ShipError) -> Self {
        match error {
            ShipError::Store(error) => error.into(),
            ShipError::Workplace(error) => error.into(),
            ShipError::Fenced(_) => Self::new(Exit::Refused, error),
            ShipError::Unasked { .. } => Self::new(Exit::Environment, error),
        }
    }
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        let exit = match error {
            PullError::Store(error) => return error.into(),
            PullError::Workplace(WorkplaceError::Checkpoint(CheckpointError::Git {
                ref command,
                ..
            })) if command == "push" => Exit::Environment,
            PullError::Workplace(error) => return error.into(),
            PullError::Token(_) => Exit::Usage,
            PullError::Forge(ref forge) if forge.is_usage() => Exit::Usage,
            PullError::Forge(ref forge) if forge.is_unavailable() => Exit::Environment,
            _ => Exit::Refused,
        };
        // Remotes and forges say what they like.
        Self::new(exit, plain_lines(&error.to_string()))
    }
}

impl From<FleetSettingsError> for Failure {
    fn from(error: FleetSettingsError) -> Self {
        match error {
            FleetSettingsError::Outbox(_) => Self::new(Exit::Environment, error),
            _ => Self::usage(error),
        }
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        let exit = match &error {
            FleetError::Settings(_) => Exit::Usage,
            FleetError::Call(CallError::Refused(problem)) => match problem.status {
                404 => Exit::NotFound,
                409 => Exit::Refused,
                // A job file with an error, or a circle of dependencies.
                413 | 422 => Exit::Usage,
                _ => Exit::Environment,
            },
            FleetError::NoSuchJob(_) => Exit::NotFound,
            FleetError::ManyJobs { .. } => Exit::Usage,
            FleetError::Call(CallError::Fenced { .. }) => Exit::Refused,
            FleetError::Call(_) | FleetError::OlderCoordinator => Exit::Environment,
        };
        Self::new(exit, error)
    }
}
