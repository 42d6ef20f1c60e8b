//! The index by idempotency key: a small file a key, so that a look-up reads one file however
//! long the queue is. It is derived: an entry counts only while the job that it names says so.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use aq_ledger::{KeyValues, RecordContent, RecordKey, RecordUpdate, key_names};
use aq_manifest::{JobId, Stage};
use sha2::{Digest, Sha256};

use super::durable::{UnsyncedFile, sync_together, unsynced_dir};
use super::error::{Result, StoreIo};
use super::meta::read_values;
use super::queue_dir::QueueDir;

key_names! {
    /// A key of the files of the index.
    enum IndexKey {
        /// The idempotency key.
        Key = "key",
        /// The job that holds it.
        Job = "job",
        /// The job that held it before, and holds it still when `job` was never written.
        Before = "before",
        /// `1`: some job was ever added that waits for it.
        Awaited = "awaited",
    }
}

/// A job that holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// The job.
    pub id: JobId,
    /// Its folder.
    pub stage: Stage,
}

/// The job that holds an idempotency key, if one does: one small file is read for it.
///
/// # Errors
/// When the index cannot be read.
pub fn holder(queue: &QueueDir, key: &str) -> Result<Option<KeyHolder>> {
    KeyIndex::new(queue).holder(key)
}

/// The index of one queue.
#[derive(Debug)]
pub(crate) struct KeyIndex<'a> {
    queue: &'a QueueDir,
}

impl<'a> KeyIndex<'a> {
    pub(crate) fn new(queue: &'a QueueDir) -> Self {
        Self { queue }
    }

    /// The job that holds `key`, if one does.
    pub(crate) fn holder(&self, key: &str) -> Result<Option<KeyHolder>> {
        self.holder_in(&read_values(&self.file(key))?, key)
    }

    fn holder_in(&self, entry: &KeyValues<IndexKey>, key: &str) -> Result<Option<KeyHolder>> {
        // The one that was to give its place to `job` holds it still when `job` never came.
        for place in [IndexKey::Job, IndexKey::Before] {
            let Some(id) = entry.parsed::<JobId>(place) else { continue };
            let Some(stage) = self.queue.find(&id) else { continue };
            // `clean` puts records away, but a finished job still holds its key.
            let meta: RecordContent = read_values(&self.queue.meta(&id))?;
            if meta.is_empty() || meta.get(RecordKey::IdempotencyKey) == Some(key) {
                return Ok(Some(KeyHolder { id, stage }));
            }
        }
        Ok(None)
    }

    /// Returns the keys that the unfinished job that holds `key` waits for; nothing when there is
    /// none.
    pub(crate) fn unfinished_deps(&self, key: &str) -> Result<Vec<String>> {
        match self.holder(key)? {
            Some(KeyHolder { id, stage }) if !stage.is_final() => {
                Ok(read_values(&self.queue.meta(&id))?.list(RecordKey::Deps))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Tests for a key that some added job waits for.
    pub(crate) fn is_awaited(&self, key: &str) -> Result<bool> {
        Ok(read_values(&self.file(key))?.get(IndexKey::Awaited).is_some())
    }

    /// Notes that `id` will hold `key` once it is there, durably: a key must not be given twice,
    /// not after a power cut, and not when the adder dies between this and the job's rename.
    /// Until then whoever holds it now goes on to.
    pub(crate) fn claim(&self, key: &str, id: &JobId) -> Result<()> {
        let noted = self.note_claim(key, id)?;
        sync_together(&[noted, unsynced_dir(self.queue.keys())?])
    }

    /// As [`Self::claim`]; the answer and the folder of the keys are still to be synced. The folder
    /// also where the file was there: who noted only that a job waits for the key made no promise.
    pub(crate) fn note_claim(&self, key: &str, id: &JobId) -> Result<UnsyncedFile> {
        let entry = read_values(&self.file(key))?;
        let before = self.holder_in(&entry, key)?.filter(|holder| holder.id != *id);
        let before = before.map_or(String::new(), |holder| holder.id.to_string());
        self.append(
            key,
            &entry,
            &RecordUpdate::new().set(IndexKey::Before, before).set(IndexKey::Job, id),
        )
    }

    /// Notes that a job waits for `key`.
    pub(crate) fn await_key(&self, key: &str) -> Result<()> {
        let entry = read_values(&self.file(key))?;
        if entry.get(IndexKey::Awaited).is_some() {
            return Ok(());
        }
        self.append(key, &entry, &RecordUpdate::new().set(IndexKey::Awaited, 1)).map(drop)
    }

    /// Adds to the file of a key, in which `entry` was read.
    fn append(
        &self,
        key: &str,
        entry: &KeyValues<IndexKey>,
        record: &RecordUpdate<IndexKey>,
    ) -> Result<UnsyncedFile> {
        let path = self.file(key);
        // A line that an earlier writer left torn, or a power cut, must not swallow the next one.
        let is_empty = path.symlink_metadata().map_or(true, |metadata| metadata.len() == 0);
        let mut text = String::from(if is_empty { "" } else { "\n" });
        if entry.get(IndexKey::Key).is_none() {
            text += &RecordUpdate::new().set(IndexKey::Key, key).to_text();
        }
        text += &record.to_text();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
            .open(&path)
            .at("open", &path)?;
        file.write_all(text.as_bytes()).at("append to", &path)?;
        Ok((file, path))
    }

    fn file(&self, key: &str) -> PathBuf {
        self.queue.keys().join(digest(key))
    }
}

/// A name for `text` that is safe in a path: keys and locks may hold anything.
pub(crate) fn digest(text: &str) -> String {
    use std::fmt::Write;
    let hash = Sha256::digest(text.as_bytes());
    hash[..16].iter().fold(String::new(), |mut out, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn an_entry_counts_while_its_job_says_so() {
        let queue = TestQueue::new();
        assert_eq!(holder(&queue, "k").unwrap(), None);
        queue.add(&[("a", "---\nidempotency-key: k\n---\nx\n")]).unwrap();
        let held = |stage| Some(KeyHolder { id: id("a"), stage });
        assert_eq!(holder(&queue, "k").unwrap(), held(Stage::Inbox));
        queue.shift("a", Stage::Inbox, Stage::Shipped);
        assert_eq!(holder(&queue, "k").unwrap(), held(Stage::Shipped));
        // `clean` takes the record, and the key is held all the same.
        let record = std::fs::read(queue.meta(&id("a"))).unwrap();
        std::fs::remove_file(queue.meta(&id("a"))).unwrap();
        assert_eq!(holder(&queue, "k").unwrap(), held(Stage::Shipped));
        // Another job of that name is another job.
        std::fs::write(queue.meta(&id("a")), [&record[..], b"idempotency_key=other\n"].concat())
            .unwrap();
        assert_eq!(holder(&queue, "k").unwrap(), None);
        std::fs::remove_file(queue.job_file(Stage::Shipped, &id("a"))).unwrap();
        assert_eq!(holder(&queue, "k").unwrap(), None);
    }

    /// A killed add leaves an empty one, a power cut one of zeros, and both half a line.
    #[test]
    fn torn_entry_takes_next_line() {
        let queue = TestQueue::new();
        let keys = KeyIndex::new(&queue);
        for torn in ["", "\0\0\0", "key", "key=k\nawai", "key=k\njob=b\n\0\0\0"] {
            std::fs::write(keys.file("k"), torn).unwrap();
            keys.claim("k", &id("a")).unwrap();
            let entry = read_values::<IndexKey>(&keys.file("k")).unwrap();
            assert_eq!(
                (entry.get(IndexKey::Key), entry.get(IndexKey::Job)),
                (Some("k"), Some("a")),
                "{torn:?}"
            );
            std::fs::write(keys.file("k"), torn).unwrap();
            keys.await_key("k").unwrap();
            assert!(keys.is_awaited("k").unwrap(), "{torn:?}");
        }
    }

    #[test]
    fn keys_may_hold_anything() {
        let queue = TestQueue::new();
        let keys = KeyIndex::new(&queue);
        for key in ["../../etc", "a/b", "\n", "ü=\\", "x".repeat(5_000).as_str()] {
            assert!(!keys.is_awaited(key).unwrap());
            keys.await_key(key).unwrap();
            assert!(keys.is_awaited(key).unwrap());
        }
        assert_eq!(std::fs::read_dir(queue.keys()).unwrap().count(), 5);
    }
}
