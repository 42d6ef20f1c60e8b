//! Running one command of a job: where, with which environment, and where its output goes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aq_ledger::steps::NoteSession;
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{JobSpec, Outcome};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::RunPhase;
use crate::feedback::{OutputSource, OutputTail};
use crate::process::{
    Cgroup, Drain, Ended, Flow, Observer, Status, Stdin, Stream, SuperviseError, Task,
    has_file_limit,
};
use crate::store::HeldJob;

use super::super::agent_env::{Identity, TakenOut, agent_env};
use super::super::engine_phase::RunPatience;
use super::super::host_lack::{lack_of_io, limited_files};
use super::super::job_log::JobLog;
use super::super::workplace::present_cwd;
use super::feedback::LastCommand;
use super::usage::AgentRun;
use super::wip::Workplace;
use super::{Failure, Work, host_or};

/// A command that has run for this long is worth a control group.
const SETTLE: Duration = Duration::from_secs(1);

impl Work<'_> {
    pub(super) fn task(
        &self,
        program: OsString,
        args: Vec<OsString>,
        cwd: &Path,
        env: Vec<(OsString, OsString)>,
        deadline: Option<Duration>,
    ) -> Task {
        let grace = self.settings.kill_grace;
        Task {
            program,
            args,
            cwd: cwd.to_owned(),
            env,
            stdin: Stdin::Null,
            deadline,
            settle: Some(SETTLE),
            grace,
            drain: Drain::default(),
        }
    }

    pub(super) fn supervise(
        &mut self,
        source: OutputSource,
        task: Task,
        run: Option<&mut AgentRun>,
    ) -> Result<Ended, Failure> {
        let mut tee = Tee {
            log: &mut self.log,
            run,
            tail: OutputTail::default(),
            patience: RunPatience {
                grace: self.settings.result_grace,
                longest_wait: self.settings.longest_wait,
            },
            session_noted: false,
            job: &mut self.job,
            cgroup: &mut self.cgroup,
        };
        let ended = self.supervisor.run(task, &mut tee);
        let output = tee.tail;
        self.log.command_ended(Timestamp::now());
        let status = ended.as_ref().ok().and_then(|ended| ended.status);
        self.last_command = LastCommand::new(source, output, status);
        let ended = ended.map_err(|e| cannot_start(&e))?;
        if ended.survivors_killed > 0 {
            let what = if ended.survivors_killed == 1 { "process" } else { "processes" };
            self.note(&format!("ended {} {what} that it had left running", ended.survivors_killed));
        }
        if ended.left > 0 {
            self.note(&format!("warning: {} processes of it could not be ended", ended.left));
        }
        Ok(ended)
    }

    pub(super) fn env(
        &self,
        spec: &JobSpec,
        engine: &[(OsString, OsString)],
        scratch: &Path,
    ) -> Result<Vec<(OsString, OsString)>, String> {
        let identity = Identity {
            id: self.job.id(),
            attempt: self.attempt,
            queue: self.queue.root(),
            scratch,
        };
        let taken_out = TakenOut {
            deny: &self.settings.config.env_deny,
            of_engines: self.settings.engines.child_env(),
        };
        agent_env(&self.settings.environment, taken_out, engine, &spec.env, identity)
            .map_err(|e| e.to_string())
    }

    /// The directory in which the job works, made ready when it is not. Where the agent has removed it, it
    /// comes out of the branch again.
    pub(super) fn workplace(&mut self, spec: &JobSpec) -> Result<PathBuf, Failure> {
        if self.place.as_ref().is_some_and(Workplace::is_lost) {
            self.note("its directory is gone, and is made anew from its branch");
            self.place = None;
        }
        if self.place.is_none() {
            let cwd = self.cwd()?;
            self.take_workplace(spec, &cwd)?;
        }
        Ok(self.place.as_ref().map(|place| place.dir.clone()).unwrap_or_default())
    }

    fn cwd(&self) -> Result<PathBuf, Failure> {
        let cwd = present_cwd(self.queue, self.job.meta());
        match cwd.metadata() {
            Ok(about) if about.is_dir() => return Ok(cwd),
            Err(e) => {
                let why = format!("cannot look at {}: {e}", cwd.display());
                if let Some(lack) = lack_of_io(&e, &why) {
                    return Err(Failure::Host(lack));
                }
            }
            Ok(_) => {}
        }
        let why = format!(
            "its directory {} is not there; make it, or correct `cwd`, then `aq requeue {}`",
            cwd.display(),
            self.job.id()
        );
        Err(Failure::Final(Outcome::SetupFailed, why))
    }
}

fn cannot_start(error: &SuperviseError) -> Failure {
    host_or(error, |why| Failure::Final(Outcome::SetupFailed, why))
}

/// Failure of a command that met the limit of file sizes under which its supervisor runs, too: not
/// one that the job has set for itself.
pub(super) fn met_file_limit(ended: &Ended) -> Option<Failure> {
    let signal = nix::libc::SIGXFSZ;
    // A shell answers with the signal of its last command.
    let met = matches!(ended.status, Some(Status::Signaled(n)) if n == signal)
        || matches!(ended.status, Some(Status::Exited(code)) if code == 128 + signal);
    (met && has_file_limit()).then(|| {
        let words = "the run loop has a limit on the size of files, and the job met it (SIGXFSZ): \
                     start the loop without `ulimit -f`";
        Failure::Host(limited_files(words))
    })
}

/// Sends what a program prints to the log and to the engine's reader.
struct Tee<'a> {
    log: &'a mut JobLog,
    run: Option<&'a mut AgentRun>,
    tail: OutputTail,
    patience: RunPatience,
    session_noted: bool,
    job: &'a mut HeldJob,
    cgroup: &'a mut Option<Cgroup>,
}

impl Observer for Tee<'_> {
    fn output(&mut self, stream: Stream, chunk: &[u8]) -> Flow {
        self.log.raw(chunk);
        self.tail.push(chunk);
        let Some(run) = self.run.as_deref_mut() else { return Flow::Continue };
        let Some(records) = &mut run.records else { return Flow::Continue };
        match stream {
            Stream::Stdout => records.stdout(chunk),
            Stream::Stderr => records.stderr(chunk),
        }
        if records.session_id().is_some() && !self.session_noted {
            // At once, so that a killed run can be resumed. A full disk is no reason to end it.
            self.session_noted = true;
            let note = NoteSession {
                session: records.session_id().unwrap_or_default(),
                engine: &run.engine,
                feedback: run.feedback.as_deref(),
            };
            let _ = self.job.step(&note, Timestamp::now());
        }
        if records.is_ending() {
            // A final event is its answer to that, and does not make it an end in time.
            return Flow::Continue;
        }
        let phase =
            records.phase(self.patience.longest_wait, Timestamp::now(), &TimeZone::system());
        let changed = std::mem::replace(&mut run.phase, phase) != phase;
        let flow = if changed { self.patience.flow(phase) } else { Flow::Continue };
        // What it has used up to its last word counts afterwards.
        let is_final = changed && matches!(phase, RunPhase::Done { .. });
        if !is_final && run.is_over_budget() { Flow::End } else { flow }
    }

    fn ending(&mut self) {
        if let Some(records) = self.run.as_deref_mut().and_then(|run| run.records.as_mut()) {
            records.ending();
        }
    }

    fn settled(&mut self) {
        if self.cgroup.is_none() {
            *self.cgroup = Cgroup::enter(self.job.id().as_str());
            if let Some(group) = self.cgroup {
                // Not on record, it is of no use; a full disk is no reason to end the job.
                let _ = self
                    .job
                    .append(&RecordUpdate::new().set(RecordKey::Cgroup, group.path().display()));
            }
        }
    }
}
