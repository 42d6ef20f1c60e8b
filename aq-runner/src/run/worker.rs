//! The worker: the supervisor process of one job. The loop starts it and forgets it; what it
//! learns goes to the queue's files, so the loop can die at any time.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aq_manifest::{FailureClass, JobId, JobSpec, Outcome, ReviewPolicy, Stage, format_duration};
use aq_scheduler::{AfterFailure, after_failure};
use jiff::{SignedDuration, Timestamp};

use crate::engine::{EndedBy, EngineCommand, Exit, Invocation, Records, Verdict};
use crate::process::{
    Cause, Cgroup, Drain, Ended, Flow, Observer, ProcessId, Status, Stdin, Stream, SuperviseError,
    Supervisor, Task,
};
use crate::store::{
    FileLock, HeldJob, JobFile, Promise, QueueDir, Record, StoreError, load, read_text,
};

use super::agent_env::{EngineEnv, Identity, agent_env};
use super::job_log::JobLog;
use super::recovery::{WORKER_KEYS, clear_scratch};
use super::settings::{Environment, Settings};
use super::stop::StopRequest;

/// The pause before a job that could not start through no fault of its own is tried again.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// The pause before a full disk is tried again.
const ROOM_PAUSE: Duration = Duration::from_secs(2);

/// A worker that could not do its work at all. The loop's recovery takes care of the job.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process could not become a supervisor.
    #[error("cannot supervise: {0}")]
    Supervise(#[from] io::Error),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Works on one job until it has left `building/` (or, when it lies in `review/`, until `verify`
/// has judged it). To be called first thing in a process of its own, with one thread, that was
/// started by a run loop, which hands the job over on standard input.
///
/// # Errors
/// When nothing could be done and recovery has to see to the job.
pub fn work(queue: &QueueDir, id: &JobId, environment: Environment) -> Result<(), WorkerError> {
    let supervisor = Supervisor::install()?;
    let me = ProcessId::current()?;
    let mut job = HeldJob::inherit(queue, id)?;
    let cgroup = Cgroup::enter(id.as_str());
    let record =
        Record::new().set("pid", me.pid()).set("pidstart", me.start()).set("boot", me.boot());
    let record = record.set_some("cgroup", cgroup.as_ref().map(|group| group.path().display()));
    job.append(&record.set("started_at", Timestamp::now()))?;
    let settings = match Settings::load(queue, environment) {
        Ok(settings) => settings,
        Err(e) => return give_back(&mut job, &e.to_string()).map_err(WorkerError::from),
    };
    let log = match JobLog::open(&queue.log(id)) {
        Ok(log) => log,
        Err(e) => {
            return give_back(&mut job, &format!("cannot open its log: {e}"))
                .map_err(WorkerError::from);
        }
    };
    let attempt = job.meta().count("attempt").max(1);
    let mut work = Work { queue, settings, supervisor, job, log, attempt };
    let done = work.run();
    clear_scratch(queue, id);
    if let Some(cgroup) = cgroup {
        // One that cannot be removed is empty, and harms nobody.
        let _ = cgroup.leave();
    }
    Ok(done?)
}

/// Puts a job back that could not start; the attempt does not count. One that lies in review/
/// stays there: only its `verify` could not start.
fn give_back(job: &mut HeldJob, why: &str) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let next = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
    let record = Record::new().set("ended_at", now).set("next_eligible", next).set("message", why);
    let record = record.clear(WORKER_KEYS);
    match job.stage() {
        Stage::Review => job.append(&record),
        _ => job.move_to(Stage::Inbox, record, Promise::None),
    }
}

struct Work<'a> {
    queue: &'a QueueDir,
    settings: Settings,
    supervisor: Supervisor,
    job: HeldJob,
    log: JobLog,
    attempt: u32,
}

/// Why an attempt, or the judgement of one, ended without success.
enum Failure {
    /// Of a class that `retry` can name.
    Class(FailureClass, String),
    /// For good, whatever `retry` says.
    Final(Outcome, String),
    /// The supervisor was told to stop.
    Stopped,
    /// Not the job's fault: it goes back and the attempt does not count.
    NotCounted(String),
}

impl Work<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let file = match self.read_file() {
            Ok(file) => file,
            Err(failure) => return self.fail(None, failure),
        };
        let Some(_lock) = self.lock()? else {
            let why = "another run loop has its lock";
            return self.fail(Some(&file.spec), Failure::NotCounted(why.to_owned()));
        };
        if self.job.stage() == Stage::Building {
            if let Err(failure) = self.agent(&file) {
                return self.fail(Some(&file.spec), failure);
            }
            let record = Record::new()
                .set("ended_at", Timestamp::now())
                .set("recoveries", 0)
                .set("attempts", self.attempt);
            if file.spec.review_policy == ReviewPolicy::Human {
                return self.move_to(Stage::Review, record.clear(WORKER_KEYS));
            }
            // The worker stays named: when it dies in `verify`, there is something to end.
            self.move_to(Stage::Review, record)?;
        }
        match self.verify(&file.spec) {
            Ok(()) => {
                let record = Record::new()
                    .set("result", Outcome::Success)
                    .set("verified_at", Timestamp::now());
                self.move_to(
                    Stage::Testing,
                    record.clear(WORKER_KEYS).clear(&["failure_class", "message"]),
                )
            }
            Err(failure) => self.fail(Some(&file.spec), failure),
        }
    }

    fn read_file(&self) -> Result<JobFile, Failure> {
        let path = self.queue.job_file(self.job.stage(), self.job.id());
        let invalid = |problem: String| Failure::Final(Outcome::InvalidManifest, problem);
        let text =
            read_text(&path).map_err(|e| invalid(format!("cannot read the job file: {e}")))?;
        load(self.queue.profiles(), &path.display().to_string(), &text, false)
            .map_err(|e| invalid(e.summary))
    }

    /// Even two loops on one queue must not run two jobs of one lock.
    fn lock(&self) -> Result<Option<Option<FileLock>>, StoreError> {
        match self.job.meta().get("lock") {
            None => Ok(Some(None)),
            Some(key) => Ok(FileLock::lock_key(self.queue, key)?.map(Some)),
        }
    }

    /// Prepares the ground, runs the engine and judges the run.
    fn agent(&mut self, file: &JobFile) -> Result<(), Failure> {
        let spec = &file.spec;
        let setup_failed = |why: String| Failure::Final(Outcome::SetupFailed, why);
        StopRequest::of(self.queue, self.job.id())
            .is_made()
            .then_some(())
            .map_or(Ok(()), |()| Err(Failure::Stopped))?;
        let cwd = self.cwd().map_err(setup_failed)?;
        let scratch = self
            .make_scratch()
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
        if let Some(setup) = &spec.setup
            && self.job.meta().get("setup_done").is_none()
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
        match ended.cause {
            Cause::Stopped(_) => Err(Failure::Stopped),
            Cause::Deadline => Err(self.timed_out(spec.timeout)),
            _ if verdict.success => Ok(()),
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
        self.job.append(&record)
    }

    /// Runs `verify`, when there is one, where the agent worked.
    fn verify(&mut self, spec: &JobSpec) -> Result<(), Failure> {
        let Some(verify) = &spec.verify else { return Ok(()) };
        let failed = |why: String| Failure::Class(FailureClass::VerifyFailed, why);
        let cwd = self.cwd().map_err(failed)?;
        let scratch =
            self.make_scratch().map_err(|e| failed(format!("cannot make its TMPDIR: {e}")))?;
        let env = self.env(spec, EngineEnv::default(), &scratch).map_err(failed)?;
        self.note("verify");
        let ended = self.shell(verify, spec, &cwd, &env)?;
        self.shell_verdict("verify", spec, &ended).map_err(failed)
    }

    fn setup(
        &mut self,
        setup: &str,
        spec: &JobSpec,
        cwd: &Path,
        env: &[(OsString, OsString)],
    ) -> Result<(), Failure> {
        self.note("setup");
        let ended = self.shell(setup, spec, cwd, env)?;
        self.shell_verdict("setup", spec, &ended)
            .map_err(|why| Failure::Final(Outcome::SetupFailed, why))?;
        let done = self.job.append(&Record::new().set("setup_done", 1));
        done.map_err(|e| Failure::NotCounted(e.to_string()))
    }

    /// Runs a command of the job file through the shell.
    fn shell(
        &mut self,
        command: &str,
        spec: &JobSpec,
        cwd: &Path,
        env: &[(OsString, OsString)],
    ) -> Result<Ended, Failure> {
        let args = vec!["-c".into(), command.into()];
        let task = self.task("/bin/sh".into(), args, cwd, env.to_vec(), spec.timeout);
        let ended = self.supervise(task, None)?;
        if let Cause::Stopped(_) = ended.cause { Err(Failure::Stopped) } else { Ok(ended) }
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

    fn timed_out(&mut self, timeout: Option<Duration>) -> Failure {
        let limit = timeout.map_or_else(String::new, format_duration);
        self.note(&format!("TIMED OUT after {limit}"));
        Failure::Class(FailureClass::Timeout, format!("timed out after {limit}"))
    }

    fn task(
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
            grace,
            drain: Drain::default(),
        }
    }

    fn supervise(&mut self, task: Task, records: Option<&mut Records>) -> Result<Ended, Failure> {
        let mut tee =
            Tee { log: &mut self.log, records, grace: self.settings.result_grace, done: false };
        let ended = self.supervisor.run(task, &mut tee).map_err(|e| cannot_start(&e))?;
        if ended.survivors_killed > 0 {
            let what = if ended.survivors_killed == 1 { "process" } else { "processes" };
            self.note(&format!("ended {} {what} that it had left running", ended.survivors_killed));
        }
        if ended.left > 0 {
            self.note(&format!("warning: {} processes of it could not be ended", ended.left));
        }
        Ok(ended)
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

    fn env(
        &self,
        spec: &JobSpec,
        engine: EngineEnv<'_>,
        scratch: &Path,
    ) -> Result<Vec<(OsString, OsString)>, String> {
        let identity = Identity {
            id: self.job.id(),
            attempt: self.attempt,
            queue: self.queue.root(),
            scratch,
        };
        let deny = &self.settings.config.env_deny;
        agent_env(&self.settings.environment, deny, engine, &spec.env, identity)
            .map_err(|e| e.to_string())
    }

    fn cwd(&self) -> Result<PathBuf, String> {
        let cwd = self.job.meta().get("cwd").map(PathBuf::from).unwrap_or_default();
        if cwd.is_dir() {
            return Ok(cwd);
        }
        Err(format!(
            "its directory {} is not there; make it, or correct `cwd`, then `aq requeue {}`",
            cwd.display(),
            self.job.id()
        ))
    }

    fn make_scratch(&self) -> io::Result<PathBuf> {
        clear_scratch(self.queue, self.job.id());
        let scratch = self.queue.scratch(self.job.id());
        std::fs::DirBuilder::new().mode(0o700).create(&scratch)?;
        Ok(scratch)
    }

    /// The end of an attempt that did not go well.
    fn fail(&mut self, spec: Option<&JobSpec>, failure: Failure) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let base =
            Record::new().set("ended_at", now).set("attempts", self.attempt).set("recoveries", 0);
        let base = base.clear(WORKER_KEYS);
        match failure {
            Failure::NotCounted(why) => {
                self.note(&format!("not started: {why}"));
                self.retry_on_full_disk(|work| give_back(&mut work.job, &why))
            }
            Failure::Final(outcome, why) => {
                self.note(&format!("failed: {outcome}: {why}"));
                self.move_to(Stage::Failed, base.set("result", outcome).set("message", why))
            }
            Failure::Stopped => self.stopped(base),
            Failure::Class(class, why) => {
                let base = base.set("failure_class", class).set("message", &why);
                match after_failure(spec.and_then(|s| s.retry.as_ref()), class, self.attempt, now) {
                    AfterFailure::Requeue { not_before } => {
                        self.note(&format!(
                            "failed: {class}: {why}; next attempt at {not_before:.0}"
                        ));
                        self.move_to(Stage::Inbox, base.set("next_eligible", not_before))
                    }
                    AfterFailure::Exhausted => {
                        self.note(&format!("failed: {class}: {why}; no attempt is left"));
                        self.move_to(Stage::Failed, base.set("result", Outcome::RetriesExhausted))
                    }
                    AfterFailure::NotRetried => {
                        self.note(&format!("failed: {class}: {why}"));
                        self.move_to(Stage::Failed, base.set("result", Outcome::from(class)))
                    }
                }
            }
        }
    }

    /// A person stopped this job, or something else this process (the host goes down, `aq stop
    /// --all`): then the job goes on later.
    fn stopped(&mut self, base: Record) -> Result<(), StoreError> {
        let request = StopRequest::of(self.queue, self.job.id());
        if request.is_made() {
            self.note("stopped by a person");
            let record = base.set("result", Outcome::Stopped).set("message", "stopped by a person");
            self.move_to(Stage::Failed, record)?;
            request.withdraw();
            return Ok(());
        }
        self.note("interrupted");
        if self.job.stage() == Stage::Review {
            // The agent's work is accepted; `verify` runs again.
            return self.job.append(&Record::new().clear(WORKER_KEYS));
        }
        self.move_to(Stage::Inbox, base.set("message", "interrupted"))
    }

    fn move_to(&mut self, to: Stage, record: Record) -> Result<(), StoreError> {
        let lost = self.log.failure().map(|e| format!("a part of its log is missing: {e}"));
        let record = record.set_some("log_incomplete", lost);
        self.retry_on_full_disk(|work| work.job.move_to(to, record.clone(), Promise::None))
    }

    /// How a job ended is worth waiting for: on a full disk this tries until there is room.
    fn retry_on_full_disk(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            match step(self) {
                Err(StoreError::Io { source, .. })
                    if is_full(&source) && self.supervisor.stop_requested().is_none() =>
                {
                    std::thread::sleep(ROOM_PAUSE);
                }
                other => return other,
            }
        }
    }

    fn note(&mut self, text: &str) {
        self.log.note(Timestamp::now(), text);
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn cannot_start(error: &SuperviseError) -> Failure {
    Failure::Final(Outcome::SetupFailed, error.to_string())
}

fn write_private(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use io::Write;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)
}

/// Sends what a program prints to the log and to the engine's reader.
struct Tee<'a> {
    log: &'a mut JobLog,
    records: Option<&'a mut Records>,
    grace: Duration,
    done: bool,
}

impl Observer for Tee<'_> {
    fn output(&mut self, stream: Stream, chunk: &[u8]) -> Flow {
        self.log.raw(chunk);
        let Some(records) = self.records.as_deref_mut() else { return Flow::Continue };
        match stream {
            Stream::Stdout => records.stdout(chunk),
            Stream::Stderr => records.stderr(chunk),
        }
        if records.final_event().is_some() && !self.done {
            // Some engines send their last event and never exit.
            self.done = true;
            return Flow::EndAfter(self.grace);
        }
        Flow::Continue
    }
}
