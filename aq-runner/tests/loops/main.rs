//! Run loops as a part of a program: this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aq_manifest::Stage;
use aq_runner::process::{ProcessId, Signal};
use aq_runner::run::{
    LoopProgress, ProcessEnvironment, QueueSettings, RunError, RunHandle, RunOptions, run_loop,
    start, stop_loop,
};
use aq_runner::store::{AddContext, JobDraft, QueueDir, add};
use jiff::Timestamp;
use program::probe;

// It is the program of a loop's worker.
#[path = "../process/program.rs"]
mod program;

const PATIENCE: Duration = Duration::from_secs(60);

/// The process has its signals once, and the tests of this file share it.
static SIGNALS: Mutex<()> = Mutex::new(());

fn signals_of_the_process() -> MutexGuard<'static, ()> {
    SIGNALS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A queue whose jobs find `WORD` in their environment.
struct Lab {
    dir: tempfile::TempDir,
    queue: QueueDir,
    word: &'static str,
}

/// A loop, and where its jobs came to rest.
struct Started {
    handle: RunHandle,
    ends: Receiver<(String, Stage)>,
    /// Moments at which the loop was about to sleep.
    rests: Receiver<()>,
}

impl Lab {
    fn new(word: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("queue")).unwrap();
        Self { dir, queue, word }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn add(&self, name: &str, script: &str) {
        let text = format!("---\nengine: shell\n---\n{script}\n");
        let draft = JobDraft::new(name.to_owned(), name.parse().unwrap(), text);
        let context = AddContext::new(self.dir.path().to_owned(), None, Timestamp::now());
        add(&self.queue, &[draft], &context).unwrap();
    }

    fn try_start(&self, options: RunOptions) -> Result<Started, RunError> {
        let own = [("WORD".into(), self.word.into()), ("HOME".into(), self.dir.path().into())];
        let path = std::env::var_os("PATH").map(|path| (OsString::from("PATH"), path));
        let environment = ProcessEnvironment::new(own.into_iter().chain(path));
        let settings = QueueSettings::load(&self.queue, environment).unwrap();
        let (to_ends, ends) = channel();
        let (to_rests, rests) = channel();
        let handle = start(&self.queue, settings, options, move |progress| {
            // A test that has seen enough does not listen.
            match progress {
                LoopProgress::Ended { id, stage, .. } => _ = to_ends.send((id.to_string(), stage)),
                LoopProgress::Idle(_) => _ = to_rests.send(()),
                _ => {}
            }
        })?;
        Ok(Started { handle, ends, rests })
    }

    fn start(&self) -> Started {
        self.try_start(RunOptions::new(probe().into())).unwrap()
    }
}

impl Started {
    fn expect_end(&self, name: &str) {
        let end = self.ends.recv_timeout(PATIENCE).unwrap();
        assert_eq!(end, (name.to_owned(), Stage::Testing));
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn refused_loops_leave_no_name() {
    let lab = Lab::new("x");
    let own = [("AQ_TRACKER_AUTO", "1"), ("AQ_TRACKER_TOKEN_FILE", "/nowhere/token")];
    let environment = ProcessEnvironment::new(own.map(|(name, value)| (name.into(), value.into())));
    let settings = QueueSettings::load(&lab.queue, environment).unwrap();
    let handle = start(&lab.queue, settings, RunOptions::new(probe().into()), |_| {}).unwrap();
    assert!(matches!(handle.join(), Err(RunError::Token(_))));
    assert!(run_loop(&lab.queue).unwrap().is_none());
}

/// The signals for which this process has a handler, as the system shows them.
fn caught_signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("SigCgt")).unwrap().to_owned()
}

#[test]
fn two_loops_share_a_process() {
    let _signals = signals_of_the_process();
    let caught = caught_signals();
    let (one, two) = (Lab::new("one"), Lab::new("two"));
    for lab in [&one, &two] {
        lab.add("first", "echo $WORD > out");
    }
    let (of_one, of_two) = (one.start(), two.start());
    of_one.expect_end("first");
    of_two.expect_end("first");
    assert_eq!((read(&one.path("out")), read(&two.path("out"))), ("one".into(), "two".into()));
    assert_eq!(caught_signals(), caught, "no signal is taken without being asked for");

    of_one.handle.stop();
    let summary = of_one.handle.join().unwrap();
    assert_eq!((summary.ended, summary.stopped, summary.signal), (1, true, None));
    two.add("second", "echo $WORD again > out");
    of_two.expect_end("second");
    assert_eq!(read(&two.path("out")), "two again");
    assert!(!of_two.handle.is_finished());
    drop(of_two.handle);
    assert!(run_loop(&two.queue).unwrap().is_none());
}

#[test]
fn jobs_outlive_a_stopped_loop() {
    let lab = Lab::new("x");
    lab.add("long", "echo up > up; until [ -e go ]; do sleep 0.02; done; echo $WORD > out");
    let first = lab.start();
    while !lab.path("up").exists() {
        assert!(!first.handle.is_finished());
        std::thread::yield_now();
    }
    first.handle.stop();
    assert_eq!(first.handle.join().unwrap().left_running, 1);
    let second = lab.start();
    // It has found the job at work: of one that had ended before it says nothing.
    second.rests.recv_timeout(PATIENCE).unwrap();
    std::fs::write(lab.path("go"), "").unwrap();
    second.expect_end("long");
    assert_eq!(read(&lab.path("out")), "x");
}

#[test]
fn dropped_handles_free_their_queue() {
    let lab = Lab::new("x");
    for _ in 0..3 {
        let started = lab.start();
        let second = lab.try_start(RunOptions::new(probe().into()));
        assert!(matches!(second, Err(RunError::AlreadyRunning { .. })));
        assert_eq!(run_loop(&lab.queue).unwrap().unwrap().pid, std::process::id());
        drop(started.handle);
        assert!(run_loop(&lab.queue).unwrap().is_none());
    }
}

#[test]
fn loops_give_signals_back() {
    let _signals = signals_of_the_process();
    let caught = caught_signals();
    let labs = [Lab::new("one"), Lab::new("two")];
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let options = RunOptions { take_signals: true, ..RunOptions::new(probe().into()) };
        let started = labs.each_ref().map(|lab| lab.try_start(options.clone()).unwrap());
        // A loop that has run a job has its signals.
        for (lab, started) in labs.iter().zip(&started) {
            lab.add(&format!("job-{}", signal.as_raw()), "true");
            started.expect_end(&format!("job-{}", signal.as_raw()));
        }
        assert_ne!(caught_signals(), caught);
        assert!(ProcessId::current().unwrap().signal(signal).unwrap());
        for Started { handle, .. } in started {
            let summary = handle.join().unwrap();
            assert_eq!((summary.signal, summary.stopped), (Some(signal.as_raw()), false));
        }
        assert_eq!(caught_signals(), caught);
    }
}

#[test]
fn stop_spares_the_program() {
    let lab = Lab::new("x");
    let started = lab.start();
    assert_eq!(stop_loop(&lab.queue).unwrap(), Some(std::process::id()));
    assert!(started.handle.join().unwrap().stopped);
    assert_eq!(stop_loop(&lab.queue).unwrap(), None);
    // The request was for that loop, and not for the next one.
    lab.add("next", "true");
    lab.start().expect_end("next");
}
