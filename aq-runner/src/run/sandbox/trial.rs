//! A box for trying out: as a job's would be that is added here.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use aq_sandbox::{
    BoxLaunch, BoxLevel, BoxReport, BoxSpec, HostList, HostListError, ItemState, KernelFeatures,
    LaunchError, PathAccess, PathPolicy, items, looks_secret, secret_places,
};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::io::retry_on_intr;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::disk::remove_tree;
use crate::run::agent_env::is_taken_out;
use crate::run::sandbox_config::in_home;
use crate::run::settings::QueueSettings;
use crate::store::QueueDir;

/// Wishes about a box, beside those of the config.
#[derive(Clone, Debug)]
pub struct SandboxWishes {
    /// The network only by the list of hosts.
    pub is_strict: bool,
    /// The weakest level that does.
    pub least: BoxLevel,
    /// Paths that are read, although they would be hidden.
    pub read: Vec<PathBuf>,
    /// Paths that are written.
    pub write: Vec<PathBuf>,
    /// Paths that are not seen.
    pub hide: Vec<PathBuf>,
    /// Variables that are passed on, although they look like secrets.
    pub variables: Vec<String>,
}

/// Reason why there is no box.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel gives less than is asked for.
    #[error("a sandbox of the level {wanted} cannot be had here, at most {had}: {why}")]
    Level {
        /// The weakest level that was asked for.
        wanted: BoxLevel,
        /// The strongest that there is.
        had: BoxLevel,
        /// The kernel's answer.
        why: String,
    },
    /// The list of hosts.
    #[error("sandbox.allow-hosts: {0}")]
    Hosts(#[from] HostListError),
    /// The box.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The box's directory, or its program.
    #[error("cannot {step}: {source}")]
    Io {
        /// The step.
        step: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// A box that is ready for its command.
#[derive(Debug)]
pub struct TrialBox {
    /// Its level.
    pub level: BoxLevel,
    /// What holds in it, and what does not.
    pub items: Vec<ItemState>,
    program: PathBuf,
    launch: BoxLaunch,
    variables: Vec<(OsString, OsString)>,
    /// Removed at the end, with what the command wrote below the home.
    dir: TempDir,
}

/// Prepares the box of a job that would be added in `cwd`: its checkout, or outside git the
/// directory itself, is written.
///
/// # Errors
/// The kernel does not give it, or a path cannot be used.
pub fn trial_box(
    queue: Option<&QueueDir>,
    settings: &QueueSettings,
    features: &KernelFeatures,
    program: &Path,
    cwd: &Path,
    wishes: &SandboxWishes,
) -> Result<TrialBox, SandboxError> {
    let level = features.level();
    if level < wishes.least {
        let why = features.why_not_full().unwrap_or_default();
        return Err(SandboxError::Level { wanted: wishes.least, had: level, why });
    }
    let dir = box_dir(queue)
        .map_err(|source| SandboxError::Io { step: "make a directory".to_owned(), source })?;
    let own_tmp = dir.path().join("tmp");
    fs::create_dir(&own_tmp)
        .map_err(|source| SandboxError::Io { step: "make a directory".to_owned(), source })?;
    let mut policy = policy(queue, settings, cwd, wishes);
    let mut variables = variables(settings, &wishes.variables);
    // At the level full the same directory is /tmp inside.
    let tmp = match level {
        BoxLevel::Full => PathBuf::from("/tmp"),
        _ => {
            policy = policy.with(&own_tmp, PathAccess::Write);
            own_tmp
        }
    };
    variables.push(("TMPDIR".into(), tmp.into()));
    let hosts = HostList::parse(&settings.config.sandbox.allow_hosts)?;
    let spec = BoxSpec {
        level,
        policy,
        cwd: cwd.to_owned(),
        hosts: wishes.is_strict.then_some(hosts),
        layers: Vec::new(),
        reports_writes: true,
        landlock_abi: None,
    };
    let launch = BoxLaunch::prepare(spec, dir.path())?;
    let items = items(level, features);
    Ok(TrialBox { level, items, program: program.to_owned(), launch, variables, dir })
}

impl TrialBox {
    /// Runs a command in the box, on the standard streams of this process, and waits for its end.
    ///
    /// # Errors
    /// The program that enters the box cannot be started.
    pub fn run(self, command: Vec<OsString>) -> Result<(ExitStatus, BoxReport), SandboxError> {
        let failed = |source| SandboxError::Io { step: "start the sandbox".to_owned(), source };
        let mut entering = Command::new(&self.program);
        entering.args(self.launch.arguments(command)).env_clear().envs(self.variables);
        let attendant = self.launch.attend().map_err(failed)?;
        let status = wait(entering).map_err(failed)?;
        let report = attendant.finish();
        // Layers have directories in them that are shut to their owner.
        let path = self.dir.keep();
        remove_tree(&path).map_err(|source| SandboxError::Io {
            step: format!("remove {}", path.display()),
            source,
        })?;
        Ok((status, report))
    }
}

/// Runs a command that ends as it likes. Signals from a terminal reach it by themselves; those that
/// end this process are passed on.
fn wait(mut command: Command) -> io::Result<ExitStatus> {
    let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP])?;
    let handle = signals.handle();
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let passing = std::thread::spawn(move || {
        for signal in signals.forever().filter(|signal| [SIGTERM, SIGHUP].contains(signal)) {
            let _ = Signal::try_from(signal).map(|signal| kill(pid, signal));
        }
    });
    // It is not reaped before the thread has ended, so that the id means no other process.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let ended = rustix::process::Pid::from_raw(pid.as_raw())
        .map(|pid| retry_on_intr(|| waitid(WaitId::Pid(pid), options)));
    handle.close();
    let _ = passing.join();
    let status = child.wait();
    ended.transpose()?;
    status
}

/// Names of directories of boxes begin so, and go on with the process that removes them.
const BOX_PREFIX: &str = "box-";

/// A directory for a box: on the queue's disk, as a layer can become large.
fn box_dir(queue: Option<&QueueDir>) -> io::Result<TempDir> {
    let own = format!("{BOX_PREFIX}{}-", std::process::id());
    let in_queue = queue.map(|queue| queue.state().join("tmp")).and_then(|places| {
        remove_abandoned(&places);
        TempDir::with_prefix_in(&own, places).ok()
    });
    in_queue.map_or_else(|| TempDir::with_prefix(format!("aq-{own}")), Ok)
}

/// Removes what killed processes have left. What cannot be removed is tried again by the next one.
fn remove_abandoned(places: &Path) {
    for entry in fs::read_dir(places).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_prefix(BOX_PREFIX));
        let maker = name.and_then(|name| name.split('-').next()?.parse().ok()).map(Pid::from_raw);
        if maker.is_some_and(|pid| kill(pid, None) == Err(Errno::ESRCH)) {
            let _ = remove_tree(&entry.path());
        }
    }
}

fn policy(
    queue: Option<&QueueDir>,
    settings: &QueueSettings,
    cwd: &Path,
    wishes: &SandboxWishes,
) -> PathPolicy {
    let environment = &settings.environment;
    let path = |name: &str| environment.path(name).filter(|path| path.is_absolute());
    let (home, session) = (path("HOME"), path("XDG_RUNTIME_DIR"));
    let config = &settings.config.sandbox;
    let of_config = |paths: &[PathBuf]| -> Vec<PathBuf> {
        paths.iter().filter_map(|path| in_home(path, home.as_deref())).collect()
    };
    let queues =
        queue.map(|queue| queue.root().to_owned()).into_iter().chain(environment.aq_home());
    let policy = PathPolicy::new(home.clone())
        .with_all(secret_places(home.as_deref(), session.as_deref()), PathAccess::Hidden)
        .with_all(path("SSH_AUTH_SOCK"), PathAccess::Hidden)
        .with_all(queues.filter(|path| path.is_absolute()), PathAccess::Hidden)
        .with_all(of_config(&config.hide), PathAccess::Hidden)
        .with_all(&wishes.hide, PathAccess::Hidden)
        .with_all(of_config(&config.read), PathAccess::Read)
        .with_all(&wishes.read, PathAccess::Read);
    own_checkout(policy, cwd)
        .with_all(of_config(&config.write), PathAccess::Write)
        .with_all(&wishes.write, PathAccess::Write)
}

/// Entries of a repository that say what its next command runs, whoever calls it.
const RUN_BY_GIT: [&str; 5] = ["hooks", "config", "config.worktree", "modules", "worktrees"];

/// The same with the checkout that `cwd` is in, without what git runs.
fn own_checkout(policy: PathPolicy, cwd: &Path) -> PathPolicy {
    let top = cwd.ancestors().find(|dir| dir.join(".git").exists()).unwrap_or(cwd);
    let repository = top.join(".git");
    let policy = policy.with(top, PathAccess::Write);
    if !repository.is_dir() {
        return policy;
    }
    // A folder that is not there could be made inside. Where it cannot be, nobody can.
    let _ = fs::create_dir(repository.join("hooks"));
    let run_by_git = RUN_BY_GIT.map(|name| repository.join(name));
    // As a place of its own it cannot be moved away for another one.
    policy.with(&repository, PathAccess::Write).with_all(run_by_git, PathAccess::Read)
}

/// The user's variables without those that are no agent's business.
fn variables(settings: &QueueSettings, named: &[String]) -> Vec<(OsString, OsString)> {
    let is_passed = |name: &str| {
        named.iter().any(|known| known == name)
            || !(is_taken_out(settings, name) || looks_secret(name) || name == "XDG_RUNTIME_DIR")
    };
    let all = settings.environment.iter();
    let passed = all.filter(|(name, _)| is_passed(&name.to_string_lossy()));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}
