//! The numbers of jobs whose records `clean` has put away: `.state/spent`, one JSON object a line,
//! only appended to.
//!
//! A record gets `spent_at`, then its line is written, each synced; then the record goes. A
//! line is the same as another one of its job and `spent_at`, and gives way to a record that has
//! both: whatever is killed when, a job is counted once.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use aq_ledger::{KeyName, RecordContent, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::durable::{not_opened, sync_dir};
use super::error::{Result, StoreIo};
use super::queue_dir::QueueDir;
use super::transition::HeldJob;

/// The keys of a record that numbers are made of.
const KEPT: [RecordKey; 22] = [
    RecordKey::Engine,
    RecordKey::Profile,
    RecordKey::Result,
    RecordKey::EndedAt,
    RecordKey::Attempts,
    RecordKey::DurationS,
    RecordKey::InputTokens,
    RecordKey::CachedTokens,
    RecordKey::CacheWriteTokens,
    RecordKey::OutputTokens,
    RecordKey::ReasoningTokens,
    RecordKey::CostUsd,
    RecordKey::UsageEstimated,
    RecordKey::TotalDurationS,
    RecordKey::TotalInputTokens,
    RecordKey::TotalCachedTokens,
    RecordKey::TotalCacheWriteTokens,
    RecordKey::TotalOutputTokens,
    RecordKey::TotalReasoningTokens,
    RecordKey::TotalCostUsd,
    RecordKey::TrackerItem,
    RecordKey::TrackerEchoed,
];

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 64 << 10;

/// One job at the time at which its record was put away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentLine {
    /// The job.
    pub id: JobId,
    /// The folder that it was in.
    pub stage: Stage,
    spent_at: String,
    values: BTreeMap<String, String>,
}

impl SpentLine {
    /// A value of its record.
    pub fn get(&self, key: RecordKey) -> Option<&str> {
        self.values.get(key.text()).map(String::as_str)
    }

    fn of_record(id: &JobId, stage: Stage, spent_at: String, meta: &RecordContent) -> Self {
        let kept =
            KEPT.iter().filter_map(|&key| Some((key.text().to_owned(), meta.get(key)?.to_owned())));
        Self { id: id.clone(), stage, spent_at, values: kept.collect() }
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let word = |key: &str| value[key].as_str();
        let values = value["record"].as_object()?.iter();
        let values = values.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.into())));
        Some(Self {
            id: word("job")?.parse().ok()?,
            stage: word("stage")?.parse().ok()?,
            spent_at: word(RecordKey::SpentAt.text())?.to_owned(),
            values: values.collect(),
        })
    }

    fn to_line(&self) -> String {
        let (id, stage) = (self.id.as_str(), self.stage.folder());
        let mark = RecordKey::SpentAt.text();
        let line = json!({ "job": id, "stage": stage, mark: self.spent_at, "record": self.values });
        format!("{line}\n")
    }

    /// Answers whether this record is the one that the line was made of.
    pub(crate) fn is_of(&self, id: &JobId, meta: &RecordContent) -> bool {
        self.id == *id && meta.get(RecordKey::SpentAt) == Some(&self.spent_at)
    }
}

fn spent_file(queue: &QueueDir) -> PathBuf {
    queue.state().join("spent")
}

/// Marks the record of a job that is about to be put away, and answers its line.
pub(super) fn mark_spent(job: &mut HeldJob, now: Timestamp) -> Result<SpentLine> {
    if job.meta().get(RecordKey::SpentAt).is_none() {
        job.append(&RecordUpdate::new().set(RecordKey::SpentAt, now))?;
    }
    let spent_at = job.meta().get(RecordKey::SpentAt).unwrap_or_default().to_owned();
    Ok(SpentLine::of_record(job.id(), job.stage(), spent_at, job.meta()))
}

/// Appends lines, durably.
pub(super) fn append_spent(queue: &QueueDir, lines: &[SpentLine]) -> Result<()> {
    let path = spent_file(queue);
    let is_new = !path.exists();
    let written = open(queue, true).and_then(|mut file| {
        let mut text = String::new();
        if !ends_in_newline(&mut file)? {
            // A torn line is one of its own.
            text.push('\n');
        }
        lines.iter().for_each(|line| text.push_str(&line.to_line()));
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.at("write", &path)?;
    if is_new { sync_dir(&queue.state()) } else { Ok(()) }
}

fn open(queue: &QueueDir, writes: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(writes)
        .create(writes)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(spent_file(queue))
        .map_err(not_opened)
}

fn ends_in_newline(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The jobs whose records were put away, each once, in the order in which they were written first.
/// Lines that cannot be read, a torn one at the end among them, do not count.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn spent(queue: &QueueDir) -> Result<Vec<SpentLine>> {
    spent_of_last(queue, u64::MAX)
}

/// As [`spent`], of the last `most` bytes of the file.
///
/// # Errors
/// As [`spent`].
pub fn spent_of_last(queue: &QueueDir, most: u64) -> Result<Vec<SpentLine>> {
    let path = spent_file(queue);
    let file = match open(queue, false) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.at("open", &path)?,
    };
    read(file, most).at("read", &path)
}

fn read(mut file: File, most: u64) -> io::Result<Vec<SpentLine>> {
    let start = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut file = BufReader::new(file);
    if start > 0 {
        file.skip_until(b'\n')?;
    }
    let mut found: Vec<SpentLine> = Vec::new();
    let mut known: BTreeMap<(JobId, String), usize> = BTreeMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(found);
        }
        if line.last() != Some(&b'\n') {
            // Torn at the end, or too long.
            file.skip_until(b'\n')?;
            continue;
        }
        let Some(one) = str::from_utf8(&line).ok().and_then(SpentLine::parse) else { continue };
        match known.get(&(one.id.clone(), one.spent_at.clone())) {
            Some(&at) => found[at] = one,
            None => {
                known.insert((one.id.clone(), one.spent_at.clone()), found.len());
                found.push(one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    fn line(name: &str, at: &str, cost: &str) -> SpentLine {
        let meta = RecordContent::parse(&format!("total_cost_usd={cost}\nmessage=secret\n"));
        SpentLine::of_record(&id(name), Stage::Failed, at.to_owned(), &meta)
    }

    fn costs(queue: &TestQueue) -> Vec<String> {
        let cost =
            |line: &SpentLine| line.get(RecordKey::TotalCostUsd).unwrap_or_default().to_owned();
        spent(queue).unwrap().iter().map(cost).collect()
    }

    #[test]
    fn a_line_counts_once() {
        let queue = TestQueue::new();
        assert_eq!(costs(&queue), [""; 0]);
        append_spent(&queue, &[line("a", "1", "1"), line("b", "1", "2")]).unwrap();
        append_spent(&queue, &[line("a", "1", "3"), line("a", "2", "4")]).unwrap();
        assert_eq!(costs(&queue), ["3", "2", "4"]);
        let text = std::fs::read_to_string(queue.state().join("spent")).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn torn_lines_harm_no_other() {
        let queue = TestQueue::new();
        append_spent(&queue, &[line("a", "1", "1")]).unwrap();
        let path = queue.state().join("spent");
        let whole = std::fs::read_to_string(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, format!("{whole}{}", &whole[..cut])).unwrap();
            assert_eq!(costs(&queue), ["1"], "{cut}");
            append_spent(&queue, &[line("b", "1", "2")]).unwrap();
            assert_eq!(costs(&queue), ["1", "2"], "{cut}");
        }
        let long = "x".repeat(1 << 17);
        let text = format!("{long}\n{whole}[]\n{{\"job\":\"../x\"}}\n");
        std::fs::write(&path, text).unwrap();
        assert_eq!(costs(&queue), ["1"]);
    }
}
