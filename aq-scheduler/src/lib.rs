//! The scheduling core of aq: which job runs next, and why the others do not.
//!
//! A [`Queue`] holds live jobs and is told what happens to them; [`Queue::plan`] says what a host
//! should do now, [`Queue::explain`] why a job waits. The same core serves a loop on one host, a
//! coordinator of many, and any program that embeds it.
//!
//! ```
//! use aq_scheduler::{EngineState, Host, Job, Queue, State};
//!
//! let now = "2026-01-01T09:00:00Z".parse()?;
//! let mut queue = Queue::new();
//! let engines = [("shell".to_owned(), EngineState::READY)].into();
//! let here = queue.add_host(Host { engines, ..Host::default() });
//! for id in ["first", "second"] {
//!     let job = Job { engines: vec!["shell".to_owned()], ..Job::new(id.parse()?, now) };
//!     queue.insert(job, State::WAITING)?;
//! }
//! let plan = queue.plan(here, now)?;
//! assert_eq!(plan.start[0].job.as_str(), "first");
//! let reason = queue.explain(&plan, &"second".parse()?).expect("it waits");
//! assert_eq!(reason.to_string(), "no free slot");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate does not do: it reads no clock (`now` is an argument), opens no file, starts
//! no process or thread, uses no network, environment or randomness, and knows no engine's name.
//! The same jobs told in any order give the same plan. An event costs what it touches, not the
//! size of the queue.
#![warn(missing_docs)]

mod admit;
mod arena;
mod class;
mod error;
mod graph;
mod host;
mod hosts;
mod job;
mod order;
mod plan;
mod queue;
mod rank;
mod ready;
mod retry;

pub use aq_reasons::{
    DependencyStatus, HeldBy, HostLack, HostResource, PendingDependency, SeenBy, WaitReason,
};
pub use error::QueueError;
pub use graph::Cycle;
pub use host::{EngineState, Host, HostId, Limits, Misfits};
pub use job::{Job, Settled, State};
pub use plan::{Plan, Rejection, Start};
pub use queue::{Counts, Queue};
pub use retry::{AfterFailure, after_failure};
