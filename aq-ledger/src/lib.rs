//! The record of a job on one host: its keys, its text, and its typed content.
//!
//! [`RecordKey`] is the table of keys. [`RecordContent`] reads the text of a record and keeps every
//! line of it; [`RecordUpdate`] is what is appended. [`JobRow`] is the content with each value in
//! its type, and exists only where every value parses. [`steps`] has every step of a job's life:
//! what it needs, and what it writes.
//!
//! ```
//! use aq_ledger::{JobRow, RecordContent, RecordKey, RecordUpdate};
//! use aq_manifest::{Priority, Stage};
//!
//! let update = RecordUpdate::new().set(RecordKey::Priority, Priority::High);
//! let content = RecordContent::parse(&(update.to_text() + "attempts=2\nnewer=kept\n"));
//! let id = "fix-login".parse()?;
//! let row = JobRow::new(&id, Stage::Inbox, &content)?;
//! assert_eq!((row.priority(), row.attempts()), (Some(Priority::High), Some(2)));
//!
//! let damaged = RecordContent::parse("attempts=2\npriority=urgent\n");
//! let problem = JobRow::new(&id, Stage::Inbox, &damaged).unwrap_err();
//! assert_eq!(problem.line(), Some(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate does not do: it opens no file, reads no clock and starts nothing.
#![warn(missing_docs)]

mod content;
mod escape;
mod key;
mod key_name;
mod key_sets;
mod problem;
mod row;
pub mod steps;
mod table;
mod update;
mod value;

pub use content::{KeyValues, RecordContent};
pub use escape::{join_list, split_list};
pub use key::{KeyGroup, Lifetime};
pub use key_name::{KeyName, LengthIndex};
pub use key_sets::{
    ATTEMPT_KEYS, FLEET_KEYS, HOST_LACK_KEYS, RUN_KEYS, TRAIN_WAIT_KEYS, WORKER_KEYS,
};
pub use problem::{READ_FORMAT, RecordProblem};
pub use row::JobRow;
pub use table::RecordKey;
pub use update::RecordUpdate;
pub use value::{CommitName, FleetId, FullBranch, LandingIntent, MarkedOne, RecordValue};
