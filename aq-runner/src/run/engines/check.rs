//! One short run of an engine, as a job would have it, to see whether it works.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as CommandStdio};
use std::time::Duration;

use aq_manifest::JobId;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::{
    CommandError, EndedBy, EngineInvocation, ErrorClass, EventReader, LeftBehind, NoSuchEngine,
    RunPhase, RunTokens, UsageWindow,
};
use crate::process::{
    CommandInput, DrainTimes, EndCause, ObserverVerdict, OutputObserver, OutputStream,
    ProcessSupervisor, SuperviseError, SupervisedCommand, survive_file_limit,
};
use crate::store::{QueueDir, write_private};

use crate::run::agent_command::agent_command;
use crate::run::agent_env::{AgentIdentity, TakenOut, agent_env};
use crate::run::engines::availability::{note_success, note_windows};
use crate::run::engines::phase::{RunPatience, ended_by, exit_of};
use crate::run::settings::QueueSettings;

/// The prompt of a check, and the script for an engine whose prompts are scripts.
const PROMPT: &str = "Answer with the word ready.";
const SCRIPT: &str = "echo ready";

/// Result of a check.
#[derive(Clone, Debug)]
pub struct EngineCheck {
    /// The engine.
    pub engine: String,
    /// The program that was started.
    pub program: PathBuf,
    /// Account that it works with, as limits are counted.
    pub account: String,
    /// The model, as far as the engine says it.
    pub model: Option<String>,
    /// The session, as far as the engine says it.
    pub session_id: Option<String>,
    /// Numbers of usage; one that is not known is absent.
    pub usage: RunTokens,
    /// From the start to the end of the program.
    pub duration: Duration,
    /// A job would have accepted this run.
    pub success: bool,
    /// It did not end within the time limit.
    pub timed_out: bool,
    /// Nothing but its exit code was looked at: it prints text, and not events.
    pub by_exit_code: bool,
    /// Reason for which it is no success, in one line.
    pub why: Option<String>,
    /// The class of its error, where its vendor says one.
    pub class: Option<ErrorClass>,
    /// The end of a limit that it met, where its vendor says one.
    pub resets_at: Option<Timestamp>,
    /// The windows of its account, as far as its vendor describes them.
    pub windows: Vec<UsageWindow>,
}

/// A check that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineCheckError {
    /// No engine of this name.
    #[error(transparent)]
    NoSuchEngine(#[from] NoSuchEngine),
    /// Its command cannot be built, such as for want of its program.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Its environment cannot be put together.
    #[error("{0}")]
    Environment(String),
    /// Its directories cannot be made, or this process not be made ready.
    #[error("cannot prepare the check: {0}")]
    Prepare(#[from] std::io::Error),
    /// It cannot be started or watched.
    #[error(transparent)]
    Start(#[from] SuperviseError),
    /// Somebody stopped the check.
    #[error("the check of {0} was stopped")]
    Stopped(String),
}

/// Gives an engine a prompt of one line in an empty repository, without `yolo`, and takes the same
/// path as a job: command, environment, supervision, records, verdict. A success ends a rest of the
/// engine in the queue. This process must have no other children.
///
/// # Errors
/// When the engine could not be run; that it failed is a result.
pub fn check_engine(
    queue: Option<&QueueDir>,
    settings: &QueueSettings,
    engine: &str,
    time_limit: Duration,
) -> Result<EngineCheck, EngineCheckError> {
    let place = tempfile::Builder::new().prefix("aq-check").tempdir()?;
    let [repository, scratch] = ["repository", "tmp"].map(|name| place.path().join(name));
    std::fs::create_dir(&repository)?;
    std::fs::create_dir(&scratch)?;
    let engines = &settings.engines;
    let invocation = EngineInvocation {
        prompt: if engines.runs_scripts(engine) { SCRIPT } else { PROMPT },
        persona: None,
        feedback: None,
        model: None,
        args: &[],
        yolo: false,
        session: None,
        scratch: &scratch,
        is_root: nix::unistd::geteuid().is_root(),
    };
    let mut command = engines.command(engine, &invocation)?;
    let records = engines.records_of(engine, &command)?;
    for file in &command.files {
        write_private(&file.path, &file.content, file.mode)?;
    }
    let env = environment(settings, &command.env_set, place.path(), &scratch)?;
    make_repository(&repository, &env);
    survive_file_limit()?;
    let mut supervisor = ProcessSupervisor::install()?;
    let started_program = command.program.clone();
    let (program, args) =
        agent_command(&mut command, None).map_err(EngineCheckError::Environment)?;
    let task = SupervisedCommand {
        program,
        args,
        cwd: repository,
        env,
        stdin: command.stdin.map_or(CommandInput::Null, CommandInput::Bytes),
        deadline: Some(time_limit),
        settle: None,
        grace: settings.kill_grace,
        drain: DrainTimes::default(),
    };
    let started = Timestamp::now();
    let mut reader = OutputReader {
        records,
        patience: RunPatience { grace: settings.result_grace, longest_wait: settings.longest_wait },
        phase: RunPhase::default(),
    };
    let ended = supervisor.run(task, &mut reader)?;
    if let EndCause::Stopped(_) = ended.cause {
        return Err(EngineCheckError::Stopped(engine.to_owned()));
    }
    let ended_by = ended_by(ended.cause, reader.phase);
    let verdict = reader.records.verdict(exit_of(&ended), ended_by);
    let env = |name: &str| settings.environment.get(name);
    let files = LeftBehind { usage_file: command.usage_file.as_deref(), env: &env, started };
    let settled = engines.usage(engine, &verdict, &files, None, None);
    let windows = [verdict.windows.clone(), settled.windows].concat();
    if let Some(queue) = queue {
        // What is known of the account is not worth a failure.
        let _ = note_windows(queue, settings, engine, windows.clone());
        if verdict.success {
            let _ = note_success(queue, settings, engine, started);
        }
    }
    let now = Timestamp::now();
    Ok(EngineCheck {
        engine: engine.to_owned(),
        program: started_program,
        account: engines.account(engine, &env).account,
        model: verdict.model.or(settled.model),
        session_id: verdict.session_id,
        usage: settled.run,
        duration: ended.duration,
        success: verdict.success,
        timed_out: ended.cause == EndCause::Deadline && ended_by == EndedBy::Aq,
        by_exit_code: !engines.prints_records(engine),
        why: verdict.why,
        class: verdict.error.as_ref().map(|error| error.class),
        resets_at: verdict.error.and_then(|error| error.resets_at(now, &TimeZone::system())),
        windows,
    })
}

/// That of a job, in a queue that is not there.
fn environment(
    settings: &QueueSettings,
    engine: &[(OsString, OsString)],
    queue: &Path,
    scratch: &Path,
) -> Result<Vec<(OsString, OsString)>, EngineCheckError> {
    let id = JobId::new("check").map_err(|e| EngineCheckError::Environment(e.to_string()))?;
    let identity = AgentIdentity { id: &id, attempt: 1, queue, scratch };
    let taken_out =
        TakenOut { deny: &settings.config.env_deny, of_engines: settings.engines.child_env() };
    agent_env(&settings.environment, taken_out, engine, &Default::default(), identity)
        .map_err(|e| EngineCheckError::Environment(e.to_string()))
}

/// Some engines want a repository. Without git they say so themselves.
fn make_repository(dir: &Path, env: &[(OsString, OsString)]) {
    let mut git = Command::new("git");
    git.args(["init", "-q"]).current_dir(dir).env_clear().envs(env.iter().cloned());
    let git = git.stdin(CommandStdio::null()).stdout(CommandStdio::null());
    let _ = git.stderr(CommandStdio::null()).status();
}

/// Feeds the records of the run, and ends it as a job's would be.
struct OutputReader {
    records: EventReader,
    patience: RunPatience,
    phase: RunPhase,
}

impl OutputObserver for OutputReader {
    fn output(&mut self, stream: OutputStream, chunk: &[u8]) -> ObserverVerdict {
        match stream {
            OutputStream::Stdout => self.records.stdout(chunk),
            OutputStream::Stderr => self.records.stderr(chunk),
        }
        if self.records.is_ending() {
            return ObserverVerdict::Continue;
        }
        let zone = TimeZone::system();
        let longest = self.patience.longest_wait;
        let phase = self.records.phase(longest, Timestamp::now(), &zone);
        match std::mem::replace(&mut self.phase, phase) == phase {
            true => ObserverVerdict::Continue,
            false => self.patience.flow(phase),
        }
    }

    fn ending(&mut self) {
        self.records.ending();
    }
}
