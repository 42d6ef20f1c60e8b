//! A service that runs two queues, and ends them when their work is done.
//!
//! `cargo run -p aq-runner --example serve_queue`
//!
//! The program is its own worker, so nothing else needs to be installed. No signal is taken: a
//! service that has handlers of its own keeps them.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use aq_manifest::{JobId, Stage};
use aq_runner::run::{
    LoopProgress, ProcessEnvironment, QueueSettings, RunHandle, RunOptions, add_context, start,
    work_if_asked,
};
use aq_runner::store::{JobDraft, QueueDir, add};
use jiff::Timestamp;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // First of all: a worker is this program, started by a loop.
    if let Some(done) = work_if_asked(std::env::args_os()) {
        return Ok(done?);
    }
    // Takes tokens out of the process, so that no agent inherits them.
    let environment = ProcessEnvironment::take();
    let dir = tempfile::tempdir()?;
    let (ends, ended) = channel();
    let mut loops = Vec::new();
    for name in ["frontend", "backend"] {
        let home = dir.path().join(name);
        let queue = QueueDir::init(&home.join("queue"))?;
        put_in(&queue, &environment, &home, "hello", &format!("echo from {name}\n"))?;
        loops.push(serve(&queue, environment.clone(), name, ends.clone())?);
    }
    for _ in &loops {
        let (queue, job, stage) = ended.recv()?;
        writeln!(std::io::stdout(), "{queue}: {job} came to {stage}/")?;
        if stage != Stage::Testing {
            return Err("its log says why".into());
        }
    }
    for handle in loops {
        handle.stop();
        let summary = handle.join()?;
        writeln!(std::io::stdout(), "a loop has ended after {} job", summary.ended)?;
    }
    Ok(())
}

fn put_in(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    dir: &Path,
    name: &str,
    script: &str,
) -> Result<(), Failure> {
    let text = format!("---\nengine: shell\n---\n{script}");
    let draft = JobDraft::new(format!("{name}.md"), JobId::new(name)?, text);
    let context = add_context(queue, environment, dir.to_owned(), Timestamp::now());
    add(queue, &[draft], &context)?;
    Ok(())
}

/// Starts the loop of a queue. It ends with the handle.
fn serve(
    queue: &QueueDir,
    environment: ProcessEnvironment,
    name: &'static str,
    ends: Sender<(&'static str, JobId, Stage)>,
) -> Result<RunHandle, Failure> {
    let settings = QueueSettings::load(queue, environment)?;
    let options = RunOptions { max: 4, ..RunOptions::new(std::env::current_exe()?) };
    let handle = start(queue, settings, options, move |progress| {
        if let LoopProgress::Ended { id, stage, .. } = progress {
            // Main may have given up.
            let _ = ends.send((name, id.clone(), stage));
        }
    })?;
    Ok(handle)
}
