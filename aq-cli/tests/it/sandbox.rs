//! A queue of its own for each test, the real binary with a clean environment, and ways to wait
//! for something that do not depend on how fast the machine is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The longest that anything may take on a busy machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Every folder that a job can lie in.
pub(crate) const STAGES: [&str; 7] =
    ["inbox", "building", "review", "testing", "shipped", "failed", "quarantine"];

/// Where what is added is kept as it was, to compare.
const ORIGINALS: &str = "originals";

/// A queue in a temporary directory. When it is dropped, no process of it is left.
#[derive(Debug)]
pub(crate) struct Sandbox {
    dir: TempDir,
    env: Mutex<BTreeMap<String, OsString>>,
}

impl Sandbox {
    /// An empty queue, made by `aq init`.
    pub(crate) fn new() -> Self {
        let dir = TempDir::with_prefix("aq-test-").unwrap();
        Self::at(dir)
    }

    /// As [`Self::new`], in a directory that is there.
    pub(crate) fn at(dir: TempDir) -> Self {
        let sandbox = Self { dir, env: Mutex::default() };
        for name in ["home", "work", ORIGINALS] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox.ok(&["init"]);
        sandbox
    }

    /// Adds to the environment of every command from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.also_set(name, value);
    }

    /// The same for one who shares the sandbox.
    pub(crate) fn also_set(&self, name: &str, value: impl Into<OsString>) {
        self.env.lock().unwrap().insert(name.to_owned(), value.into());
    }

    /// A path in the sandbox, outside the queue.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// The directory that jobs work in.
    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// The queue, or a path in it.
    pub(crate) fn queue(&self, name: &str) -> PathBuf {
        let root = self.path("queue");
        if name.is_empty() { root } else { root.join(name) }
    }

    /// `aq` on this queue, run in the work directory, with nothing of the caller's environment.
    pub(crate) fn aq<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        self.clean(&mut command).arg("--queue").arg(self.queue("")).args(args);
        command
    }

    /// Gives any command the surroundings that `aq` gets here.
    pub(crate) fn clean<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        command
            .env_clear()
            .env("HOME", self.path("home"))
            // In the home a TMPDIR would be too long, and jobs of all tests would share one place.
            .env("AQ_HOME", self.path("h"))
            .env("PATH", path)
            .envs(&*self.env.lock().unwrap())
            .current_dir(self.work())
            .stdin(Stdio::null())
    }

    /// Runs `aq` and answers what it printed; it must exit with 0.
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let output = self.aq(args).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `aq` and answers its exit code and all that it printed.
    pub(crate) fn code<S: AsRef<OsStr>>(&self, args: &[S]) -> (i32, String) {
        let output = self.aq(args).output().unwrap();
        (output.status.code().unwrap_or(-1), shown(&output))
    }

    /// Writes a job file outside the queue: front matter without its fences, and a body. The
    /// engine is the shell.
    pub(crate) fn write(&self, name: &str, front: &str, body: &str) -> PathBuf {
        let path = self.path(&format!("{name}.md"));
        let text = job_text(front, body);
        fs::write(&path, &text).unwrap();
        fs::write(self.originals().join(path.file_name().unwrap()), text).unwrap();
        path
    }

    /// Adds a job with `aq add`.
    pub(crate) fn add(&self, name: &str, front: &str, body: &str) {
        let path = self.write(name, front, body);
        self.ok(&[OsStr::new("add"), path.as_os_str()]);
    }

    /// Starts the loop in the background.
    pub(crate) fn start_loop(&self, args: &[&str]) -> Child {
        let mut all = vec!["run", "--quiet"];
        all.extend(args);
        self.aq(&all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The folders in which a job's file is: one, or something is wrong.
    pub(crate) fn folders(&self, id: &str) -> Vec<&'static str> {
        let is_there =
            |stage: &&str| self.queue(&format!("{stage}/{id}.md")).symlink_metadata().is_ok();
        STAGES.into_iter().filter(is_there).collect()
    }

    /// The jobs in a folder, sorted.
    pub(crate) fn jobs(&self, stage: &str) -> Vec<String> {
        let entries = fs::read_dir(self.queue(stage)).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(name)
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// The names in the directory of this sandbox's `TMPDIR`s, sorted.
    pub(crate) fn scratch(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("h/t")).unwrap().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The record of a job: the last value of each key that has one.
    pub(crate) fn meta(&self, id: &str) -> BTreeMap<String, String> {
        let path = self.queue(&format!(".state/meta/{id}.meta"));
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut meta: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        meta.retain(|_, value| !value.is_empty());
        meta
    }

    /// One value of a job's record; empty when there is none.
    pub(crate) fn meta_value(&self, id: &str, key: &str) -> String {
        self.meta(id).remove(key).unwrap_or_default()
    }

    /// A job's log.
    pub(crate) fn log(&self, id: &str) -> String {
        fs::read_to_string(self.queue(&format!("logs/{id}.log"))).unwrap_or_default()
    }

    /// Waits until the job is in this folder.
    pub(crate) fn wait_for_stage(&self, id: &str, stage: &str) {
        let file = self.queue(&format!("{stage}/{id}.md"));
        wait_for(&format!("{id} in {stage}/; it is in {:?}", self.folders(id)), || file.exists());
    }

    /// The supervisor process of a job, once it has written its name down.
    pub(crate) fn worker(&self, id: &str) -> Pid {
        let mut pid = None;
        wait_for(&format!("the worker of {id}"), || {
            pid = self.meta_value(id, "pid").parse().ok();
            pid.is_some()
        });
        Pid::from_raw(pid.unwrap())
    }

    /// The workers of this queue that are alive.
    pub(crate) fn workers(&self) -> Vec<Pid> {
        let root = self.queue("");
        let is_worker = |line: &[u8]| {
            let args: Vec<&[u8]> = line.split(|&b| b == 0).collect();
            args.get(1) == Some(&&b"worker"[..])
                && args.get(2) == Some(&root.as_os_str().as_bytes())
        };
        let found = processes(|pid| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| is_worker(&line))
        });
        // Between its fork and its exec an agent still has its worker's arguments.
        let is_child = |pid: Pid| parent(pid).is_some_and(|parent| found.contains(&parent));
        found.iter().copied().filter(|&pid| !is_child(pid)).collect()
    }

    /// Processes that belong to jobs of this queue, by their environment or their arguments. The
    /// loops and workers are not among them.
    pub(crate) fn agents(&self) -> Vec<Pid> {
        let root = self.path("");
        let root = root.as_os_str().as_bytes();
        let ours = |pid: i32, file: &str| {
            fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|text| contains(&text, root))
        };
        let is_aq = |pid: i32| {
            fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_aq")))
        };
        let marked = |pid: i32| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|text| contains(&text, b"AQ_JOB_ID=") && contains(&text, root))
        };
        processes(|pid| !is_aq(pid) && (marked(pid) || ours(pid, "cmdline")))
    }
}

/// Agents, and the commands of jobs.
impl Sandbox {
    /// The processes that jobs have started, each with its job: by their environment, and without
    /// the runs of git that are aq's own.
    pub(crate) fn job_processes(&self) -> Vec<(Pid, String)> {
        let queue = [b"AQ_QUEUE=", self.queue("").as_os_str().as_bytes()].concat();
        let job = |pid: Pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let mut entries = environ.split(|&b| b == 0);
            entries.clone().find(|entry| *entry == queue)?;
            let id = entries.find_map(|entry| entry.strip_prefix(b"AQ_JOB_ID="))?;
            // A git that aq runs leads a group of its own.
            let leader = stat(pid)?.get(2)?.clone();
            let leads = fs::read_to_string(format!("/proc/{leader}/comm")).unwrap_or_default();
            (leads != "git\n").then(|| (pid, String::from_utf8_lossy(id).into_owned()))
        };
        self.agents().into_iter().filter_map(job).collect()
    }
}

/// The queue at rest.
impl Sandbox {
    /// The directory of what was added, by its job's name: [`Self::write`] puts it there, and a
    /// test that makes its files by itself.
    pub(crate) fn originals(&self) -> PathBuf {
        self.path(ORIGINALS)
    }

    /// The faults that a program that shares no code with aq finds in the queue, in which these
    /// jobs should be; no loop is at work. Jobs are compared with [`Self::originals`].
    pub(crate) fn faults(&self, jobs: &[&str]) -> String {
        self.faults_with(&[], jobs)
    }

    /// As [`Self::faults`], with options of the program.
    pub(crate) fn faults_with(&self, options: &[&str], jobs: &[&str]) -> String {
        let checker = Path::new(env!("CARGO_BIN_EXE_aq")).with_file_name("examples/check_queue");
        let mut command = Command::new(&checker);
        command.args(options).arg("--originals").arg(self.originals());
        let output = command.arg(self.queue("")).args(jobs).output();
        let output = output.unwrap_or_else(|e| panic!("{}: {e}", checker.display()));
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), found.is_empty(), "{found}");
        found
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A test that failed may have left some.
        for pid in self.workers().into_iter().chain(self.agents()) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// The text of a job file, for the shell engine and with no lock unless the front matter names one.
pub(crate) fn job_text(front: &str, body: &str) -> String {
    let names_one = front.lines().any(|line| line.starts_with("engine:"));
    let engine = if names_one { "" } else { "engine: shell\n" };
    let lock = if front.contains("lock:") { "" } else { "lock: none\n" };
    let newline = if front.is_empty() || front.ends_with('\n') { "" } else { "\n" };
    format!("---\n{engine}{lock}{front}{newline}---\n{body}\n")
}

/// Says loudly that a test proves nothing on this machine.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
pub(crate) fn skipped(why: &str) {
    println!("SKIPPED: {why}");
}

/// Waits until `done` says so, looking often. Panics when that takes too long.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < give_up, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Waits for a child to end by itself, and answers its exit code. One that does not is killed.
pub(crate) fn wait_child(child: &mut Child) -> i32 {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() >= give_up {
            let _ = child.kill();
            panic!("process {} did not end within {PATIENCE:?}", child.id());
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// `kill -9`, and the wait for its effect.
pub(crate) fn kill_child(child: &mut Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

/// `kill -9` of a process that is not our child.
pub(crate) fn kill_hard(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
    wait_for(&format!("the death of process {pid}"), || !is_alive(pid));
}

/// Tests for a process that is there and no zombie.
pub(crate) fn is_alive(pid: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.starts_with(['Z', 'X'])
}

/// User and system time of a process, in hundredths of a second.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn parent(pid: Pid) -> Option<Pid> {
    stat(pid)?.get(1)?.parse().ok().map(Pid::from_raw)
}

/// The words of `/proc` about a process, from its state on: then come its parent and its group.
fn stat(pid: Pid) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn processes(wanted: impl Fn(i32) -> bool) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| wanted(pid) && is_alive(Pid::from_raw(pid)))
        .map(Pid::from_raw)
        .collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

pub(crate) fn shown(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
