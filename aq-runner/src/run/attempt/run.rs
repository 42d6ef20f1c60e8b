//! One run of the agent, and what it came to.

use aq_ledger::steps::{RecordRun, RunSession};
use aq_manifest::JobSpec;
use jiff::Timestamp;

use super::super::agent_command::agent_command;
use super::super::host_lack::lack_of_io;
use super::JobAttempt;
use super::commands::task;
use super::failure::AttemptFailure;
use super::feedback::deliver;
use super::prepare::{AgentGround, AgentInput};
use super::usage::{AgentRun, over_budget, resumable, run_usage, session_total};
use crate::engine::{EndedBy, RunVerdict, SessionTotal, next_session};
use crate::feedback::OutputSource;
use crate::process::{CommandInput, CommandOutcome, ExitReport, SupervisedCommand};
use crate::run::engines::availability;
use crate::run::engines::phase::{ended_by, exit_of};
use crate::store::{StoreError, write_private};

/// A run of an engine that has ended and is on record.
pub(super) struct EngineRun {
    /// The run.
    pub(super) run: AgentRun,
    /// The end of its process.
    pub(super) ended: CommandOutcome,
    /// The one who ended it.
    pub(super) ended_by: EndedBy,
    /// The engine's own account.
    pub(super) verdict: RunVerdict,
    /// The reason why it went over its budget, if it did.
    pub(super) overspent: Option<String>,
}

impl EngineRun {
    /// Returns whether nothing was done, because there is no session to resume any more.
    pub(super) fn has_lost_session(&self) -> bool {
        self.verdict.session_gone && self.run.resumed.is_some() && self.overspent.is_none()
    }
}

/// Runs the engine.
pub(super) fn engine(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    ground: &AgentGround,
    input: AgentInput,
) -> Result<EngineRun, AttemptFailure> {
    let AgentInput { mut command, feedback } = input;
    let engine = ground.engine.as_str();
    for file in &command.files {
        write_private(&file.path, &file.content, file.mode).map_err(|e| {
            let why = format!("cannot write {}: {e}", file.path.display());
            lack_of_io(&e, &why).map_or(AttemptFailure::NotCounted(why), AttemptFailure::Host)
        })?;
    }
    let records = attempt.settings.engines.records_of(engine, &command);
    let records = records.map_err(|e| AttemptFailure::setup(e.to_string()))?;
    let resumed = resumable(attempt.record.content(), engine).filter(|_| command.resumes);
    if let Some(session) = &resumed {
        attempt.record.note(&format!("resuming session {session}"));
    }
    deliver(attempt, &feedback)?;
    let total = session_total(attempt.record.content());
    let (program, args) =
        agent_command(&mut command, total.as_ref()).map_err(AttemptFailure::setup)?;
    let mut run = AgentRun::new(engine.to_owned(), records, spec.budget, resumed, total);
    run.feedback = feedback.id;
    run.usage_file = command.usage_file;
    let JobAttempt { settings, record, commands, .. } = attempt;
    let task = SupervisedCommand {
        stdin: command.stdin.map_or(CommandInput::Null, CommandInput::Bytes),
        ..task(settings, program, args, &ground.place, spec.timeout)
    };
    let ended = commands.supervise(settings, record, OutputSource::Engine, task, Some(&mut run))?;
    let (ended_by, exit) = (ended_by(ended.cause, run.phase), exit_of(&ended));
    let (run, verdict) = run.verdict(exit, ended_by);
    let mut run = EngineRun { run, ended, ended_by, verdict, overspent: None };
    run.overspent = put_on_record(attempt, spec, &run).map_err(AttemptFailure::Unrecorded)?;
    Ok(run)
}

/// Records what the run came to. Answers why it went over its budget, if it did.
fn put_on_record(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    of: &EngineRun,
) -> Result<Option<String>, StoreError> {
    let EngineRun { run, ended, verdict, .. } = of;
    let JobAttempt { queue, settings, record, .. } = attempt;
    let exit = match ended.status {
        Some(ExitReport::Exited(code)) => code.to_string(),
        Some(ExitReport::Signaled(signal)) => format!("signal {signal}"),
        None => "none".to_owned(),
    };
    let denials = Some(verdict.permission_denials).filter(|&n| n > 0);
    if let Some(denials) = denials {
        record.note(&format!(
            "warning: the engine refused {denials} tool calls for lack of permission; `yolo: true` \
             allows them"
        ));
    }
    let settled = run.settle(settings, verdict);
    let windows = [verdict.windows.clone(), settled.windows.clone()].concat();
    // What is known of the account is not worth a job's failure.
    let _ = availability::note_windows(queue, settings, &run.engine, windows);
    let session = next_session(run.resumed.as_deref(), verdict, of.ended_by);
    let model = verdict.model.as_ref().or(settled.model.as_ref());
    let engine_error = verdict.error.as_ref().map(|error| error.class.to_string());
    let session_total = settled.total.as_ref().map(SessionTotal::to_line);
    let session = session.as_deref().map(|id| RunSession {
        id,
        engine: &run.engine,
        feedback: run.feedback.as_deref(),
    });
    let step = RecordRun {
        exit: &exit,
        duration: ended.duration,
        permission_denials: denials.map(u64::from),
        session,
        engine_error: engine_error.as_deref(),
        model: model.map(String::as_str),
        usage: run_usage(&settled.run),
        session_total: session_total.as_deref(),
    };
    record.make(&step, Timestamp::now())?;
    Ok(over_budget(&spec.budget, &settled.run, verdict.turns.map(u64::from)))
}
