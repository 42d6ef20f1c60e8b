//! Processes: who they are, how a worker is started, how one command is run with its whole tree
//! under control, and how what a dead supervisor left is found.
//!
//! This module knows nothing of jobs, queues or engines. A worker process calls
//! [`ProcessSupervisor::install`] once and then [`ProcessSupervisor::run`] for each command, one
//! after the other.
//!
//! Why nothing escapes (Linux): the supervisor is a *subreaper*, so a process that loses its
//! parent, in whatever session it is, becomes the supervisor's child. "I have no child left" is
//! therefore one system call and a proof that nothing of the command is left. Linux is what is
//! tested; the macOS side was compiled but never run, and has no such proof.
//!
//! ```no_run
//! use aq_runner::process::{
//!     CommandInput, DrainTimes, ObserverVerdict, OutputObserver, OutputStream, ProcessSupervisor,
//!     SupervisedCommand,
//! };
//!
//! struct Count(usize);
//!
//! impl OutputObserver for Count {
//!     fn output(&mut self, _: OutputStream, chunk: &[u8]) -> ObserverVerdict {
//!         self.0 += chunk.len();
//!         ObserverVerdict::Continue
//!     }
//! }
//!
//! let mut supervisor = ProcessSupervisor::install()?;
//! let task = SupervisedCommand {
//!     program: "wc".into(),
//!     args: vec!["-c".into()],
//!     cwd: "/".into(),
//!     env: std::env::vars_os().collect(),
//!     stdin: CommandInput::Bytes(b"a prompt".to_vec()),
//!     deadline: None,
//!     settle: None,
//!     grace: SupervisedCommand::GRACE,
//!     drain: DrainTimes::default(),
//! };
//! let ended = supervisor.run(task, &mut Count(0))?;
//! assert_eq!(ended.left, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cgroup;
mod file_limit;
mod follow;
mod identity;
mod os;
mod pipes;
mod poll;
mod reap;
mod secrets;
mod spawn;
mod start;
mod stop_signals;
mod supervisor;
mod sweep;
mod task;
mod tree;

pub use cgroup::{CgroupError, ControlGroup};
pub use file_limit::{has_file_limit, survive_file_limit};
pub use identity::{BootId, ProcessId, ProcessIdError};
pub use rustix::process::Signal;
pub use secrets::take_secrets;
pub use spawn::{DetachedWorker, spawn_detached, take_line};
pub use start::SuperviseError;
pub(crate) use stop_signals::StopSignals;
pub use supervisor::ProcessSupervisor;
pub use sweep::{ProcessMarkers, SweepReport, sweep};
pub use task::{
    CommandInput, CommandOutcome, DrainTimes, EndCause, ExitReport, ObserverVerdict,
    OutputObserver, OutputStream, SupervisedCommand,
};
