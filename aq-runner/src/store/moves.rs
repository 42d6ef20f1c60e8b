//! The steps of a job, read out of its record: the record is only appended to, so it has every
//! step there was, in order, also to a reader who was not there.

use std::io;

use aq_ledger::RecordContent;
use aq_manifest::{JobId, Stage};

use super::error::{Result, StoreIo};
use super::meta::{open_to_read, read_end};
use super::queue_dir::QueueDir;

/// The beginning of a step's last line.
const STEP: &[u8] = b"moved_to=";

/// A step in the record. The rename that follows it may still be to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedMove {
    /// Where to.
    pub(crate) to: Stage,
    /// The record as it was then.
    pub(crate) meta: RecordContent,
    /// Bytes of the record up to its end.
    pub(crate) end: u64,
}

/// The steps behind the first `from` bytes of a job's record. `None`, or a place that the record
/// does not have, means its last launch.
///
/// # Errors
/// When the record cannot be read.
pub(crate) fn moves(queue: &QueueDir, id: &JobId, from: Option<u64>) -> Result<Vec<RecordedMove>> {
    let (start, bytes) = read(queue, id)?;
    let from = from.map(|from| from.saturating_sub(start));
    let from = from.and_then(|from| usize::try_from(from).ok()).filter(|&from| from <= bytes.len());
    let mut found = steps(&bytes, from);
    for step in &mut found {
        step.end += start;
    }
    Ok(found)
}

/// A record, and where in it that begins: see [`read_end`]. A job without one has nothing on
/// record.
fn read(queue: &QueueDir, id: &JobId) -> Result<(u64, Vec<u8>)> {
    let path = queue.meta(id);
    match open_to_read(&path).and_then(|mut file| read_end(&mut file)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok((0, Vec::new())),
        other => other.at("read", &path),
    }
}

/// The lines that end a step, each with where it goes and its end.
fn ends(bytes: &[u8]) -> impl Iterator<Item = (Stage, usize)> {
    let mut at = 0;
    bytes.split_inclusive(|&b| b == b'\n').filter_map(move |line| {
        at += line.len();
        let stage = line.strip_prefix(STEP)?.strip_suffix(b"\n")?;
        Some((std::str::from_utf8(stage).ok()?.parse().ok()?, at))
    })
}

fn steps(bytes: &[u8], from: Option<usize>) -> Vec<RecordedMove> {
    let mut found = Vec::new();
    for (to, at) in ends(bytes) {
        if from.is_none() && to == Stage::Building {
            found.clear();
        }
        if from.is_none_or(|from| at > from) {
            found.push((to, at));
        }
    }
    let record = |end: usize| RecordContent::parse(&String::from_utf8_lossy(&bytes[..end]));
    found
        .into_iter()
        .map(|(to, end)| RecordedMove { to, meta: record(end), end: end as u64 })
        .collect()
}

/// Returns the lines that each step added to a job's record, in order; at the end those that were
/// added since the last one. Without the record before it, so that long ones are read once.
///
/// # Errors
/// When the record cannot be read.
pub(crate) fn additions(
    queue: &QueueDir,
    id: &JobId,
) -> Result<(Vec<(Stage, RecordContent)>, RecordContent)> {
    let (_, bytes) = read(queue, id)?;
    let mut found = Vec::new();
    let mut begun = 0;
    for (to, end) in ends(&bytes) {
        found.push((to, RecordContent::parse(&String::from_utf8_lossy(&bytes[begun..end]))));
        begun = end;
    }
    Ok((found, RecordContent::parse(&String::from_utf8_lossy(&bytes[begun..]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};
    use aq_ledger::RecordKey;

    const RECORD: &str = "a=1\nmoved_to=building\nattempts=1\nmoved_to=inbox\nmoved_to=building\n\
        attempts=2\nmoved_to=review\nresult=success\nmoved_to=testing\nmoved_to=ship";

    fn told(from: Option<usize>) -> Vec<(Stage, u32)> {
        let steps = steps(RECORD.as_bytes(), from);
        steps.iter().map(|step| (step.to, step.meta.count(RecordKey::Attempts))).collect()
    }

    #[test]
    fn each_step_is_told_with_the_record_of_then() {
        let last = [(Stage::Building, 1), (Stage::Review, 2), (Stage::Testing, 2)];
        assert_eq!(told(None), last);
        let all = [(Stage::Building, 0), (Stage::Inbox, 1)];
        assert_eq!(told(Some(0)), [&all[..], &last[..]].concat());
    }

    #[test]
    fn moves_are_read_once() {
        let steps = steps(RECORD.as_bytes(), Some(0));
        for (n, step) in steps.iter().enumerate() {
            let from = usize::try_from(step.end).unwrap();
            assert_eq!(told(Some(from)).len(), steps.len() - n - 1);
        }
    }

    #[test]
    fn piped_record_is_not_awaited() {
        let queue = TestQueue::new();
        nix::unistd::mkfifo(&queue.meta(&id("a")), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(moves(&queue, &id("a"), None).unwrap().len(), 0);
        assert!(additions(&queue, &id("a")).unwrap().0.is_empty());
    }
}
