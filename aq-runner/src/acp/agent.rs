//! The adapter's process: the agent as its child, signals and time.
//!
//! A thread for each thing that is waited for, and one channel: the client itself sees one input
//! after the other.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::arguments::AdapterRun;
use super::client::{AcpClient, ClientEffect, ClientRun};
use super::event;
use super::pipes::{AcpInput, LineQueue, copy_stderr, last_words, pass_on, read_lines};

/// The most that may wait for an agent that does not read, beside its longest message, in bytes.
const UNREAD_MAX: usize = 4 << 20;
/// Lines that may wait for the client.
const QUEUE: usize = 4;
/// Time for what an agent that has exited had written to arrive.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// Time for an agent to exit when its input is closed: some save their session then.
const EXIT_LIMIT: Duration = Duration::from_secs(5);
/// The same for one that was asked to end, and after SIGTERM.
const TERM_LIMIT: Duration = Duration::from_secs(1);

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
        Ok(child) => AgentSession::new(child, client, signals).run(),
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
struct AgentSession {
    child: Child,
    group: Option<Pid>,
    client: AcpClient,
    inputs: Receiver<AcpInput>,
    /// `None` when its input is closed.
    outbox: Option<LineQueue>,
    stderr: Arc<Mutex<Vec<u8>>>,
    /// Disconnected at the end of its standard error.
    stderr_end: Option<Receiver<()>>,
    has_exited: bool,
    /// Time at which the client gave up on it, or was asked to.
    is_urgent: bool,
}

impl AgentSession {
    fn new(mut child: Child, run: ClientRun, signals: signal_hook::iterator::Signals) -> Self {
        let group = Pid::from_raw(child.id().cast_signed());
        let (sender, inputs) = mpsc::sync_channel(QUEUE);
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stdout.take() {
            read_lines(pipe, sender.clone());
        }
        let stderr_end = child.stderr.take().map(|pipe| copy_stderr(pipe, Arc::clone(&stderr)));
        let outbox = child.stdin.take().map(LineQueue::new);
        wait_for_exit(group, sender.clone());
        pass_signals(signals, sender);
        let client = AcpClient::start(run);
        let (has_exited, is_urgent) = (false, false);
        Self { child, group, client, inputs, outbox, stderr, stderr_end, has_exited, is_urgent }
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
                Some(AcpInput::Line(line)) => {
                    pass_on(&line);
                    self.client.line(&line);
                }
                Some(AcpInput::Oversized(beginning)) => self.client.oversized(&beginning),
                Some(AcpInput::Signal(SIGTERM | SIGHUP)) if !self.is_urgent => {
                    self.is_urgent = true;
                    self.client.cancel();
                }
                // A second signal, or one from a terminal: at once.
                Some(AcpInput::Signal(_)) => return Ok(false),
                Some(AcpInput::Exited) => {
                    self.has_exited = true;
                    exited = Some(Instant::now());
                }
                Some(AcpInput::Closed) => self.agent_closed(),
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
                ClientEffect::Send(line) => {
                    let unread = self.outbox.as_mut().map_or(0, |outbox| outbox.send(line));
                    if unread > UNREAD_MAX {
                        self.client.fail("it asks and does not read the answers");
                        return self.serve();
                    }
                }
                ClientEffect::Print(event) => print(&event)?,
                ClientEffect::End { success } => return Ok(Some(success)),
            }
        }
        Ok(None)
    }

    fn next(&self, until: Option<Instant>) -> Option<AcpInput> {
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
        if let Some(end) = self.stderr_end.as_ref().filter(|_| status.is_some()) {
            // What it has started may keep it open.
            let _ = end.recv_timeout(LAST_OUTPUT);
        }
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
                Some(AcpInput::Exited) => self.has_exited = true,
                Some(AcpInput::Signal(_)) if self.is_urgent => break,
                Some(AcpInput::Signal(_)) => self.is_urgent = true,
                Some(_) => {}
                None => break,
            }
        }
        if self.has_exited { self.child.wait().ok() } else { None }
    }
}

fn wait_for_exit(group: Option<Pid>, inputs: SyncSender<AcpInput>) {
    let Some(pid) = group else { return };
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        let _ = inputs.send(AcpInput::Exited);
    });
}

fn pass_signals(mut signals: signal_hook::iterator::Signals, inputs: SyncSender<AcpInput>) {
    thread::spawn(move || {
        for signal in signals.forever() {
            if inputs.send(AcpInput::Signal(signal)).is_err() {
                return;
            }
        }
    });
}
