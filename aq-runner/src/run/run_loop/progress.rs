//! The words of a run loop for the program around it: its progress, its result, its errors.

use std::io;
use std::path::PathBuf;

use aq_manifest::{JobId, Stage};
use aq_scheduler::QueueCounts;

use super::folders::{LostPart, shown_jobs, shown_place};
use crate::run::fleet::FleetSettingsError;
use crate::run::settings::SettingsError;
use crate::run::tokens::TokenFileError;
use crate::store::{JobRecord, StoreError};

/// A message of a loop while it runs. It prints nothing itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoopProgress<'a> {
    /// A job was started.
    Started {
        /// The job.
        id: &'a JobId,
        /// Its engine.
        engine: &'a str,
    },
    /// A job that ran has come to rest in a folder.
    Ended {
        /// The job.
        id: &'a JobId,
        /// Its folder.
        stage: Stage,
        /// Its record.
        record: &'a JobRecord,
    },
    /// A merge of the train has ended: the job is shipped, goes again, or has failed.
    Merged {
        /// The job.
        id: &'a JobId,
        /// Its folder.
        stage: Stage,
        /// Its record.
        record: &'a JobRecord,
    },
    /// A job was moved to failed/ without having run.
    Refused {
        /// The job.
        id: &'a JobId,
        /// Why.
        why: &'a str,
    },
    /// The pull request of a job is open, and waits for people. Said once a loop.
    PullRequest {
        /// The job.
        id: &'a JobId,
        /// Its page.
        url: &'a str,
    },
    /// Something went wrong that the loop can go on with.
    Trouble(&'a str),
    /// Something about the fleet that is no trouble.
    Fleet(&'a str),
    /// The loop is about to sleep.
    Idle(QueueCounts),
}

/// The reason why a loop did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// One is running.
    #[error("a run loop is at work on this queue already: process {pid}, since {since}")]
    AlreadyRunning {
        /// Its process.
        pid: String,
        /// When it started, in local time: it is for people.
        since: String,
    },
    /// The queue's config.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What this host is to be in a fleet.
    #[error(transparent)]
    Fleet(#[from] FleetSettingsError),
    /// A file that should hold a token.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory that the loop works on has not its place any more.
    #[error("{}{}{}", part.words(queue), shown_place(now_at.as_deref()), shown_jobs(going_on))]
    Lost {
        /// The path of the queue.
        queue: PathBuf,
        /// The part that is gone, or is another directory now.
        part: LostPart,
        /// The place of that part now, when the system knows it.
        now_at: Option<PathBuf>,
        /// Jobs whose supervisors go on without the loop.
        going_on: Vec<JobId>,
    },
    /// The operating system.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}
