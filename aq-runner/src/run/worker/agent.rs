//! The agent's part of a job: the engine is run, and its run is judged.

use std::ffi::OsString;
use std::path::Path;

use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{FailureClass, JobSpec, Outcome, Stage};

use jiff::Timestamp;

use crate::engine::{EndedBy, EngineCommand, ErrorClass, Invocation, Verdict, next_session};
use crate::feedback::OutputSource;
use crate::process::{Cause, Ended, Status, Stdin, Task};
use crate::store::{JobFile, StoreError, write_private};

use super::super::attempt_line::AttemptLine;
use super::super::engine_phase::{ended_by, exit_of};
use super::super::engine_sightings::Sightings;
use super::super::engine_use;
use super::super::feedback::AttemptFeedback;
use super::super::host_lack::lack_of_io;
use super::super::worker_program::agent_command;
use super::command::met_file_limit;
use super::usage::{AgentRun, over_budget, usage_record};
use super::{Failure, Work};

/// Outcome of one run of an engine that did not fail.
enum EngineRun {
    /// It is accepted.
    Judged,
    /// There is no session to resume any more; nothing was done.
    SessionGone,
}

impl Work<'_> {
    /// Prepares the ground, runs the engine and judges the run.
    pub(super) fn agent(&mut self, file: &JobFile) -> Result<(), Failure> {
        let spec = &file.spec;
        let setup_failed = |why: String| Failure::Final(Outcome::SetupFailed, why);
        let cwd = self.workplace(spec)?;
        let scratch = self.scratch()?;
        let engine = self.job.meta().get(RecordKey::Engine).unwrap_or_default().to_owned();
        let mut feedback = self.next_feedback(spec, &engine)?;
        let mut command = self.engine_command(&engine, file, &scratch, feedback.text.as_deref())?;
        let user = &self.settings.environment;
        let is_unset =
            |(name, _): &(OsString, OsString)| user.get(&name.to_string_lossy()).is_none();
        command
            .env_set
            .extend(std::mem::take(&mut command.env_default).into_iter().filter(is_unset));
        let env = self.env(spec, &command.env_set, &scratch).map_err(setup_failed)?;
        // Those whose worker died count too, but `retry` does not end them.
        let max = spec.retry.as_ref().map_or(1, |retry| retry.max);
        let max = Some(max).filter(|&max| self.attempt <= max);
        let line = AttemptLine { attempt: self.attempt, max, engine: &engine, dir: &cwd };
        self.note(&line.to_string());
        self.setup(spec, &cwd, &env)?;
        self.report(Stage::Building)?;
        loop {
            match self.run_engine(spec, &engine, command, &feedback, &cwd, env.clone())? {
                EngineRun::Judged => return Ok(()),
                // Its record names no session any more.
                EngineRun::SessionGone => {
                    self.note("its engine does not know the session any more: a fresh one");
                    feedback = self.next_feedback(spec, &engine)?;
                    let text = feedback.text.as_deref();
                    command = self.engine_command(&engine, file, &scratch, text)?;
                }
            }
        }
    }

    fn run_engine(
        &mut self,
        spec: &JobSpec,
        engine: &str,
        mut command: EngineCommand,
        feedback: &AttemptFeedback,
        cwd: &Path,
        env: Vec<(OsString, OsString)>,
    ) -> Result<EngineRun, Failure> {
        let setup_failed = |why: String| Failure::Final(Outcome::SetupFailed, why);
        for file in &command.files {
            write_private(&file.path, &file.content, file.mode).map_err(|e| {
                let why = format!("cannot write {}: {e}", file.path.display());
                lack_of_io(&e, &why).map_or(Failure::NotCounted(why), Failure::Host)
            })?;
        }
        let records = self.settings.engines.records_of(engine, &command);
        let records = records.map_err(|e| setup_failed(e.to_string()))?;
        let resumed = self.resumable(engine).filter(|_| command.resumes);
        if let Some(session) = &resumed {
            self.note(&format!("resuming session {session}"));
        }
        self.deliver(feedback)?;
        let total = self.session_total();
        let (program, args) = agent_command(&mut command, total.as_ref()).map_err(setup_failed)?;
        let mut run = AgentRun::new(engine.to_owned(), records, spec.budget, resumed, total);
        run.feedback.clone_from(&feedback.id);
        run.usage_file.clone_from(&command.usage_file);
        let task = self.task(program, args, cwd, env, spec.timeout);
        let task = Task { stdin: command.stdin.map_or(Stdin::Null, Stdin::Bytes), ..task };
        let ended = self.supervise(OutputSource::Engine, task, Some(&mut run))?;
        self.judge(spec, &ended, run)
    }

    fn judge(
        &mut self,
        spec: &JobSpec,
        ended: &Ended,
        run: AgentRun,
    ) -> Result<EngineRun, Failure> {
        let (ended_by, exit) = (ended_by(ended.cause, run.phase), exit_of(ended));
        let started = run.started;
        let (run, verdict) = run.verdict(exit, ended_by);
        let overspent =
            self.record_run(spec, ended, ended_by, &run, &verdict).map_err(Failure::Unrecorded)?;
        if verdict.session_gone && run.resumed.is_some() && overspent.is_none() {
            return Ok(EngineRun::SessionGone);
        }
        self.last_command.lacked_session = verdict.session_gone;
        let changes = self.save_work();
        if let Some(why) = overspent {
            return Err(Failure::Final(Outcome::BudgetExceeded, why));
        }
        let fault = |work: &Self| work.engine_fault(spec, &run, &verdict);
        match ended.cause {
            // Whether a person wants its end is asked for every failure.
            Cause::Stopped(_) => return Err(fault(self).unwrap_or(Failure::Stopped)),
            Cause::Deadline if ended_by == EndedBy::Aq => {
                let timed_out = self.timed_out(spec.timeout);
                return Err(fault(self).unwrap_or(timed_out));
            }
            _ => {}
        }
        if let Some(failure) = met_file_limit(ended) {
            return Err(failure);
        }
        if verdict.success {
            // What is known of the engine is not worth a job's failure.
            let _ = engine_use::note_success(self.queue, &self.settings, &run.engine, started);
            return self.judge_changes(spec, changes).map(|()| EngineRun::Judged);
        }
        if verdict.ended_otherwise && spec.verify.is_some() {
            let why = verdict.why.as_deref().unwrap_or_default();
            self.note(&format!("warning: {why}; `verify` decides"));
            return self.judge_changes(spec, changes).map(|()| EngineRun::Judged);
        }
        if let Some(fault) = fault(self) {
            return Err(fault);
        }
        Err(Failure::Class(FailureClass::Crash, verdict.why.unwrap_or_default()))
    }

    /// The failure of a run that met a limit, or something that a person has to mend. Notes that of
    /// the engine.
    fn engine_fault(&self, spec: &JobSpec, run: &AgentRun, verdict: &Verdict) -> Option<Failure> {
        let error = verdict.error.as_ref().filter(|error| error.class.ends_run_uncounted())?;
        // A model or an argument of the job's own may be what is wrong: no reason to keep every
        // other job from the engine.
        if error.class == ErrorClass::Config && spec.chooses_engine_details() {
            return None;
        }
        let (settings, now) = (&self.settings, Timestamp::now());
        let noted = engine_use::note_fault(self.queue, settings, &run.engine, verdict, error, now);
        Some(noted.map_or_else(|e| Failure::NotCounted(e.to_string()), Failure::NoEngineNow))
    }

    /// Records what the run came to. Answers why it went over its budget, if it did.
    fn record_run(
        &mut self,
        spec: &JobSpec,
        ended: &Ended,
        ended_by: EndedBy,
        run: &AgentRun,
        verdict: &Verdict,
    ) -> Result<Option<String>, StoreError> {
        let exit = match ended.status {
            Some(Status::Exited(code)) => code.to_string(),
            Some(Status::Signaled(signal)) => format!("signal {signal}"),
            None => "none".to_owned(),
        };
        let denials = Some(verdict.permission_denials).filter(|&n| n > 0);
        if let Some(denials) = denials {
            self.note(&format!("warning: the engine refused {denials} tool calls for lack of permission; `yolo: true` allows them"));
        }
        let settled = run.settle(&self.settings, verdict);
        let windows = [verdict.windows.clone(), settled.windows.clone()].concat();
        // What is known of the account is not worth a job's failure.
        let _ = engine_use::note_windows(self.queue, &self.settings, &run.engine, windows);
        let session = next_session(run.resumed.as_deref(), verdict, ended_by);
        let model = verdict.model.as_ref().or(settled.model.as_ref());
        let record = RecordUpdate::new()
            .set(RecordKey::Exit, exit)
            .set(RecordKey::DurationS, format_args!("{:.3}", ended.duration.as_secs_f64()))
            .set(RecordKey::PermissionDenials, denials.map_or(String::new(), |n| n.to_string()))
            .set(RecordKey::SessionId, session.as_deref().unwrap_or_default())
            .set(RecordKey::SessionEngine, session.as_ref().map_or("", |_| run.engine.as_str()))
            .set(
                RecordKey::SessionFeedback,
                run.feedback.as_deref().filter(|_| session.is_some()).unwrap_or_default(),
            )
            .set(
                RecordKey::EngineError,
                verdict.error.as_ref().map_or(String::new(), |e| e.class.to_string()),
            )
            .set_some(RecordKey::Model, model);
        let record = record.followed_by(usage_record(self.job.meta(), &settled, ended));
        self.retry_on_full_disk(|work| work.job.append(&record))?;
        let turns = verdict.turns.map(u64::from);
        Ok(over_budget(&spec.budget, &settled.run, turns))
    }

    fn engine_gone(&self, engine: &str, why: String) -> Failure {
        let missing = self.settings.engines.binary(engine).and_then(Result::err);
        let seen = Sightings::read(self.queue);
        let lack = missing.and_then(|missing| seen.lack(&self.settings, engine, &missing));
        lack.map_or(Failure::Final(Outcome::NoEngine, why), Failure::Host)
    }

    fn engine_command(
        &self,
        engine: &str,
        file: &JobFile,
        scratch: &Path,
        feedback: Option<&str>,
    ) -> Result<EngineCommand, Failure> {
        let spec = &file.spec;
        let session = self.resumable(engine);
        let invocation = Invocation {
            prompt: &file.body,
            persona: spec.persona.as_deref(),
            feedback,
            model: spec.model.as_deref(),
            args: &spec.args,
            yolo: spec.yolo,
            session: session.as_deref(),
            scratch,
            is_root: nix::unistd::geteuid().is_root(),
        };
        self.settings.engines.command(engine, &invocation).map_err(|e| {
            match self.settings.engines.installed(engine) {
                // It was there when the loop looked.
                None => self.engine_gone(engine, e.to_string()),
                Some(_) => Failure::Final(Outcome::SetupFailed, e.to_string()),
            }
        })
    }
}
