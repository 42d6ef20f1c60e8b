//! Where the ledger is kept: one contract, [`CoordinatorStore`], and the databases that keep it.

mod answers;
mod columns;
mod echoes;
mod error;
mod forgetting;
mod postgres;
mod requests;
mod shape;
mod sqlite;
mod table;
mod totals;
mod traits;

pub use answers::{
    BeatAnswer, ChangeCursor, ChangedRows, ClaimAnswer, DatedAnswer, FactoryRow, FeedMessages,
    FleetNumbers, GrantedJob, HostSlots, JobDetail, JobPage, LeaseStand, RegistrationAnswer,
    ReportRecord, SubmitResult, TickReport,
};
pub use echoes::{DeliveryAck, PendingUpdate, PendingUpdates, SenderLease};
pub use error::StoreError;
pub use forgetting::ForgetReport;
pub use postgres::PostgresStore;
pub use requests::{ClaimPlan, ClockSource, HeartbeatRow, JobFilter, PlannedPick};
pub(crate) use shape::{clean, fields_of, tally};
pub use sqlite::SqliteStore;
pub use totals::JobTotals;
pub use traits::{Answer, CoordinatorStore};
