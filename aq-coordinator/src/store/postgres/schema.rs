//! The migrations of the schema.

use super::fault::TransactionFault;
use super::tx::PostgresTransaction;
use crate::store::StoreError;

/// Migration N brings schema N - 1 to N.
const MIGRATIONS: [&str; 7] = [
    include_str!("../migrations/postgres/0001.sql"),
    include_str!("../migrations/postgres/0002.sql"),
    include_str!("../migrations/postgres/0003.sql"),
    include_str!("../migrations/postgres/0004.sql"),
    include_str!("../migrations/postgres/0005.sql"),
    include_str!("../migrations/postgres/0006.sql"),
    include_str!("../migrations/postgres/0007.sql"),
];

/// Of the advisory lock that makes coordinators that start at once take turns: `aq` in ASCII.
const TURN: i64 = 0x6171;

impl PostgresTransaction {
    /// Applies what is missing.
    pub(crate) async fn migrate(&self) -> Result<bool, TransactionFault> {
        self.batch("SET LOCAL statement_timeout = 0").await?;
        self.run("SELECT pg_advisory_xact_lock($1)", &[&TURN]).await?;
        self.batch("CREATE TABLE IF NOT EXISTS aq_schema (version BIGINT NOT NULL)").await?;
        let found = self.version().await?;
        let known = MIGRATIONS.len();
        if found as usize > known {
            return Err(StoreError::TooNew { found, known: known as u32 }.into());
        }
        for migration in &MIGRATIONS[found as usize..] {
            self.batch(migration).await?;
        }
        self.batch("DELETE FROM aq_schema").await?;
        self.run("INSERT INTO aq_schema VALUES ($1)", &[&(known as i64)]).await?;
        self.start().await
    }

    /// Checks that the schema is this program's.
    pub(crate) async fn check(&self) -> Result<(), TransactionFault> {
        let known = MIGRATIONS.len() as u32;
        let there = self.one("SELECT to_regclass('aq_schema') IS NOT NULL", &[]).await?;
        let found = if there.try_get(0)? { self.version().await? } else { 0 };
        match found {
            found if found > known => Err(StoreError::TooNew { found, known }.into()),
            found if found < known => Err(StoreError::TooOld { found, known }.into()),
            _ => Ok(()),
        }
    }

    async fn version(&self) -> Result<u32, TransactionFault> {
        let row = self.one("SELECT coalesce(max(version), 0) FROM aq_schema", &[]).await?;
        Ok(crate::store::columns::small(row.try_get(0)?))
    }
}
