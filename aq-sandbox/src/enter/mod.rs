//! A process of one thread enters a box and starts the command there.
//!
//! Three processes are at work. The *outer* one makes the namespaces and mounts, stays outside of
//! the new process namespace, passes signals on and ends as the command does. The *inner* one is
//! the first process inside: it gives up what is left of its rights, collects orphans, and its end
//! is the end of all. The third becomes the command.

pub(crate) mod filter;
mod inner;
mod landlocked;
pub(crate) mod mounts;
pub(crate) mod namespaces;
mod notices;
mod outer;
pub(crate) mod own_places;
mod path_calls;
pub(crate) mod rights;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::link;
use crate::plan::BoxPlan;
use crate::probe::try_kernel;

/// The first argument of a program that enters a box.
pub(crate) const BOX: &str = "box";

/// The argument in place of a plan with which the program says what the kernel gives.
pub(crate) const TRIAL: &str = "--try";

/// Code with which a program ends that could not make its box.
pub const NO_BOX: i32 = 125;

/// A step on the way into a box that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {source}")]
pub(crate) struct EnterError {
    step: String,
    pub(crate) source: io::Error,
}

/// Names the step that failed.
pub(crate) trait Step<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, EnterError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, EnterError> {
        self.map_err(|source| EnterError { step: step(), source: source.into() })
    }
}

/// Enters a box when the arguments, the program's own name first, are `PROGRAM box PLAN --
/// COMMAND...`, as [`BoxLaunch`](crate::BoxLaunch) makes them, and returns the code to end with;
/// ends by the command's signal itself. `None` when they are others.
///
/// To be called first thing in `main`, while there is one thread.
pub fn enter_if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<i32> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != BOX {
        return None;
    }
    let plan = arguments.next()?;
    if plan == TRIAL {
        return Some(match serde_json::to_writer(io::stdout(), &try_kernel()) {
            Ok(()) => 0,
            Err(_) => NO_BOX,
        });
    }
    if arguments.next()? != "--" {
        return None;
    }
    let command: Vec<OsString> = arguments.collect();
    if command.is_empty() {
        return None;
    }
    Some(enter(Path::new(&plan), &command))
}

fn enter(plan: &Path, command: &[OsString]) -> i32 {
    // Without the launcher nobody hears why; the code alone has to do.
    let Ok(plan) = BoxPlan::read(plan) else { return NO_BOX };
    let Ok(control) = link::connect(&plan.dir) else { return NO_BOX };
    outer::run(&plan, control, command)
}
