//! A fault for one alone of those that take part in a job: the loop, its worker, the job's own
//! command, `verify`, or one of the runs of git. What else is at work is not touched.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Fault, LIMIT, by_process, is_of_memory, struck};
use crate::sandbox::Sandbox;

/// The process that meets a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `aq run`, with its threads, and not the workers that it starts.
    Loop,
    /// `aq worker`, with its children until they have become another program.
    Worker,
    /// The job's file, and all that it starts.
    Agent,
    Verify,
    /// The runs of git that the worker makes, one at a time.
    Git,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Loop => "loop",
            Role::Worker => "worker",
            Role::Agent => "agent",
            Role::Verify => "verify",
            Role::Git => "git",
        }
    }

    /// Tests for a role whose children are not its own any more when they have become another
    /// program.
    fn lets_go(self) -> bool {
        matches!(self, Role::Loop | Role::Worker)
    }
}

/// A place at which a fault is met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) role: Role,
    /// Which run of it: git runs several times a job.
    pub(crate) run: usize,
    pub(crate) call: &'a str,
    pub(crate) fault: Fault,
    /// Which of these calls, of each process of that run.
    pub(crate) n: usize,
}

impl Place<'_> {
    pub(crate) fn words(&self) -> String {
        let Place { role, run, call, fault, n } = self;
        format!("{} (run {run}): {fault:?} at {call} number {n}", role.word())
    }
}

/// The job of these tests, `a`: what it leaves in its worktree it does not commit, and reports it
/// outside. It reports its attempt last, so that what is reported must be there.
const WORK: &str = "echo work $AQ_ATTEMPT >>a.txt; mkdir -p sub; echo new >sub/$AQ_ATTEMPT.txt; \
                    echo $AQ_ATTEMPT >>$HOME/trace";

/// Adds `a` in a repository, where the role's runs meet what `options` of `strace` say: all its
/// runs, or the one of this number.
fn prepared(role: Role, run: Option<usize>, options: &str) -> Sandbox {
    let sandbox = Sandbox::with_repository();
    // What this host has is looked up once, and not under strace.
    sandbox.ok(&["caps"]);
    let strike = sandbox.path("strike");
    let (word, dir) = (role.word(), sandbox.path(""));
    let dir = dir.display().to_string();
    let dir = dir.trim_end_matches('/');
    let detach = if role.lets_go() { "-b execve" } else { "" };
    let chosen = run.map_or(String::new(), |run| format!("[ $run -eq {run} ] || exec \"$@\"\n"));
    let script = format!(
        "#!/bin/sh\n# ROLE PROGRAM ARGUMENTS...\nrole=$1; shift\n\
         [ $role = {word} ] || exec \"$@\"\n\
         echo >>{dir}/runs; run=$(wc -l <{dir}/runs)\n\
         {chosen}exec strace -f {detach} -q -y -o {dir}/strace.$run {options} \"$@\"\n"
    );
    write_program(&strike, &script);
    let strike = strike.display();
    let front = format!(
        "retry: {{max: 4, backoff: 0s}}\n\
        verify: exec {strike} verify sh -ec 'echo seen >>$HOME/seen'"
    );
    sandbox.add("a", &front, &format!("exec {strike} agent sh -ec '{WORK}'"));
    if role == Role::Git {
        fs::create_dir(sandbox.path("bin")).unwrap();
        let script = format!("#!/bin/sh\nexec {strike} git {} \"$@\"\n", git().display());
        write_program(&sandbox.path("bin/git"), &script);
    }
    sandbox
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

fn git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let found = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|file| file.exists());
    found.unwrap()
}

/// The note of a loop that launches a job, with its own time.
pub(crate) const LAUNCH: &str =
    "attempt=1\nengine=shell\nlaunched_at=2026-01-31T12:00:00Z\nmoved_to=building\n";

/// Launches `a` as a loop does, that dies before its worker is there. Answers the locked record, as
/// the worker gets it.
fn launch(sandbox: &Sandbox) -> File {
    let path = sandbox.queue(".state/meta/a.meta");
    let text = fs::read_to_string(&path).unwrap() + LAUNCH;
    fs::write(&path, text).unwrap();
    fs::rename(sandbox.queue("inbox/a.md"), sandbox.queue("building/a.md")).unwrap();
    let file = File::options().read(true).append(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

/// The job is worked on: by a loop when it is the one to be met, or else by a worker alone.
fn work(sandbox: &Sandbox, role: Role) -> Output {
    let mut command = Command::new("timeout");
    sandbox.clean(&mut command).args(["-k", "5", LIMIT]).arg(sandbox.path("strike"));
    let aq = env!("CARGO_BIN_EXE_aq");
    if role == Role::Loop {
        command.args(["loop", aq, "--queue"]).arg(sandbox.queue(""));
        return ended(sandbox, command.args(["run", "--once", "--quiet"]));
    }
    if role == Role::Git {
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        command.env("PATH", format!("{}:{path}", sandbox.path("bin").display()));
    }
    command.stdin(Stdio::from(launch(sandbox)));
    ended(sandbox, command.args(["worker", aq, "worker"]).arg(sandbox.queue("")).arg("a"))
}

/// Waits for the command's end, and not for that of others which have its output open.
fn ended(sandbox: &Sandbox, command: &mut Command) -> Output {
    let (path, file) = (sandbox.path("said"), File::create(sandbox.path("said")).unwrap());
    let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    Output { status, stdout: Vec::new(), stderr: fs::read(path).unwrap() }
}

/// The calls of each run of a role, of all its processes.
fn seen(sandbox: &Sandbox) -> Vec<String> {
    let traces = (1..).map(|run| fs::read(sandbox.path(&format!("strace.{run}"))));
    let traces = traces.map_while(Result::ok);
    traces.map(|trace| String::from_utf8_lossy(&trace).into_owned()).collect()
}

/// The calls of each run of a role when nothing is in its way.
pub(crate) fn unharmed(role: Role) -> Vec<String> {
    let sandbox = prepared(role, None, "");
    let output = work(&sandbox, role);
    assert_eq!(sandbox.folders("a"), ["testing"], "{output:?}\n{}", sandbox.log("a"));
    let runs = seen(&sandbox);
    assert!(!runs.is_empty(), "nobody was traced");
    runs
}

/// A job that was worked on, the output of that, and the calls that met the fault.
pub(crate) fn strike(place: &Place<'_>) -> (Sandbox, Output, Vec<String>) {
    strike_after(place, |_| ())
}

/// The same, when something else has happened before.
pub(crate) fn strike_after(
    place: &Place<'_>,
    before: impl FnOnce(&Sandbox),
) -> (Sandbox, Output, Vec<String>) {
    let Place { role, run, call, fault, n } = *place;
    let (what, _) = fault.told();
    let options = format!("-e trace={call} -e inject={call}:{what}:when={n}");
    let sandbox = prepared(role, Some(run), &options);
    before(&sandbox);
    let output = work(&sandbox, role);
    let trace = fs::read(sandbox.path(&format!("strace.{run}"))).unwrap_or_default();
    let mut met = struck(&String::from_utf8_lossy(&trace), fault);
    if met.iter().all(|call| fault.spares(call)) {
        met.clear();
    }
    (sandbox, output, met)
}

impl Fault {
    /// Tests for a call that cannot meet this.
    fn spares(self, call: &str) -> bool {
        matches!(self, Fault::Error(_)) && is_of_memory(call)
    }
}

/// Every call of these kinds in the runs of a role that can meet the fault.
pub(crate) fn places<'a>(
    role: Role,
    runs: &[String],
    calls: &'a str,
    fault: Fault,
) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for (seen, run) in runs.iter().zip(1..) {
        for call in calls.split(',') {
            let made = by_process(seen, call);
            let most = made.iter().map(Vec::len).max().unwrap_or_default();
            let can = |n: &usize| {
                let mut numbered = made.iter().filter_map(|calls| calls.get(n - 1));
                numbered.any(|call| !fault.spares(call))
            };
            found.extend((1..=most).filter(can).map(|n| Place { role, run, call, fault, n }));
        }
    }
    found
}

/// Counts each kind of fault, for people.
pub(crate) fn summary(tried: &[(&str, Fault, usize)]) -> String {
    let mut text = String::new();
    for (calls, fault, n) in tried {
        let first = calls.split(',').next().unwrap_or_default();
        let error = if let Fault::Error(error) = fault { error } else { "" };
        let _ = write!(text, " {first} {error} {n},");
    }
    text
}
