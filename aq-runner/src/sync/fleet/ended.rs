//! The fleet's jobs that this host has ended, kept on disk for a coordinator whose database was
//! restored from a backup: it is said again from where that database knows it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aq_fleet::protocol::{DatabaseId, EndedFleetJob, Epoch, FleetJobId, MAX_ENDED, ReleaseOutcome};
use serde::{Deserialize, Serialize};

/// Ends that are kept when a loop starts.
const KEPT: usize = 10_000;

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct EndedLine {
    database: DatabaseId,
    #[serde(flatten)]
    ended: EndedFleetJob,
}

/// The file, and beside it the database that the host's jobs come from.
#[derive(Clone, Debug)]
pub struct EndedLog {
    file: PathBuf,
    database: PathBuf,
}

impl EndedLog {
    /// The log in a directory that is there.
    pub fn in_dir(dir: &Path) -> Self {
        Self { file: dir.join("ended.jsonl"), database: dir.join("database") }
    }

    /// Notes where jobs come from now.
    pub fn follow(&self, database: &DatabaseId) {
        if self.followed().as_ref() != Some(database) {
            // Without it ends are not noted, as with a coordinator that says nothing of itself.
            let _ = fs::write(&self.database, format!("{database}\n"));
        }
    }

    /// The database that jobs come from, as soon as a coordinator has said it.
    pub fn followed(&self) -> Option<DatabaseId> {
        fs::read_to_string(&self.database).ok()?.trim().parse().ok()
    }

    /// Notes an end; it is on disk when this returns. The same twice does no harm.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(
        &self,
        job_id: FleetJobId,
        key: &str,
        epoch: Epoch,
        outcome: ReleaseOutcome,
    ) -> io::Result<()> {
        let Some(database) = self.followed() else { return Ok(()) };
        let last = self.lines().last().map_or(0, |line| line.ended.n);
        // Not from one on: a host whose disk was lost is not taken for the one that it was.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let n = u64::try_from(now).unwrap_or_default().max(last + 1);
        let ended = EndedFleetJob { n, job_id, key: key.to_owned(), epoch, outcome };
        let mut line = serde_json::to_vec(&EndedLine { database, ended })?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).open(&self.file)?;
        file.write_all(&line)?;
        file.sync_data()
    }

    /// The first ends of a database's jobs after a number, as many as can be said at once.
    pub fn after(&self, database: &DatabaseId, n: u64) -> Vec<EndedFleetJob> {
        let lines = self.lines().into_iter();
        let news = lines.filter(|line| line.database == *database && line.ended.n > n);
        news.map(|line| line.ended).take(MAX_ENDED).collect()
    }

    /// Drops the oldest ones when there are many.
    ///
    /// # Errors
    /// When the file cannot be written anew; then it stays as it is.
    pub fn trim(&self) -> io::Result<()> {
        let lines = self.lines();
        let Some(from) = lines.len().checked_sub(KEPT).filter(|&from| from > 0) else {
            return Ok(());
        };
        let mut text = Vec::new();
        for line in &lines[from..] {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        let new = self.file.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, &self.file)
    }

    /// The whole lines of the file: a torn one was never promised.
    fn lines(&self) -> Vec<EndedLine> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(log: &EndedLog, key: &str) {
        let job = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        log.note(job, key, Epoch(3), ReleaseOutcome::Shipped).unwrap();
    }

    #[test]
    fn ends_are_kept_by_database() {
        let dir = tempfile::tempdir().unwrap();
        let log = EndedLog::in_dir(dir.path());
        note(&log, "nobody's");
        let (one, two): (DatabaseId, DatabaseId) = ("one".parse().unwrap(), "two".parse().unwrap());
        log.follow(&one);
        for key in ["a", "b"] {
            note(&log, key);
        }
        log.follow(&two);
        note(&log, "c");
        let keys = |database: &DatabaseId, n| {
            log.after(database, n).into_iter().map(|ended| (ended.key, ended.n)).collect::<Vec<_>>()
        };
        let all = keys(&one, 0);
        assert_eq!(all.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(keys(&one, all[0].1), all[1..]);
        assert_eq!(keys(&two, 0).len(), 1);
        // A line that a power cut has torn.
        let text = fs::read_to_string(&log.file).unwrap();
        fs::write(&log.file, &text[..text.len() - 9]).unwrap();
        assert_eq!((keys(&one, 0).len(), keys(&two, 0).len()), (2, 0));
    }

    #[test]
    fn the_oldest_ends_go() {
        let dir = tempfile::tempdir().unwrap();
        let log = EndedLog::in_dir(dir.path());
        let line = |n: u64| {
            format!(
                "{{\"database\":\"d\",\"n\":{n},\"jobId\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\
                 \"key\":\"k\",\"epoch\":1,\"outcome\":\"failed\"}}\n"
            )
        };
        let many = KEPT as u64 + 5;
        fs::write(&log.file, (1..=many).map(line).collect::<String>()).unwrap();
        log.trim().unwrap();
        let left = log.after(&"d".parse().unwrap(), 0);
        assert_eq!((left.len(), left[0].n), (MAX_ENDED, 6));
    }
}
