//! Where the ledger is kept: one contract, [`Store`], and the databases that keep it.

mod answers;
mod error;
mod requests;
mod traits;

pub use answers::{
    BeatAnswer, Changes, ClaimAnswer, Cursor, Dated, FactoryRow, Feed, Granted, JobDetail, JobPage,
    LeaseStand, Numbers, ReportRecord, Submitted, Ticked,
};
pub use error::StoreError;
pub use requests::{Beat, ClaimPlan, Clock, JobFilter, Pick};
pub use traits::{Answer, Store};
