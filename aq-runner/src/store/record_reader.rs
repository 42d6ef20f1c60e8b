//! Records of many jobs, read one after the other with few calls each.

use std::io;
use std::os::fd::OwnedFd;

use aq_ledger::RecordContent;
use aq_manifest::{JobId, Stage};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, read, retry_on_intr};

use super::error::{Result, StoreIo};
use super::meta::read_values;
use super::queue_dir::QueueDir;
use super::record::JobRecord;

/// Room for a record as most are, in bytes.
const ROOM: usize = 16 << 10;

/// A reader of records that keeps their folder open.
#[derive(Debug)]
pub(crate) struct RecordReader<'a> {
    queue: &'a QueueDir,
    folder: OwnedFd,
    room: Vec<u8>,
}

impl<'a> RecordReader<'a> {
    /// Opens the folder.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(queue: &'a QueueDir) -> Result<Self> {
        let dir = queue.meta_dir();
        let folder = std::fs::File::open(&dir).at("open", &dir)?;
        Ok(Self { queue, folder: folder.into(), room: vec![0; ROOM] })
    }

    /// As [`JobRecord::read`].
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn read(&mut self, stage: Stage, id: JobId) -> Result<JobRecord> {
        let meta = match self.whole_text(&id) {
            Ok(Some(text)) => RecordContent::parse(text),
            // A long record, a pipe, a refusal: all of that is known there.
            Ok(None) | Err(_) => read_values(&self.queue.meta(&id))?,
        };
        Ok(JobRecord { id, stage, meta })
    }

    /// The text of a record, when the room is enough and it is text.
    fn whole_text(&mut self, id: &JobId) -> io::Result<Option<&str>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = format!("{id}.meta");
        let file = match retry_on_intr(|| openat(&self.folder, &name, flags, Mode::empty())) {
            Err(Errno::NOENT) => return Ok(Some("")),
            file => file?,
        };
        let mut length = 0;
        loop {
            let room = &mut self.room[length..];
            if room.is_empty() {
                return Ok(None);
            }
            let size = room.len();
            let read = retry_on_intr(|| read(&file, &mut *room))?;
            length += read;
            // Less than there is room for, and a whole line: that is all of it.
            let is_end = read == 0 || (read < size && self.room[length - 1] == b'\n');
            if is_end {
                return Ok(std::str::from_utf8(&self.room[..length]).ok());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn records_are_read_alike() {
        let queue = TestQueue::new();
        let long = format!("message={}\nattempts=2\n", "x".repeat(2 * ROOM));
        let exact = format!("attempts=1\nmessage={}\n", "x".repeat(ROOM - 20));
        assert_eq!(exact.len(), ROOM);
        let texts = [
            &b""[..],
            b"attempts=1\n",
            b"attempts=1\nresult=cra",
            b"message=\xff\n",
            b"attempts=1\nmessage=a\\nb\n",
            long.as_bytes(),
            exact.as_bytes(),
        ];
        let mut reader = RecordReader::open(&queue).unwrap();
        let mut read_both = |name: &str| {
            let one = reader.read(Stage::Inbox, id(name)).unwrap().meta;
            let other = JobRecord::read(&queue, Stage::Inbox, id(name)).unwrap().meta;
            assert_eq!(one, other, "{name}");
        };
        read_both("none");
        for (n, text) in texts.into_iter().enumerate() {
            fs::write(queue.meta(&id(&format!("job{n}"))), text).unwrap();
            read_both(&format!("job{n}"));
        }
        nix::unistd::mkfifo(&queue.meta(&id("pipe")), nix::sys::stat::Mode::S_IRWXU).unwrap();
        read_both("pipe");
        fs::create_dir(queue.meta(&id("dir"))).unwrap();
        assert!(reader.read(Stage::Inbox, id("dir")).is_err());
    }
}
