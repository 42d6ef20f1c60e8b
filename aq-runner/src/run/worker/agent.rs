//! The agent's part of a job: the engine is run, and its run is judged.

use std::path::Path;

use aq_manifest::{FailureClass, JobSpec, Outcome};

use crate::engine::{EndedBy, EngineCommand, Exit, Invocation, Records, Verdict};
use crate::process::{Cause, Ended, Status, Stdin, Task};
use crate::store::{JobFile, Record, StoreError, make_scratch, write_private};

use super::super::agent_env::EngineEnv;
use super::{Failure, Work};

impl Work<'_> {
    /// Prepares the ground, runs the engine and judges the run.
    pub(super) fn agent(&mut self, file: &JobFile) -> Result<(), Failure> {
        let spec = &file.spec;
        let setup_failed = |why: String| Failure::Final(Outcome::SetupFailed, why);
        let cwd = self.workplace(spec)?;
        let scratch = make_scratch(self.queue, self.job.id())
            .map_err(|e| Failure::NotCounted(format!("cannot make its TMPDIR: {e}")))?;
        let engine = self.job.meta().get("engine").unwrap_or_default().to_owned();
        let command = self.engine_command(&engine, file, &scratch)?;
        let engine_env = EngineEnv { remove: &command.env_remove, set: &command.env_set };
        let env = self.env(spec, engine_env, &scratch).map_err(setup_failed)?;
        let max = spec.retry.as_ref().map_or(1, |retry| retry.max);
        self.note(&format!(
            "attempt {} of {max}, engine {engine}, in {}",
            self.attempt,
            cwd.display()
        ));
        let is_fresh = self.place.as_ref().is_some_and(|place| place.fresh);
        if let Some(setup) = &spec.setup
            && (is_fresh || self.job.meta().get("setup_done").is_none())
        {
            self.setup(setup, spec, &cwd, &env)?;
        }
        for file in &command.files {
            write_private(&file.path, &file.content, file.mode).map_err(|e| {
                Failure::NotCounted(format!("cannot write {}: {e}", file.path.display()))
            })?;
        }
        let mut records =
            self.settings.engines.records(&engine).map_err(|e| setup_failed(e.to_string()))?;
        let task = self.task(command.program.into(), command.args, &cwd, env, spec.timeout);
        let task = Task { stdin: command.stdin.map_or(Stdin::Null, Stdin::Bytes), ..task };
        let ended = self.supervise(task, Some(&mut records))?;
        self.judge(spec, &ended, records)
    }

    fn judge(&mut self, spec: &JobSpec, ended: &Ended, records: Records) -> Result<(), Failure> {
        let ended_by = match ended.cause {
            Cause::ByItself => EndedBy::Engine,
            Cause::ResultGrace => EndedBy::ResultGrace,
            Cause::Deadline | Cause::Stopped(_) | Cause::Observer => EndedBy::Aq,
        };
        let exit = match ended.status {
            Some(Status::Exited(code)) => Exit::Code(code),
            Some(Status::Signaled(signal)) => Exit::Signal(signal),
            None => Exit::Signal(nix::libc::SIGKILL),
        };
        let verdict = records.verdict(exit, ended_by);
        self.record_run(ended, &verdict).map_err(|e| Failure::NotCounted(e.to_string()))?;
        let changes = self.save_work();
        match ended.cause {
            Cause::Stopped(_) => Err(Failure::Stopped),
            Cause::Deadline => Err(self.timed_out(spec.timeout)),
            _ if verdict.success => match changes {
                Some(changes) => self.judge_changes(spec, &changes),
                None => Ok(()),
            },
            _ => Err(Failure::Class(FailureClass::Crash, verdict.why.unwrap_or_default())),
        }
    }

    fn record_run(&mut self, ended: &Ended, verdict: &Verdict) -> Result<(), StoreError> {
        let exit = match ended.status {
            Some(Status::Exited(code)) => code.to_string(),
            Some(Status::Signaled(signal)) => format!("signal {signal}"),
            None => "none".to_owned(),
        };
        let denials = Some(verdict.permission_denials).filter(|&n| n > 0);
        if let Some(denials) = denials {
            self.note(&format!("warning: the engine refused {denials} tool calls for lack of permission; `yolo: true` allows them"));
        }
        let record = Record::new()
            .set("exit", exit)
            .set("duration_s", format_args!("{:.3}", ended.duration.as_secs_f64()))
            .set("permission_denials", denials.map_or(String::new(), |n| n.to_string()))
            .set_some("session_id", verdict.session_id.as_deref())
            .set_some("model", verdict.model.as_deref());
        self.retry_on_full_disk(|work| work.job.append(&record))
    }

    fn engine_command(
        &self,
        engine: &str,
        file: &JobFile,
        scratch: &Path,
    ) -> Result<EngineCommand, Failure> {
        let spec = &file.spec;
        let invocation = Invocation {
            prompt: &file.body,
            persona: spec.persona.as_deref(),
            model: spec.model.as_deref(),
            args: &spec.args,
            yolo: spec.yolo,
            session: None,
            scratch,
            is_root: nix::unistd::geteuid().is_root(),
        };
        self.settings.engines.command(engine, &invocation).map_err(|e| {
            Failure::Final(
                if self.settings.engines.installed(engine).is_none() {
                    Outcome::NoEngine
                } else {
                    Outcome::SetupFailed
                },
                e.to_string(),
            )
        })
    }
}
