//! Starts the probe, marks all that it starts, and finds what is left.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aq_runner::process::{ProcessId, Signal};

use crate::program::probe;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A word that is in the arguments or the environment of every process of one test.
pub(crate) fn new_mark() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let own = ProcessId::current().unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}.{}.{count}", own.pid(), own.start())
}

pub(crate) struct Probe {
    pub(crate) mark: String,
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
}

/// The end of one command, as the probe printed it.
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) took: Duration,
}

impl Probe {
    /// `orders` before the first `--`, then a command, more commands after further `--`.
    /// `MARK` in the arguments becomes the mark of this run.
    pub(crate) fn start(arguments: &[&str]) -> Probe {
        let mark = new_mark();
        let arguments = arguments.iter().map(|argument| argument.replace("MARK", &mark));
        let mut child = Command::new(probe())
            .args(arguments)
            .env("PROBE_MARK", &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Probe { mark, child, stdout }
    }

    /// Blocks until the command has printed a line.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let probe = ProcessId::of(self.child.id()).unwrap().unwrap();
        assert!(probe.signal(signal).unwrap());
    }

    /// Reads to the end. What holds a pipe of the probe open for ever is a failure of the test,
    /// which the test runner's time limit shows.
    pub(crate) fn finish(mut self) -> Report {
        let started = Instant::now();
        let mut stderr = self.child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).unwrap();
        let text = errors.join().unwrap();
        self.child.wait().unwrap();
        let is_report = |line: &&str| line.starts_with("ended ") || line.starts_with("error ");
        let lines = text.lines().filter(is_report).map(str::to_owned).collect();
        Report { lines, stdout, took: started.elapsed() }
    }
}

/// Runs the probe to its end.
pub(crate) fn run(arguments: &[&str]) -> Report {
    let probe = Probe::start(arguments);
    let mark = probe.mark.clone();
    let report = probe.finish();
    assert_eq!(alive(&mark), Vec::<u32>::new(), "processes were left: {:?}", report.lines);
    report
}

impl Report {
    /// The value of a key in the report of the only command.
    pub(crate) fn get(&self, key: &str) -> &str {
        assert_eq!(self.lines.len(), 1, "{:?}", self.lines);
        field(&self.lines[0], key)
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.get(key).parse().unwrap()
    }
}

/// The value of a key in one report line.
pub(crate) fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let found = line.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {key} in {line}"))
}

/// Every living process that has the mark in its arguments or environment.
pub(crate) fn alive(mark: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_mark = |pid: &u32| {
        ["cmdline", "environ"].iter().any(|file| {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.windows(mark.len()).any(|window| window == mark.as_bytes())
        })
    };
    pids.filter(has_mark).filter(|&pid| ProcessId::of(pid).unwrap().is_some()).collect()
}

/// Waits until a state is reached; fails when it never is.
pub(crate) fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < limit, "never came: {what}");
        std::thread::yield_now();
    }
}
