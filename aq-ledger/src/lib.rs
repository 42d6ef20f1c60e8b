#![doc = include_str!("../README.md")]
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
pub use key::{KeyGroup, KeyLifetime};
pub use key_name::{KeyName, LengthIndex};
pub use key_sets::{
    ATTEMPT_KEYS, DEPS_CONFLICT_KEYS, FLEET_KEYS, HOST_LACK_KEYS, RUN_KEYS, SESSION_KEYS,
    TRAIN_WAIT_KEYS, WORKER_KEYS,
};
pub use problem::{READ_FORMAT, RecordProblem};
pub use row::JobRow;
pub use table::RecordKey;
pub use update::RecordUpdate;
pub use value::{CommitName, FleetId, FullBranch, LandingIntent, MarkedOne, RecordValue};

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_caps, aq_manifest, aq_scheduler, jiff};
