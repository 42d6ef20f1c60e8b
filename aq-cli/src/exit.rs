//! Ends of `aq`: the exit codes that scripts rely on, and the errors that lead to them.

use std::fmt;
use std::process::ExitCode;

use aq_fleet::client::CallError;
use aq_manifest::{JobId, Stage};
use aq_runner::checkpoint::CheckpointError;
use aq_runner::run::{
    FleetError, FleetSettingsError, PromptError, PullError, ReplyError, SandboxError, ShipError,
    WorkplaceError,
};
use aq_runner::store::{AddError, StoreError};
use aq_sandbox::{BoxLevel, LaunchError};

use crate::output::style::plain_lines;

/// Exit codes (docs/commands.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CliExit {
    /// Done.
    Done,
    /// Done, and some job failed, or the answer is no.
    No,
    /// Wrong usage or bad input; nothing changed.
    Usage,
    /// No such job or queue.
    NotFound,
    /// Refused because of the present state: a duplicate, a cycle, already running.
    Refused,
    /// The environment failed: disk, network, permissions.
    Environment,
    /// As the command ended that was run: its own code.
    Command(u8),
}

impl From<CliExit> for ExitCode {
    fn from(exit: CliExit) -> Self {
        Self::from(match exit {
            CliExit::Done => 0,
            CliExit::No => 1,
            CliExit::Usage => 2,
            CliExit::NotFound => 3,
            CliExit::Refused => 4,
            CliExit::Environment => 5,
            CliExit::Command(code) => code,
        })
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
            StoreError::NoSuchJob(_)
            | StoreError::NoQueue(_)
            | StoreError::NotADirectory(_)
            | StoreError::Incomplete { .. } => CliExit::NotFound,
            StoreError::WrongStage { .. }
            | StoreError::Busy(_)
            | StoreError::Moved(_)
            | StoreError::Record { .. } => CliExit::Refused,
            StoreError::NotText(_) => CliExit::Usage,
            _ => CliExit::Environment,
        };
        match mend(&error) {
            Some(mend) => Self::new(exit, format_args!("{error}; {mend}")),
            None => Self::new(exit, error),
        }
    }
}

/// The command that mends an error of a queue's files or says more, where there is one.
fn mend(error: &StoreError) -> Option<String> {
    Some(match error {
        StoreError::NoSuchJob(_) => "`aq status --all` lists the jobs".to_owned(),
        StoreError::NoQueue(at) => format!("`aq init {}` makes one", at.display()),
        StoreError::NotADirectory(_) => "`aq path` prints where the queue is".to_owned(),
        StoreError::Incomplete { root, .. } => {
            format!("`aq init {}` makes what is missing", root.display())
        }
        StoreError::Busy(_) => "`aq status` shows it".to_owned(),
        StoreError::Moved(_) => "`aq status` shows where it is".to_owned(),
        _ => return None,
    })
}

impl From<SandboxError> for CliFailure {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Level { wanted: BoxLevel::Full, had: BoxLevel::Landlock, .. } => {
                let hint = "`--least landlock` takes less, and `aq caps` says what holds then";
                Self::new(CliExit::Refused, format_args!("{error}; {hint}"))
            }
            SandboxError::Level { .. } => Self::new(CliExit::Refused, error),
            SandboxError::Hosts(_)
            | SandboxError::Launch(LaunchError::Policy(_) | LaunchError::NoNetwork(_)) => {
                Self::usage(error)
            }
            SandboxError::Launch(_) | SandboxError::Io { .. } => {
                Self::new(CliExit::Environment, error)
            }
        }
    }
}

impl From<ReplyError> for CliFailure {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Store(error) => error.into(),
            ReplyError::Words(_) => Self::usage(error),
            _ => Self::new(CliExit::Environment, error),
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
            _ => Self::new(CliExit::Environment, error),
        }
    }
}

impl From<AddError> for CliFailure {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Store(error) => error.into(),
            AddError::Partly { .. } => {
                Self::new(CliExit::Environment, format_args!("{error}; `aq status` shows them"))
            }
            AddError::Invalid(_) => Self { is_report: true, ..Self::usage(error) },
            AddError::Clash { .. } | AddError::Twice { .. } | AddError::Cycle { .. } => {
                Self::new(CliExit::Refused, error)
            }
            _ => Self::new(CliExit::Environment, error),
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
            WorkplaceError::LeftOut { ref id, .. } => Self::new(
                CliExit::Refused,
                format_args!("{error}, or `aq ship --leave-out {id}` to ship it without"),
            ),
            WorkplaceError::NoBranch(_)
            | WorkplaceError::PutAway { .. }
            | WorkplaceError::Checkpoint(_) => Self::new(CliExit::Refused, error),
            _ => Self::new(CliExit::Environment, error),
        }
    }
}

impl From<ShipError> for CliFailure {
    fn from(error: ShipError) -> Self {
        match error {
            ShipError::Store(error) => error.into(),
            ShipError::Workplace(error) => error.into(),
            ShipError::Fenced(_) => Self::new(CliExit::Refused, error),
            _ => Self::new(CliExit::Environment, error),
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
        let mend = match &error {
            PullError::Fleet(id) | PullError::NothingNew(id) => {
                format!("; `aq ship --accept {id}` accepts it without one")
            }
            _ => String::new(),
        };
        // Remotes and forges say what they like.
        Self::new(exit, plain_lines(&format!("{error}{mend}")))
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
            _ => CliExit::Environment,
        };
        Self::new(exit, error)
    }
}
