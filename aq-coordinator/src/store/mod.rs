//! Where the ledger is kept: one contract, [`Store`], and the databases that keep it.

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
    BeatAnswer, Changes, ClaimAnswer, Cursor, Dated, FactoryRow, Feed, Granted, HostSlots,
    JobDetail, JobPage, LeaseStand, Numbers, Registration, ReportRecord, Submitted, Ticked,
};
pub use echoes::{News, NewsPage, Told, Turn};
pub use error::StoreError;
pub use forgetting::Forgotten;
pub use postgres::PostgresStore;
pub use requests::{Beat, ClaimPlan, Clock, JobFilter, Pick};
pub(crate) use shape::{clean, fields_of, tally};
pub use sqlite::SqliteStore;
pub use totals::Totals;
pub use traits::{Answer, Store};
