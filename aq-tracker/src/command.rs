//! Requests through a command of the user, in place of HTTP (docs/trackers.md): `METHOD PATH` as
//! arguments, the body on standard input; on standard output the answer's body, and the status
//! code as the last line.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::TrackerError;
use crate::transport::{MAX_ANSWER, TrackerRequest, TrackerResponse, TrackerTransport};

/// The longest that a command may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Interval at which a command that has closed its output is asked for its end.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A command in place of HTTP.
#[derive(Clone, Debug)]
pub struct CommandTransport {
    who: &'static str,
    command: String,
    time_limit: Duration,
}

impl CommandTransport {
    /// The way through a command, which the shell reads: it may have arguments of its own.
    pub fn new(who: &'static str, command: &str) -> Self {
        Self { who, command: command.to_owned(), time_limit: TIME_LIMIT }
    }

    /// The same with another time limit for each request.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    fn fail(&self, detail: String) -> TrackerError {
        TrackerError::Unavailable { who: self.who, detail }
    }

    fn command(&self, request: &TrackerRequest) -> Command {
        // Method and path are arguments: what is in them is no shell text.
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(format!("{} \"$@\"", self.command))
            .arg("aq-tracker")
            .arg(request.method.as_str())
            .arg(&request.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What is said there, systemd takes for the word of this process.
            .env_remove("NOTIFY_SOCKET")
            .process_group(0);
        command
    }
}

impl TrackerTransport for CommandTransport {
    fn send(&self, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        let give_up = Instant::now() + self.time_limit;
        let started = self.command(request).spawn();
        let mut child = RunningCommand {
            child: started.map_err(|e| self.fail(format!("cannot start it: {e}")))?,
            ended: false,
        };
        let body = request.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let (input, output) = (child.child.stdin.take(), child.child.stdout.take());
        let (to_us, from_thread) = channel();
        // A command may read nothing, print without end, or leave a process that holds the pipe: a
        // thread can be left behind, this one cannot.
        let talking = std::thread::Builder::new().name("aq-tracker".to_owned()).spawn(move || {
            let _ = to_us.send(talk(input, &body, output));
        });
        talking.map_err(|e| self.fail(format!("no thread for the command: {e}")))?;
        let too_slow = || self.fail(format!("the command took more than {:?}", self.time_limit));
        let left = give_up.saturating_duration_since(Instant::now());
        let bytes = match from_thread.recv_timeout(left) {
            Ok(bytes) => bytes.map_err(|e| self.fail(format!("the command's output: {e}")))?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(too_slow());
            }
        };
        if bytes.len() as u64 > MAX_ANSWER {
            return Err(self.fail(format!("the command printed more than {MAX_ANSWER} bytes")));
        }
        let exit = loop {
            match child.child.try_wait() {
                Ok(Some(exit)) => {
                    child.ended = true;
                    break exit;
                }
                Ok(None) if Instant::now() < give_up => std::thread::sleep(LOOK_AGAIN),
                Ok(None) => return Err(too_slow()),
                Err(e) => return Err(self.fail(format!("the command cannot be waited for: {e}"))),
            }
        };
        if !exit.success() {
            return Err(self.fail(format!("the command ended with {exit}")));
        }
        let text = String::from_utf8_lossy(&bytes);
        answer(&text).ok_or_else(|| {
            self.fail("the last line of the command's output is no status code".to_owned())
        })
    }
}

/// Gives the command its input and reads its output, at the same time.
fn talk(
    input: Option<ChildStdin>,
    body: &str,
    output: Option<ChildStdout>,
) -> std::io::Result<Vec<u8>> {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that does not read its input does not need it.
            let _ = input.map(|mut input| input.write_all(body.as_bytes()));
        });
        let mut bytes = Vec::new();
        if let Some(output) = output {
            output.take(MAX_ANSWER + 1).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

/// Body and status code.
fn answer(text: &str) -> Option<TrackerResponse> {
    let text = text.trim_end();
    let (body, code) = text.rsplit_once('\n').unwrap_or(("", text));
    let status: u16 = code.trim().parse().ok().filter(|code| (100..600).contains(code))?;
    Some(TrackerResponse { status, headers: Vec::new(), body: body.to_owned() })
}

/// A command that is ended, with what it started, when nobody waits for it any more.
struct RunningCommand {
    child: Child,
    /// Its end was seen: then its number may belong to somebody else.
    ended: bool,
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        if !self.ended {
            let group = i32::try_from(self.child.id()).map(Pid::from_raw);
            let _ = group.map(|group| killpg(group, Signal::SIGKILL));
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TrackerMethod;

    fn run(command: &str, body: Option<&str>) -> Result<TrackerResponse, String> {
        let way = CommandTransport::new("it", command).with_time_limit(Duration::from_secs(20));
        let request = TrackerRequest {
            method: TrackerMethod::Get,
            path: "/items/a;b".to_owned(),
            body: body.map(Into::into),
            etag: None,
        };
        way.send(&request).map_err(|e| e.to_string())
    }

    #[test]
    fn arguments_input_output_and_status() {
        let answer = run("sh -c 'echo \"$1 $2\"; cat; echo; echo 201' x", Some("in")).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (201, "GET /items/a;b\n\"in\""));
        assert_eq!(run("echo 204 #", None).unwrap().status, 204);
    }

    #[test]
    fn command_cannot_speak_to_systemd() {
        let command =
            CommandTransport::new("it", "true").command(&TrackerRequest::get("/".to_owned()));
        let removed = command.get_envs().any(|set| set == ("NOTIFY_SOCKET".as_ref(), None));
        assert!(removed, "{command:?}");
    }

    #[test]
    fn command_that_fails_is_reported() {
        for (command, want) in [
            ("echo hello #", "is no status code"),
            ("true", "is no status code"),
            ("echo 9999 #", "is no status code"),
            ("exit 3 #", "exit status: 3"),
            ("/no/such/program", "exit status: 127"),
        ] {
            let error = run(command, None).unwrap_err();
            assert!(error.contains(want), "{command}: {error}");
        }
    }

    #[test]
    fn one_that_hangs_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let command = format!("sleep 1000 & echo $! > {}; sleep 1000 #", pids.display());
        let way = CommandTransport::new("it", &command).with_time_limit(Duration::from_secs(5));
        let error = way.send(&TrackerRequest::get("/".to_owned())).unwrap_err().to_string();
        assert!(error.contains("took more than 5s"), "{error}");
        let pid: i32 = std::fs::read_to_string(pids).unwrap().trim().parse().unwrap();
        let give_up = Instant::now() + Duration::from_secs(10);
        let is_alive = || {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_alive() {
            assert!(Instant::now() < give_up, "process {pid} is left");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn output_without_end_is_cut() {
        let error = run("yes #", None).unwrap_err();
        assert!(error.contains("printed more than"), "{error}");
    }
}
