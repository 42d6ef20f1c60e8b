//! Opens the store that the configuration names.

use std::sync::Arc;

use tracing::warn;

use super::config::DatabaseLocation;
use super::error::ServeError;
use crate::ledger::LeaseTiming;
use crate::store::{ClockSource, CoordinatorStore, PostgresStore, SqliteStore, StoreError};

/// Opens it and brings its schema up to date.
pub(super) async fn open(
    database: &DatabaseLocation,
    timing: LeaseTiming,
    run_doubted: bool,
) -> Result<Arc<dyn CoordinatorStore>, ServeError> {
    let failed = |source: StoreError| ServeError::Store { database: database.to_string(), source };
    let store: Arc<dyn CoordinatorStore> = match database {
        DatabaseLocation::Sqlite(file) => {
            Arc::new(SqliteStore::open(file, timing, ClockSource::Database).map_err(failed)?)
        }
        DatabaseLocation::Postgres(url) => {
            Arc::new(PostgresStore::new(url, timing, ClockSource::Database).map_err(failed)?)
        }
    };
    if store.migrate().await.map_err(failed)? {
        warn!(
            %database, lease = ?timing.lease,
            "a backup was restored: for one lease time nothing is granted and nothing ships, while \
             hosts say what they have ended since"
        );
    }
    if run_doubted {
        store.run_doubted().await.map_err(failed)?;
    }
    Ok(store)
}
