//! A thread pool that lets aq's scheduler decide what its threads do.
//!
//! `cargo run -p aq-examples --example embed_scheduler`
//!
//! The scheduler knows no thread and no clock. This program owns both: it asks for a plan, starts
//! what the plan says, prints why the others wait, and sleeps until a thread ends or the plan's
//! `wake_at` comes.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use aq_manifest::{FailureClass, JobId, Priority, RetryBackoff, RetryPolicy};
use aq_scheduler::{
    AfterFailure, EngineState, HostLimits, JobQueue, JobState, ScheduledJob, SchedulerHost,
    SettledAs, after_failure,
};
use jiff::Timestamp;

type Failure = Box<dyn std::error::Error>;

/// The duration of a job, to have something to look at; `flaky` fails once.
const WORK: Duration = Duration::from_millis(80);

fn main() -> Result<(), Failure> {
    let mut queue = JobQueue::new();
    let here = queue.add_host(SchedulerHost {
        engines: [("thread".to_owned(), EngineState::READY)].into(),
        limits: HostLimits { max: 2, max_review: None },
        ..SchedulerHost::default()
    });
    for job in jobs()? {
        queue.insert(job, JobState::WAITING)?;
    }
    let (initial, max) = (Duration::from_millis(150), Duration::from_secs(1));
    let backoff = RetryBackoff { initial, factor: 2.0, max };
    let retry = RetryPolicy { max: 2, backoff, on: vec![FailureClass::Crash] };
    let mut flaky_attempts = 0;
    let (ended, ends) = mpsc::channel::<JobId>();

    loop {
        let now = Timestamp::now();
        let plan = queue.plan(here, now)?;
        for id in queue.order() {
            if let Some(reason) = queue.explain(&plan, id) {
                say(&format!("  {id:<8} waits: {reason}"));
            }
        }
        for start in &plan.start {
            say(&format!("{:<10} starts on a {}", start.job, start.engine));
            let running = JobState::Running { host: here, engine: start.engine.clone() };
            queue.set_state(&start.job, running)?;
            let (ended, job) = (ended.clone(), start.job.clone());
            thread::spawn(move || {
                thread::sleep(WORK);
                // Nobody listens any more only when main has given up.
                drop(ended.send(job));
            });
        }
        if !queue.will_progress(here) {
            break;
        }
        let Some(job) = next_event(&ends, plan.wake_at)? else { continue };
        let failed = job.as_str() == "flaky" && flaky_attempts == 0;
        let state = if failed {
            flaky_attempts += 1;
            match after_failure(Some(&retry), FailureClass::Crash, flaky_attempts, Timestamp::now())
            {
                AfterFailure::Requeue { not_before } => {
                    JobState::Waiting { not_before: Some(not_before) }
                }
                AfterFailure::Exhausted | AfterFailure::NotRetried => {
                    JobState::Settled(SettledAs::Failed)
                }
            }
        } else {
            JobState::Settled(SettledAs::Shipped)
        };
        say(&format!("{job:<10} {}", if failed { "failed" } else { "is done" }));
        queue.set_state(&job, state)?;
    }
    say(&format!("done; {} left that nothing here can start", queue.counts().waiting));
    Ok(())
}

/// Waits for the end of a job, or for the time at which the plan may change by itself.
fn next_event(
    ends: &mpsc::Receiver<JobId>,
    wake_at: Option<Timestamp>,
) -> Result<Option<JobId>, Failure> {
    let Some(wake_at) = wake_at else { return Ok(Some(ends.recv()?)) };
    let pause = Timestamp::now().until(wake_at)?.total(jiff::Unit::Second)?;
    match ends.recv_timeout(Duration::from_secs_f64(pause.max(0.0))) {
        Ok(job) => Ok(Some(job)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(gone @ RecvTimeoutError::Disconnected) => Err(gone.into()),
    }
}

fn jobs() -> Result<Vec<ScheduledJob>, Failure> {
    let job = |id: &str, deps: &[&str], lock: Option<&str>| -> Result<ScheduledJob, Failure> {
        Ok(ScheduledJob {
            key: Some(id.to_owned()),
            deps: deps.iter().map(|&dep| dep.to_owned()).collect(),
            lock: lock.map(str::to_owned),
            engines: vec!["thread".to_owned()],
            ..ScheduledJob::new(id.parse()?, Timestamp::now())
        })
    };
    Ok(vec![
        job("schema", &[], Some("database"))?,
        job("seed", &["schema"], Some("database"))?,
        job("indexes", &["schema"], Some("database"))?,
        ScheduledJob { priority: Priority::High, ..job("docs", &[], None)? },
        job("flaky", &[], None)?,
        job("release", &["seed", "indexes", "docs", "flaky"], None)?,
        job("orphan", &["never-added"], None)?,
    ])
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn say(line: &str) {
    println!("{line}");
}
