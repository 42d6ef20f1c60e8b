//! The file of SQLite on a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aq_coordinator::ledger::LeaseTiming;
use aq_coordinator::store::{ClockSource, CoordinatorStore, SqliteStore, StoreError};

use crate::lab::submission;

/// A small file system of its own, for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    /// `None` for who may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, LeaseTiming::new(Duration::from_secs(60)), ClockSource::Database)
}

#[tokio::test]
async fn full_disk_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(dir.path()) else {
        println!("NOT TESTED: mounting a file system takes root");
        return;
    };
    let path = dir.path().join("fleet.db");
    let store = open(&path).unwrap();
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    let filler = dir.path().join("filler");
    let fill = || assert!(fs::write(&filler, vec![0; 2 << 20]).is_err());
    fill();
    assert_eq!(store.ping().await, Err(StoreError::DiskFull));
    let mut large = submission("a");
    large.manifest = "word ".repeat(50_000);
    assert_eq!(store.submit(large.clone(), None).await, Err(StoreError::DiskFull));
    // A start says so, too.
    let path = dir.path().join("new.db");
    let started = match open(&path) {
        Ok(store) => store.migrate().await,
        Err(error) => Err(error),
    };
    assert_eq!(started, Err(StoreError::DiskFull));
    fs::remove_file(&filler).unwrap();
    let store = open(&path).unwrap();
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    store.submit(large, None).await.unwrap();
}
