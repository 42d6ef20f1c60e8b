//! Running the git program: bounded in time and output, with nothing of the user's or the
//! repository's configuration that would run a program of its own.
//!
//! Clean and smudge filters do run. They decide what a file's content *is*: without them a
//! repository with encrypted files would get them committed in the clear.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
#[cfg(target_os = "linux")]
use rustix::process::{Resource, Rlimit, prlimit};

use super::error::{CheckpointError, Result};
use super::git_settings::{CONFIG, HOOK_EVENTS, REPOSITORY_VARIABLES};
use super::watch::GitWatch;

/// Enough for what only reads refs and objects, on a slow disk.
const QUICK: Duration = Duration::from_secs(60);
/// Enough for what reads or writes all files of a large repository.
const SLOW: Duration = Duration::from_secs(30 * 60);
/// How long a worktree that somebody else is just making is waited for: longer than recovery takes
/// to clear away one whose maker was killed.
const HALF_MADE: Duration = Duration::from_secs(10);
/// The pause between two tries.
const HALF_MADE_PAUSE: Duration = Duration::from_millis(20);
/// The pause between two looks at a run that prints nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The time for the last words of a program that git started, and did not wait for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What is kept of standard output. A line of `--numstat` is about 100 bytes.
const MAX_OUTPUT: usize = 256 << 20;
/// What is kept of standard error.
const MAX_ERRORS: usize = 16 << 10;

/// The git program, and the environment entries by which a leftover process of it is found.
#[derive(Clone, Debug)]
pub(super) struct GitProgram {
    marks: Vec<(OsString, OsString)>,
    watch: GitWatch,
    /// Objects are on disk when a call that makes them ends.
    is_synced: bool,
}

impl GitProgram {
    pub(super) fn new(marks: &[(OsString, OsString)], watch: &GitWatch) -> Self {
        Self { marks: marks.to_vec(), watch: watch.clone(), is_synced: false }
    }

    /// The same whose objects survive power loss.
    pub(super) fn synced(&self) -> Self {
        Self { is_synced: true, ..self.clone() }
    }

    /// The time that is left to runs that have a limit together.
    pub(super) fn limit(&self, own: Duration) -> Duration {
        self.watch.limit(own)
    }

    pub(super) fn watch(&self) -> &GitWatch {
        &self.watch
    }

    /// The value of a variable, as each run of git finds it.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        let mark = self.marks.iter().find(|(key, _)| key == name);
        mark.map(|(_, value)| value.clone()).or_else(|| std::env::var_os(name))
    }

    /// A call in a directory, where git looks for the repository itself.
    pub(super) fn call(&self, dir: &Path, subcommand: &str) -> GitCommand {
        self.call_with(&[], dir, subcommand)
    }

    /// A call with further options of git itself.
    pub(super) fn call_with(&self, options: &[&str], dir: &Path, subcommand: &str) -> GitCommand {
        let mut command = Command::new("git");
        command.arg("--no-pager");
        for setting in CONFIG {
            command.args(["-c", setting]);
        }
        if self.is_synced {
            command.args(["-c", "core.fsync=loose-object"]);
        }
        for event in HOOK_EVENTS {
            command.args(["-c", &format!("hook.{event}.enabled=false")]);
        }
        for name in REPOSITORY_VARIABLES {
            command.env_remove(name);
        }
        command
            .envs(self.marks.iter().map(|(key, value)| (key, value)))
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what git started dies with it.
            .process_group(0)
            .args(options)
            .arg(subcommand);
        let subcommand = subcommand.to_owned();
        GitCommand { command, subcommand, limit: QUICK, memory: None, watch: self.watch.clone() }
    }
}

/// One run of git that is being put together.
#[derive(Debug)]
pub(super) struct GitCommand {
    command: Command,
    subcommand: String,
    limit: Duration,
    /// Bytes of memory, where the system has such a limit; `None`: as much as there is.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no such limit there"))]
    memory: Option<u64>,
    watch: GitWatch,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct GitOutput {
    subcommand: String,
    status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl GitCommand {
    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(super) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Gives it a file to read as standard input, from where the file stands.
    pub(super) fn input(mut self, file: File) -> Self {
        self.command.stdin(file);
        self
    }

    /// Gives it a text to read as standard input.
    pub(super) fn text(self, text: &[u8]) -> Result<Self> {
        let action = "pass on a text to";
        let broken = |source| CheckpointError::Io { action, path: "git".into(), source };
        let mut file = tempfile::tempfile().map_err(broken)?;
        file.write_all(text).and_then(|()| file.rewind()).map_err(broken)?;
        Ok(self.input(file))
    }

    /// For a run that may read or write every file.
    pub(super) fn slow(mut self) -> Self {
        self.limit = SLOW;
        self
    }

    /// Lets it have no more memory of its own than so many bytes.
    pub(super) fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// For a run that must not write even where it could: it takes no lock.
    pub(super) fn read_only(self) -> Self {
        self.env("GIT_OPTIONAL_LOCKS", "0")
    }

    /// Runs it; every exit status is an answer. Git refuses almost everything in a repository for
    /// the moment in which one of its worktrees is half made, so that is tried again.
    pub(super) fn output(mut self) -> Result<GitOutput> {
        let give_up = Instant::now() + HALF_MADE;
        loop {
            let output = self.once()?;
            if !output.met_half_made_worktree() || Instant::now() >= give_up {
                return Ok(output);
            }
            std::thread::sleep(HALF_MADE_PAUSE);
        }
    }

    fn once(&mut self) -> Result<GitOutput> {
        let mut stdout = Vec::new();
        let subcommand = self.subcommand.clone();
        let (status, stderr) = self.stream(&mut |chunk| {
            if stdout.len() + chunk.len() > MAX_OUTPUT {
                let command = subcommand.clone();
                return Err(CheckpointError::TooMuchOutput { command, limit: MAX_OUTPUT });
            }
            stdout.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(GitOutput { subcommand, status, stdout, stderr })
    }

    /// Runs it and hands on what it prints.
    pub(super) fn stream(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<(ExitStatus, Vec<u8>)> {
        let child = self.command.spawn().map_err(CheckpointError::NoGit)?;
        let running = RunningGit { child, ended: false };
        #[cfg(target_os = "linux")]
        if let Some(bytes) = self.memory {
            running.limit_memory(bytes);
        }
        running.follow(&self.subcommand, self.watch.limit(self.limit), &self.watch, sink)
    }

    /// Runs it; it has to succeed.
    pub(super) fn run(self) -> Result<GitOutput> {
        self.output()?.success()
    }

    /// Runs it; it has to succeed and print one line, or nothing.
    pub(super) fn line(self) -> Result<String> {
        let mut output = self.run()?;
        if output.stdout.ends_with(b"\n") {
            output.stdout.pop();
        }
        let subcommand = output.subcommand;
        String::from_utf8(output.stdout).map_err(|e| CheckpointError::Nonsense {
            source_name: format!("`git {subcommand}`"),
            answer: String::from_utf8_lossy(e.as_bytes()).into_owned(),
            expected: "UTF-8",
        })
    }
}

impl GitOutput {
    /// The exit code; `None` after a signal.
    pub(super) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it printed to standard error.
    pub(super) fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }

    /// Whether git stumbled over a worktree whose files are made, but not written yet.
    fn met_half_made_worktree(&self) -> bool {
        let said = self.errors();
        self.code() == Some(128) && said.contains("failed to read") && said.contains("/commondir")
    }

    pub(super) fn success(self) -> Result<Self> {
        if self.status.success() { Ok(self) } else { Err(self.failure()) }
    }

    pub(super) fn failure(&self) -> CheckpointError {
        failure(&self.subcommand, self.status, &self.stderr)
    }

    /// The texts between NUL bytes. What is no UTF-8 is shown with replacement characters.
    pub(super) fn fields(&self) -> impl Iterator<Item = String> {
        self.stdout
            .split(|&byte| byte == 0)
            .filter(|field| !field.is_empty())
            .map(|field| String::from_utf8_lossy(field).into_owned())
    }
}

/// The error of a run that failed.
pub(super) fn failure(subcommand: &str, status: ExitStatus, stderr: &[u8]) -> CheckpointError {
    let said = String::from_utf8_lossy(stderr);
    let message = match (said.trim(), status.signal()) {
        (_, Some(signal)) => format!("it was killed by signal {signal}"),
        ("", None) => status.to_string(),
        (said, None) => said.to_owned(),
    };
    CheckpointError::Git { command: subcommand.to_owned(), message }
}

struct RunningGit {
    child: Child,
    ended: bool,
}

impl RunningGit {
    /// Sets the limit from outside: git has asked for little by then.
    #[cfg(target_os = "linux")]
    fn limit_memory(&self, bytes: u64) {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        // One that has ended already needs none.
        let _ = prlimit(Pid::from_raw(self.child.id().cast_signed()), Resource::Data, limit);
    }

    fn follow(
        mut self,
        subcommand: &str,
        limit: Duration,
        watch: &GitWatch,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<(ExitStatus, Vec<u8>)> {
        let until = Instant::now() + limit;
        let mut step = watch.follow(subcommand);
        let late = || match watch.is_over() {
            true => CheckpointError::Stopped { command: subcommand.to_owned() },
            false => CheckpointError::TimedOut { command: subcommand.to_owned(), limit },
        };
        // Since when git is gone, and something that it started has its pipes.
        let mut left_behind: Option<Instant> = None;
        let broken = |source| CheckpointError::Io {
            action: "read what git prints in",
            path: subcommand.into(),
            source,
        };
        let mut out = self.child.stdout.take();
        let mut err = self.child.stderr.take();
        let mut errors = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while out.is_some() || err.is_some() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || watch.is_over() {
                return Err(late());
            }
            if left_behind.is_some_and(|since| since.elapsed() >= LAST_WORDS) {
                break;
            }
            let mut fds = Vec::with_capacity(2);
            fds.extend(out.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            fds.extend(err.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            let wait = Timespec::try_from(left.min(LOOK_AGAIN)).ok();
            let is_silent = match poll(&mut fds, wait.as_ref()) {
                Ok(ready) => ready == 0,
                Err(rustix::io::Errno::INTR) => false,
                Err(e) => return Err(broken(e.into())),
            };
            let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
            let out_ready = out.is_some() && ready.next() == Some(true);
            let err_ready = err.is_some() && ready.next() == Some(true);
            drop(fds);
            step.goes_on();
            if is_silent && left_behind.is_none() && self.has_exited().map_err(broken)? {
                left_behind = Some(Instant::now());
            }
            if out_ready {
                let n = read_some(&mut out, &mut buffer).map_err(broken)?;
                sink(&buffer[..n])?;
            }
            if err_ready {
                let n = read_some(&mut err, &mut buffer).map_err(broken)?;
                let room = MAX_ERRORS.saturating_sub(errors.len());
                errors.extend_from_slice(&buffer[..n.min(room)]);
            }
        }
        // It has closed its pipes, so it is about to exit.
        let mut pause = Duration::from_micros(50);
        loop {
            if let Some(status) = self.child.try_wait().map_err(broken)? {
                // What it left behind, and is still waited for by its pipes, ends with it.
                self.ended = left_behind.is_none();
                return Ok((status, errors));
            }
            if Instant::now() >= until || watch.is_over() {
                return Err(late());
            }
            step.goes_on();
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

impl RunningGit {
    /// True when git itself is gone. It stays to be waited for, so that its group is still its own.
    fn has_exited(&self) -> std::io::Result<bool> {
        let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(pid), options)?.is_some())
    }
}

impl Drop for RunningGit {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            // Gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Reads once; at the end the pipe is closed.
fn read_some<R: Read>(pipe: &mut Option<R>, buffer: &mut [u8]) -> std::io::Result<usize> {
    let Some(reader) = pipe else { return Ok(0) };
    match reader.read(buffer) {
        Ok(0) => {
            *pipe = None;
            Ok(0)
        }
        Err(e) if e.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A subcommand that runs a script of the shell.
    fn script(text: &str) -> GitCommand {
        let call = GitProgram::new(&[], &GitWatch::default()).call(Path::new("/"), "script");
        call.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "alias.script")
            .env("GIT_CONFIG_VALUE_0", format!("!{text}"))
    }

    #[test]
    fn endless_git_is_killed_whole() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let text = format!("sleep 600 & echo $! > '{}'; wait", pid_file.display());
        let started = Instant::now();
        let error =
            GitCommand { limit: Duration::from_secs(5), ..script(&text) }.run().unwrap_err();
        assert!(matches!(error, CheckpointError::TimedOut { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
        let pid: i32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        let until = Instant::now() + Duration::from_secs(30);
        while !gone() {
            assert!(Instant::now() < until, "process {pid} is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_git_left_behind_is_not_waited_for() {
        let begun = Instant::now();
        let output = script("sleep 600 & echo done; exit 0; :").output().unwrap();
        assert_eq!((output.code(), &*output.stdout), (Some(0), &b"done\n"[..]));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn stop_ends_run_after_time() {
        let watch = GitWatch::default();
        let watch = watch.stopped_by(std::sync::Arc::new(|| true), Duration::from_millis(200));
        let error = GitCommand { watch, ..script("sleep 600; :") }.run().unwrap_err();
        assert!(matches!(error, CheckpointError::Stopped { .. }), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn git_gets_limit_of_memory() {
        // The script may be older than the limit, so it asks for that of git, its parent.
        let text = "until grep -q 'Max data size *67108864 *67108864' /proc/$PPID/limits; \
                    do sleep 0.01; done; echo limited; :";
        let output = script(text).memory(64 << 20).output().unwrap();
        assert_eq!(output.stdout, b"limited\n");
    }

    #[test]
    fn outputs_are_read_at_once() {
        let output = script("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; exit 3; :")
            .output()
            .unwrap();
        assert_eq!(output.code(), Some(3));
        assert_eq!(output.stdout.len(), 300_000);
        assert_eq!(output.stderr.len(), MAX_ERRORS);
    }

    #[test]
    fn failure_says_what_git_said() {
        let error = script("echo no such thing >&2; exit 1; :").run().unwrap_err().to_string();
        assert_eq!(error, "`git script` failed: no such thing");
        let error = script("exit 4; :").run().unwrap_err().to_string();
        assert!(error.contains("exit status: 4"), "{error}");
    }
}
