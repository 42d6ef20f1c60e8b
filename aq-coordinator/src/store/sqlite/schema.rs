//! The file, and the migrations of its schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::file::{DatabaseFile, is_full};
use super::session::SqliteTransaction;
use crate::store::StoreError;

/// Migration N brings schema N - 1 to N.
const MIGRATIONS: [&str; 7] = [
    include_str!("../migrations/sqlite/0001.sql"),
    include_str!("../migrations/sqlite/0002.sql"),
    include_str!("../migrations/sqlite/0003.sql"),
    include_str!("../migrations/sqlite/0004.sql"),
    include_str!("../migrations/sqlite/0005.sql"),
    include_str!("../migrations/sqlite/0006.sql"),
    include_str!("../migrations/sqlite/0007.sql"),
];

/// How long a writer waits for its turn when another process writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the file, or makes it.
pub(crate) fn open(path: &Path) -> Result<(DatabaseFile, Connection), StoreError> {
    let file = DatabaseFile::open(path).map_err(|error| {
        if is_full(&error) {
            return StoreError::DiskFull;
        }
        StoreError::Unavailable(format!(
            "cannot open {}: {error}; its folder must exist and be writable",
            path.display()
        ))
    })?;
    match connect(&file) {
        Ok(connection) => Ok((file, connection)),
        Err(error) => Err(file.explain(error)),
    }
}

fn connect(file: &DatabaseFile) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A grant that was answered must survive a power cut, or its epoch would be drawn again.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Applies what is missing, all in the session's transaction.
pub(crate) fn migrate(session: &SqliteTransaction<'_>) -> Result<bool, StoreError> {
    let found = version(session)?;
    let known = MIGRATIONS.len();
    if found as usize > known {
        return Err(StoreError::TooNew { found, known: known as u32 });
    }
    for migration in &MIGRATIONS[found as usize..] {
        session.connection.execute_batch(migration)?;
    }
    session.connection.pragma_update(None, "user_version", known as u32)?;
    session.start()
}

/// Whether the schema is this program's, and there is room to go on.
pub(crate) fn check(session: &SqliteTransaction<'_>) -> Result<(), StoreError> {
    session.file.has_room()?;
    let found = version(session)?;
    let known = MIGRATIONS.len() as u32;
    match found {
        found if found > known => Err(StoreError::TooNew { found, known }),
        found if found < known => Err(StoreError::TooOld { found, known }),
        _ => Ok(()),
    }
}

fn version(session: &SqliteTransaction<'_>) -> Result<u32, StoreError> {
    Ok(session.connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
