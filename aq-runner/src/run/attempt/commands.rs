//! The commands of an attempt: each is supervised with its whole tree, and its output goes to the
//! log.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use aq_manifest::{FailureClass, JobSpec, format_duration};
use jiff::Timestamp;

use super::super::host_lack::limited_files;
use super::super::settings::QueueSettings;
use super::JobAttempt;
use super::failure::AttemptFailure;
use super::feedback::LastCommand;
use super::record::AttemptRecord;
use super::tee::OutputTee;
use super::usage::AgentRun;
use crate::feedback::OutputSource;
use crate::process::{
    CommandInput, CommandOutcome, ControlGroup, DrainTimes, EndCause, ExitReport,
    ProcessSupervisor, SupervisedCommand, has_file_limit,
};
use crate::run::engines::phase::RunPatience;

/// A command that has run for this long is worth a control group.
const SETTLE: Duration = Duration::from_secs(1);

/// What runs the commands of an attempt, one after the other.
pub(super) struct CommandRunner {
    supervisor: ProcessSupervisor,
    /// Entered when a command has run for a while.
    cgroup: Option<ControlGroup>,
    /// The end of the last command, for the feedback of the next attempt.
    pub(super) last: LastCommand,
}

/// Where a command runs.
#[derive(Debug)]
pub(super) struct CommandPlace {
    pub(super) dir: PathBuf,
    pub(super) env: Vec<(OsString, OsString)>,
}

impl CommandRunner {
    pub(super) fn new(supervisor: ProcessSupervisor) -> Self {
        Self { supervisor, cgroup: None, last: LastCommand::default() }
    }

    /// Runs a command until nothing of it is left.
    pub(super) fn supervise(
        &mut self,
        settings: &QueueSettings,
        record: &mut AttemptRecord,
        source: OutputSource,
        task: SupervisedCommand,
        run: Option<&mut AgentRun>,
    ) -> Result<CommandOutcome, AttemptFailure> {
        let patience =
            RunPatience { grace: settings.result_grace, longest_wait: settings.longest_wait };
        let mut tee = OutputTee::new(record, run, patience, &mut self.cgroup);
        let ended = self.supervisor.run(task, &mut tee);
        let output = tee.into_tail();
        record.log().command_ended(Timestamp::now());
        let status = ended.as_ref().ok().and_then(|ended| ended.status);
        self.last = LastCommand::new(source, output, status);
        let ended = ended.map_err(|e| AttemptFailure::host_or(&e, AttemptFailure::setup))?;
        if ended.survivors_killed > 0 {
            let what = if ended.survivors_killed == 1 { "process" } else { "processes" };
            let count = ended.survivors_killed;
            record.note(&format!("ended {count} {what} that it had left running"));
        }
        if ended.left > 0 {
            record.note(&format!("warning: {} processes of it could not be ended", ended.left));
        }
        Ok(ended)
    }

    /// Leaves the control group, when there is one.
    pub(super) fn leave_cgroup(self) {
        if let Some(cgroup) = self.cgroup {
            // One that cannot be removed is empty, and harms nobody.
            let _ = cgroup.leave();
        }
    }
}

/// A command that gets no input.
pub(super) fn task(
    settings: &QueueSettings,
    program: OsString,
    args: Vec<OsString>,
    place: &CommandPlace,
    deadline: Option<Duration>,
) -> SupervisedCommand {
    SupervisedCommand {
        program,
        args,
        cwd: place.dir.clone(),
        env: place.env.clone(),
        stdin: CommandInput::Null,
        deadline,
        settle: Some(SETTLE),
        grace: settings.kill_grace,
        drain: DrainTimes::default(),
    }
}

/// Runs a command of the job file through the shell. Answers why it did not succeed, if it did not.
pub(super) fn shell(
    attempt: &mut JobAttempt<'_>,
    (source, name): (OutputSource, &str),
    command: &str,
    spec: &JobSpec,
    place: &CommandPlace,
) -> Result<Result<(), String>, AttemptFailure> {
    let JobAttempt { settings, record, commands, .. } = attempt;
    let args = vec!["-c".into(), command.into()];
    let task = task(settings, "/bin/sh".into(), args, place, spec.timeout);
    let ended = commands.supervise(settings, record, source, task, None)?;
    if let EndCause::Stopped(_) = ended.cause {
        return Err(AttemptFailure::Stopped);
    }
    if let Some(failure) = met_file_limit(&ended) {
        return Err(failure);
    }
    Ok(match (ended.cause, ended.status) {
        (EndCause::Deadline, _) => {
            let limit = note_timeout(record, spec.timeout);
            Err(format!("{name} did not end within {limit}"))
        }
        (_, Some(ExitReport::Exited(0))) => Ok(()),
        (_, Some(ExitReport::Exited(code))) => Err(format!("{name} exited with {code}")),
        (_, Some(ExitReport::Signaled(signal))) => {
            Err(format!("{name} was killed by signal {signal}"))
        }
        (_, None) => Err(format!("{name} did not end")),
    })
}

/// The failure of an agent that had its time.
pub(super) fn timed_out(record: &mut AttemptRecord, timeout: Option<Duration>) -> AttemptFailure {
    let limit = note_timeout(record, timeout);
    AttemptFailure::Class(FailureClass::Timeout, format!("timed out after {limit}"))
}

fn note_timeout(record: &mut AttemptRecord, timeout: Option<Duration>) -> String {
    let limit = timeout.map_or_else(String::new, format_duration);
    record.note(&format!("TIMED OUT after {limit}"));
    limit
}

/// Failure of a command that met the limit of file sizes under which its supervisor runs, too: not
/// one that the job has set for itself.
pub(super) fn met_file_limit(ended: &CommandOutcome) -> Option<AttemptFailure> {
    let signal = nix::libc::SIGXFSZ;
    // A shell answers with the signal of its last command.
    let met = matches!(ended.status, Some(ExitReport::Signaled(n)) if n == signal)
        || matches!(ended.status, Some(ExitReport::Exited(code)) if code == 128 + signal);
    (met && has_file_limit()).then(|| {
        let words = "the run loop has a limit on the size of files, and the job met it (SIGXFSZ): \
                     start the loop without `ulimit -f`";
        AttemptFailure::Host(limited_files(words))
    })
}
