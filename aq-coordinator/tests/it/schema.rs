//! Schemas of other versions, and files that are no database.

use std::time::Duration;

use aq_coordinator::ledger::LeaseTiming;
use aq_coordinator::store::{ClockSource, CoordinatorStore, SqliteStore, StoreError};

fn open(path: &std::path::Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, LeaseTiming::new(Duration::from_secs(60)), ClockSource::Database)
}

#[tokio::test]
async fn older_and_a_newer_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fleet.db");
    let store = open(&path).unwrap();
    assert_eq!(store.ping().await, Err(StoreError::TooOld { found: 0, known: 7 }));
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 8).unwrap();
    let refused = StoreError::TooNew { found: 8, known: 7 };
    assert!(refused.to_string().contains("upgrade aq"), "{refused}");
    assert_eq!(store.migrate().await, Err(refused.clone()));
    assert_eq!(store.ping().await, Err(refused));
}

/// The first schema, with a row in what the second one changes.
#[tokio::test]
async fn first_schema_is_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fleet.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch(include_str!("../../src/store/migrations/sqlite/0001.sql")).unwrap();
    other
        .execute_batch(
            "PRAGMA user_version = 1; INSERT INTO factories VALUES ('a', 'h', '1', 'i', '[]', 1, \
            1, 1)",
        )
        .unwrap();
    let store = open(&path).unwrap();
    store.migrate().await.unwrap();
    let factories = store.factories(None, 9).await.unwrap().value;
    assert_eq!(factories.iter().map(|row| row.draining).collect::<Vec<_>>(), [false]);
}

#[tokio::test]
async fn files_that_are_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = open(&dir.path().join("no/such/folder/fleet.db")).unwrap_err();
    assert!(matches!(&nowhere, StoreError::Unavailable(why) if why.contains("folder must exist")));
    let path = dir.path().join("text.db");
    std::fs::write(&path, "this is no database, but long enough to have a header".repeat(9))
        .unwrap();
    let broken = open(&path).unwrap_err();
    assert!(matches!(broken, StoreError::Broken(_)), "{broken:?}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is"), "left as it is");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("fleet.db")).unwrap();
    store.migrate().await.unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: it holds prompts", file.path().display());
    }
}
