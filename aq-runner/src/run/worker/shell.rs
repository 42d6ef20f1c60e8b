//! The job file's own commands: `setup` before the agent, `verify` after it.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{FailureClass, JobSpec, Outcome, format_duration};

use crate::feedback::OutputSource;
use crate::process::{Cause, Ended, Status};

use super::command::met_file_limit;
use super::wip::Workplace;
use super::{Failure, Work, host_or};

impl Work<'_> {
    /// Runs `verify` where the agent worked. Answers whether there is one.
    pub(super) fn verify(&mut self, spec: &JobSpec) -> Result<bool, Failure> {
        let Some(verify) = &spec.verify else { return Ok(false) };
        let failed = |why: String| Failure::Class(FailureClass::VerifyFailed, why);
        let cwd = self.workplace(spec)?;
        let scratch = self.scratch()?;
        let env = self.env(spec, &[], &scratch).map_err(failed)?;
        self.setup(spec, &cwd, &env)?;
        self.note("verify");
        self.touch_workplace();
        let ended = self.shell(OutputSource::Verify, verify, spec, &cwd, &env)?;
        self.shell_verdict("verify", spec, &ended).map(|()| true).map_err(failed)
    }

    /// Runs `setup`, when there is one and the directory has not seen it.
    pub(super) fn setup(
        &mut self,
        spec: &JobSpec,
        cwd: &Path,
        env: &[(OsString, OsString)],
    ) -> Result<(), Failure> {
        let Some(setup) = &spec.setup else { return Ok(()) };
        if self.job.meta().get(RecordKey::SetupDone).is_some() {
            return Ok(());
        }
        self.note("setup");
        let ended = self.shell(OutputSource::Setup, setup, spec, cwd, env)?;
        self.shell_verdict("setup", spec, &ended)
            .map_err(|why| Failure::Final(Outcome::SetupFailed, why))?;
        if let Some(wip) = self.place.as_ref().and_then(Workplace::wip)
            && let Err(e) = wip.note_setup()
        {
            self.note(&format!("warning: what `setup` made counts as the agent's: {e}"));
        }
        let record = RecordUpdate::new().set(RecordKey::SetupDone, 1);
        let done = self.retry_on_full_disk(|work| work.job.append(&record));
        done.map_err(|e| host_or(&e, Failure::NotCounted))
    }

    /// Runs a command of the job file through the shell.
    fn shell(
        &mut self,
        source: OutputSource,
        command: &str,
        spec: &JobSpec,
        cwd: &Path,
        env: &[(OsString, OsString)],
    ) -> Result<Ended, Failure> {
        let args = vec!["-c".into(), command.into()];
        let task = self.task("/bin/sh".into(), args, cwd, env.to_vec(), spec.timeout);
        let ended = self.supervise(source, task, None)?;
        if let Cause::Stopped(_) = ended.cause {
            return Err(Failure::Stopped);
        }
        met_file_limit(&ended).map_or(Ok(ended), Err)
    }

    fn shell_verdict(&mut self, what: &str, spec: &JobSpec, ended: &Ended) -> Result<(), String> {
        match (ended.cause, ended.status) {
            (Cause::Deadline, _) => {
                self.timed_out(spec.timeout);
                Err(format!(
                    "{what} did not end within {}",
                    spec.timeout.map_or_else(String::new, format_duration)
                ))
            }
            (_, Some(Status::Exited(0))) => Ok(()),
            (_, Some(Status::Exited(code))) => Err(format!("{what} exited with {code}")),
            (_, Some(Status::Signaled(signal))) => {
                Err(format!("{what} was killed by signal {signal}"))
            }
            (_, None) => Err(format!("{what} did not end")),
        }
    }

    pub(super) fn timed_out(&mut self, timeout: Option<Duration>) -> Failure {
        let limit = timeout.map_or_else(String::new, format_duration);
        self.note(&format!("TIMED OUT after {limit}"));
        Failure::Class(FailureClass::Timeout, format!("timed out after {limit}"))
    }
}
