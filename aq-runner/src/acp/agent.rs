//! The adapter's process: the agent as its child, pipes, signals and time.
//!
//! A thread for each thing that is waited for, and one channel: the client itself sees one input
//! after the other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::arguments::AdapterRun;
use super::client::{Client, ClientRun, Effect};
use super::event::{self, clip};

/// The longest line that is read, in bytes.
const LINE_MAX: usize = 8 << 20;
/// How much of a longer line is looked at, in bytes.
const BEGINNING: usize = 4 << 10;
/// The most that may wait for an agent that does not read, beside its longest message, in bytes.
const UNREAD_MAX: usize = 4 << 20;
/// How many lines wait for the client.
const QUEUE: usize = 4;
/// How much of the end of the agent's standard error is kept, in bytes.
const STDERR_KEPT: usize = 8 << 10;
/// How many lines of it are shown as its last words.
const LAST_LINES: usize = 5;
/// Time for what an agent that has exited had written to arrive.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// Time for an agent to exit when its input is closed: some save their session then.
const EXIT_LIMIT: Duration = Duration::from_secs(5);
/// The same for one that was told to end, and after SIGTERM.
const TERM_LIMIT: Duration = Duration::from_secs(1);

/// One thing that happened.
#[derive(Debug)]
enum Input {
    Line(Vec<u8>),
    /// A line longer than [`LINE_MAX`] begins like this.
    Oversized(Vec<u8>),
    /// The agent's output has ended.
    Closed,
    /// The agent has exited. It is still to be reaped.
    Exited,
    /// A signal came.
    Signal(i32),
}

/// Runs an agent as `run` says: the prompt from standard input, events to standard output. Answers
/// whether the work is done.
///
/// # Errors
/// Standard input or output cannot be used.
pub(crate) fn adapt(run: AdapterRun) -> io::Result<bool> {
    let mut prompt = Vec::new();
    io::stdin().lock().read_to_end(&mut prompt)?;
    // Before the agent is there: a signal must not leave it alone.
    let signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let cwd = std::env::current_dir()?;
    let name = run.program.to_string_lossy().into_owned();
    let client = ClientRun {
        prompt: String::from_utf8_lossy(&prompt).into_owned(),
        cwd: cwd.to_string_lossy().into_owned(),
        session: run.session,
        session_cost: run.session_cost,
        model: run.model,
        mode: run.mode,
        yolo: run.yolo,
        setup_limit: run.setup_limit,
    };
    // A group of its own: it can be ended with its children while this process goes on.
    let started = Command::new(&run.program)
        .args(&run.args)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match started {
        Ok(child) => Session::new(child, client, signals).run(),
        Err(e) => {
            let why = format!("cannot start {name}: {e}");
            print(&event::error(&why, None, None))?;
            print(&event::result(false, None, Some(&why)))?;
            Ok(false)
        }
    }
}

fn print(event: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{event}")?;
    out.flush()
}

/// An agent that runs, and the client that talks with it.
struct Session {
    child: Child,
    group: Option<Pid>,
    client: Client,
    inputs: Receiver<Input>,
    /// `None` when its input is closed.
    outbox: Option<Outbox>,
    stderr: Arc<Mutex<Vec<u8>>>,
    has_exited: bool,
    /// When the client gave up on it, or was told to.
    is_urgent: bool,
}

impl Session {
    fn new(mut child: Child, run: ClientRun, signals: signal_hook::iterator::Signals) -> Self {
        let group = Pid::from_raw(child.id().cast_signed());
        let (sender, inputs) = mpsc::sync_channel(QUEUE);
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stdout.take() {
            read_lines(pipe, sender.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            copy_stderr(pipe, Arc::clone(&stderr));
        }
        let outbox = child.stdin.take().map(Outbox::new);
        wait_for_exit(group, sender.clone());
        pass_signals(signals, sender);
        let client = Client::start(run);
        let (has_exited, is_urgent) = (false, false);
        Self { child, group, client, inputs, outbox, stderr, has_exited, is_urgent }
    }

    fn run(mut self) -> io::Result<bool> {
        let outcome = self.talk();
        self.close(outcome.is_err());
        outcome
    }

    /// The conversation, up to its end.
    fn talk(&mut self) -> io::Result<bool> {
        let (mut step, mut since) = (0, Instant::now());
        let mut exited: Option<Instant> = None;
        loop {
            if let Some(success) = self.serve()? {
                return Ok(success);
            }
            let (now_at, limit) = self.client.limit();
            if now_at != step {
                (step, since) = (now_at, Instant::now());
            }
            let due = limit.and_then(|limit| since.checked_add(limit));
            let last_output = exited.and_then(|at| at.checked_add(LAST_OUTPUT));
            match self.next(due.into_iter().chain(last_output).min()) {
                Some(Input::Line(line)) => {
                    pass_on(&line);
                    self.client.line(&line);
                }
                Some(Input::Oversized(beginning)) => self.client.oversized(&beginning),
                Some(Input::Signal(SIGTERM | SIGHUP)) if !self.is_urgent => {
                    self.is_urgent = true;
                    self.client.cancel();
                }
                // A second signal, or one from a terminal: at once.
                Some(Input::Signal(_)) => return Ok(false),
                Some(Input::Exited) => {
                    self.has_exited = true;
                    exited = Some(Instant::now());
                }
                Some(Input::Closed) => self.agent_closed(),
                None if last_output.is_some_and(|at| Instant::now() >= at) => self.agent_closed(),
                None if due.is_some_and(|at| Instant::now() >= at) => self.client.time_is_up(),
                None => {}
            }
        }
    }

    /// Does what the client wants. Answers how the run ended, when it has.
    fn serve(&mut self) -> io::Result<Option<bool>> {
        for effect in self.client.take_effects() {
            match effect {
                Effect::Send(line) => {
                    let unread = self.outbox.as_mut().map_or(0, |outbox| outbox.send(line));
                    if unread > UNREAD_MAX {
                        self.client.fail("it asks and does not read the answers");
                        return self.serve();
                    }
                }
                Effect::Print(event) => print(&event)?,
                Effect::End { success } => return Ok(Some(success)),
            }
        }
        Ok(None)
    }

    fn next(&self, until: Option<Instant>) -> Option<Input> {
        let Some(until) = until else { return self.inputs.recv().ok() };
        self.inputs.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }

    fn agent_closed(&mut self) {
        // One that has closed its output and stays is ended.
        let status = self.exit_within(LAST_OUTPUT);
        let ending = status.map_or_else(
            || "it has closed its standard output".to_owned(),
            |status| status.to_string().replace("exit status: ", "exit code "),
        );
        let stderr = self.stderr.lock().map(|kept| kept.clone()).unwrap_or_default();
        self.client.closed(&ending, &last_words(&stderr));
    }

    /// Closes the agent's input, and ends it when it does not exit by itself.
    fn close(&mut self, is_broken: bool) {
        self.outbox = None;
        let patience = if self.is_urgent || is_broken { TERM_LIMIT } else { EXIT_LIMIT };
        if self.exit_within(patience).is_some() {
            return;
        }
        for signal in [Signal::TERM, Signal::KILL] {
            // Not reaped, so the group is still its own.
            if let Some(group) = self.group {
                let _ = kill_process_group(group, signal);
            }
            if self.exit_within(TERM_LIMIT).is_some() {
                return;
            }
        }
    }

    /// The agent's status, when it exits in this time. What it prints meanwhile is dropped.
    fn exit_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let until = Instant::now().checked_add(time);
        while !self.has_exited {
            match self.next(until) {
                Some(Input::Exited) => self.has_exited = true,
                Some(Input::Signal(_)) if self.is_urgent => break,
                Some(Input::Signal(_)) => self.is_urgent = true,
                Some(_) => {}
                None => break,
            }
        }
        if self.has_exited { self.child.wait().ok() } else { None }
    }
}

/// Lines on their way to the agent, which may not read them.
struct Outbox {
    lines: Sender<String>,
    unread: Arc<AtomicUsize>,
    /// The longest line so far: a prompt may be long.
    longest: usize,
}

impl Outbox {
    fn new(mut pipe: ChildStdin) -> Self {
        let (lines, waiting) = mpsc::channel::<String>();
        let unread = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&unread);
        thread::spawn(move || {
            for line in waiting {
                // An agent that has closed its input says why itself.
                let _ = writeln!(pipe, "{line}").and_then(|()| pipe.flush());
                left.fetch_sub(line.len(), Ordering::Relaxed);
            }
        });
        Self { lines, unread, longest: 0 }
    }

    /// Answers how many bytes are waiting beside the longest line.
    fn send(&mut self, line: String) -> usize {
        self.longest = self.longest.max(line.len());
        let before = self.unread.fetch_add(line.len(), Ordering::Relaxed);
        let _ = self.lines.send(line);
        before.saturating_sub(self.longest)
    }
}

fn read_lines(pipe: ChildStdout, inputs: SyncSender<Input>) {
    thread::spawn(move || {
        let mut pipe = BufReader::with_capacity(64 << 10, pipe);
        while let Ok(Some(input)) = next_line(&mut pipe) {
            if inputs.send(input).is_err() {
                return;
            }
        }
        let _ = inputs.send(Input::Closed);
    });
}

/// The next line, without its newline; the rest of one that is too long is skipped.
fn next_line(pipe: &mut impl BufRead) -> io::Result<Option<Input>> {
    let most = LINE_MAX as u64 + 1;
    let mut line = Vec::new();
    if pipe.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() <= LINE_MAX {
        return Ok(Some(Input::Line(line)));
    }
    if line.last() != Some(&b'\n') {
        pipe.skip_until(b'\n')?;
    }
    line.truncate(BEGINNING);
    Ok(Some(Input::Oversized(line)))
}

/// Passes on a line that is no JSON: some programs say there what they should say elsewhere.
fn pass_on(line: &[u8]) {
    let line = line.trim_ascii();
    if !line.is_empty() && !line.starts_with(b"{") {
        let text = String::from_utf8_lossy(line);
        let _ = writeln!(io::stderr().lock(), "{}", clip(&text, BEGINNING));
    }
}

fn copy_stderr(mut pipe: ChildStderr, kept: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let _ = io::stderr().lock().write_all(&buffer[..count]);
            let Ok(mut kept) = kept.lock() else { return };
            kept.extend_from_slice(&buffer[..count]);
            let over = kept.len().saturating_sub(STDERR_KEPT);
            kept.drain(..over);
        }
    });
}

/// The last lines that are neither blank nor a stack trace's.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("at "));
    let mut last: Vec<&str> = lines.rev().take(LAST_LINES).collect();
    last.reverse();
    last.join(" ")
}

fn wait_for_exit(group: Option<Pid>, inputs: SyncSender<Input>) {
    let Some(pid) = group else { return };
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        let _ = inputs.send(Input::Exited);
    });
}

fn pass_signals(mut signals: signal_hook::iterator::Signals, inputs: SyncSender<Input>) {
    thread::spawn(move || {
        for signal in signals.forever() {
            if inputs.send(Input::Signal(signal)).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Input> {
        let mut pipe = BufReader::with_capacity(1000, bytes);
        std::iter::from_fn(|| next_line(&mut pipe).unwrap()).collect()
    }

    #[test]
    fn a_long_line_is_skipped_alone() {
        let mut bytes = b"one\n".to_vec();
        bytes.extend_from_slice(&vec![b'x'; LINE_MAX + 100]);
        bytes.extend_from_slice(b"\ntwo");
        let got = lines(&bytes);
        let [Input::Line(one), Input::Oversized(long), Input::Line(two)] = &got[..] else {
            panic!("{} inputs", got.len());
        };
        assert_eq!(
            (one.as_slice(), long.len(), two.as_slice()),
            (&b"one\n"[..], BEGINNING, &b"two"[..])
        );
    }

    #[test]
    fn a_line_at_the_limit_is_read() {
        let mut bytes = vec![b'x'; LINE_MAX - 1];
        bytes.push(b'\n');
        assert!(matches!(&lines(&bytes)[..], [Input::Line(line)] if line.len() == LINE_MAX));
        bytes.insert(0, b'x');
        bytes.push(b'a');
        assert!(matches!(&lines(&bytes)[..], [Input::Oversized(_), Input::Line(_)]));
    }

    #[test]
    fn last_words_are_no_stack_trace() {
        let stderr = b"a\nError: no key\n    at x (y.js:1)\n\n    at z\n";
        assert_eq!(last_words(stderr), "a Error: no key");
        assert_eq!(last_words(b"1\n2\n3\n4\n5\n6\n\xff"), "3 4 5 6 \u{fffd}");
    }
}
