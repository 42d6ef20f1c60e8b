//! Feedback that waits for the next attempt of a job, and the one that was delivered last.
//!
//! `feedback/JOB.md` waits; `.state/feedback/JOB` was delivered, and is kept for an attempt that
//! starts without its session. Both begin with a line of aq's own: a random id of the content, and
//! the bytes of the two sections behind it (earlier words of people, the last failure). The rest is
//! what people have said since.
//!
//! | step | after a crash behind it |
//! | --- | --- |
//! | an attempt fails: its failure goes into the file | the next attempt gets it |
//! | the job moves on | nothing to do |
//! | a person replies: the words go into the file, synced | they wait; again they add nothing |
//! | the job moves to the inbox, synced | nothing to do |
//! | an attempt begins: its feedback goes into the log | the log has it twice |
//! | into `.state/feedback/`, synced | the id is the same in both files: it counts once |
//! | out of `feedback/` | a session that is fresh, or not on record, gets it with its prompt |
//! | the record gets the session's id with `session_feedback=ID` | that session got it already |
//!
//! The last step is made when the engine names its session.
//! So a session gets a thing once, also when its worker dies, and one that knows nothing gets all
//! of it. Only between an engine's start and the line in which it names a session that it resumes,
//! the death of a worker makes aq say something twice to a session.
//!
//! Everybody who writes holds the lock `.state/feedback.lock`: a reply to a job that runs meets its
//! worker here.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aq_manifest::JobId;

use super::durable::{replace_durably, sync_dir};
use super::error::{Result, StoreIo};
use super::keys::digest;
use super::locks::FileLock;
use super::queue_dir::QueueDir;
use super::text::{UnreadableJob, read_text};

/// The beginning of the first line.
const HEADER: &str = "aq-feedback 1 ";

/// Bytes of a file at most, to be readable again. The oldest words go first.
const MAX_FILE: usize = 512 << 10;

/// Sections of feedback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFeedback {
    /// Random; names this content.
    pub id: String,
    /// Earlier words of people.
    pub earlier: String,
    /// The failure of the last attempt.
    pub failure: String,
    /// Words of people since then.
    pub words: String,
}

impl JobFeedback {
    /// Tests for no section at all.
    pub fn is_empty(&self) -> bool {
        self.earlier.is_empty() && self.failure.is_empty() && self.words.is_empty()
    }

    fn parse(text: &str) -> Self {
        let header = text.split_once('\n').and_then(|(line, rest)| {
            let mut fields = line.strip_prefix(HEADER)?.split(' ');
            let id = fields.next()?.to_owned();
            let [earlier, failure] = [fields.next()?.parse().ok()?, fields.next()?.parse().ok()?];
            Some((id, earlier, failure, rest))
        });
        let Some((id, earlier, failure, rest)) = header else {
            // A person has written it.
            return Self { id: digest(text), words: text.to_owned(), ..Self::default() };
        };
        // A person may have changed it.
        let cut = |at: usize| rest.floor_char_boundary(at.min(rest.len()));
        let (earlier, failure): (usize, usize) =
            (cut(earlier), cut(earlier.saturating_add(failure)));
        Self {
            id,
            earlier: rest[..earlier].to_owned(),
            failure: rest[earlier..failure].to_owned(),
            words: rest[failure..].to_owned(),
        }
    }

    fn to_text(&self) -> String {
        let Self { id, earlier, failure, words } = self;
        let (first, second) = (earlier.len(), failure.len());
        format!("{HEADER}{id} {first} {second}\n{earlier}{failure}{words}")
    }
}

/// Adds a section to others.
fn add_section(sections: &mut String, section: &str) {
    if !sections.is_empty() && !section.is_empty() {
        sections.push('\n');
    }
    sections.push_str(section);
}

/// The feedback of one job.
#[derive(Clone, Debug)]
pub struct FeedbackFile {
    queue: QueueDir,
    id: JobId,
}

/// The feedback that waits, and the one that was delivered last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackState {
    /// In `feedback/`.
    pub waiting: JobFeedback,
    /// In `.state/feedback/`.
    pub delivered: JobFeedback,
}

impl FeedbackFile {
    /// The feedback of this job, which need not be there.
    pub fn of(queue: &QueueDir, id: &JobId) -> Self {
        Self { queue: queue.clone(), id: id.clone() }
    }

    /// Reads both. Feedback that was delivered and is still in `feedback/` does not wait.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn read(&self) -> Result<FeedbackState> {
        let mut waiting = read(&self.waiting())?;
        let delivered = read(&self.delivered())?;
        if !waiting.id.is_empty() && waiting.id == delivered.id {
            waiting = JobFeedback::default();
        }
        Ok(FeedbackState { waiting, delivered })
    }

    /// Puts the failure of an attempt in the place of an earlier one. `id` is new and random.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_failure(&self, id: String, failure: String) -> Result<()> {
        let _lock = self.lock()?;
        let waiting = self.read()?.waiting;
        self.write_waiting(&JobFeedback { id, failure, ..waiting }, false)
    }

    /// Adds what a person says; the same words once more, while they wait, add nothing. Durable
    /// when this returns. `id` is new and random.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_words(&self, id: String, section: &str) -> Result<()> {
        let _lock = self.lock()?;
        let mut waiting = self.read()?.waiting;
        if waiting.words.ends_with(section) {
            return self.sync();
        }
        add_section(&mut waiting.words, section);
        self.write_waiting(&JobFeedback { id, ..waiting }, true)
    }

    /// Writes down that an attempt begins with `seen`, which it has read here. Later words stay.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn deliver(&self, seen: &JobFeedback) -> Result<()> {
        let _lock = self.lock()?;
        let FeedbackState { waiting, delivered } = self.read()?;
        if delivered.id != seen.id {
            let mut earlier = delivered.earlier;
            add_section(&mut earlier, &delivered.words);
            let over =
                (earlier.len() + seen.failure.len() + seen.words.len()).saturating_sub(MAX_FILE);
            earlier.drain(..earlier.ceil_char_boundary(over.min(earlier.len())));
            let now = JobFeedback { earlier, ..seen.clone() };
            self.write(&self.delivered(), &now)?;
        }
        let since = waiting.words.strip_prefix(seen.words.as_str()).unwrap_or_default();
        let since = since.trim_start_matches('\n').to_owned();
        if since.is_empty() {
            return remove(&self.waiting());
        }
        let rest =
            JobFeedback { id: format!("{}-2", waiting.id), words: since, ..JobFeedback::default() };
        self.write_waiting(&rest, true)
    }

    /// Drops failures, after an attempt that ended well. Words of people stay; answers whether
    /// there are such.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn forget_failures(&self) -> Result<bool> {
        if !self.is_there() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let FeedbackState { waiting, delivered } = self.read()?;
        let has_words = !waiting.words.is_empty();
        if !has_words {
            remove(&self.waiting())?;
        } else if !waiting.failure.is_empty() {
            let waiting = JobFeedback { failure: String::new(), ..waiting };
            self.write_waiting(&waiting, true)?;
        }
        if !delivered.failure.is_empty() {
            self.write(&self.delivered(), &JobFeedback { failure: String::new(), ..delivered })?;
        }
        Ok(has_words)
    }

    /// Removes everything, for a job that starts afresh.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove(&self) -> Result<()> {
        if !self.is_there() {
            return Ok(());
        }
        let _lock = self.lock()?;
        remove(&self.waiting())?;
        remove(&self.delivered())
    }

    /// Moves what waits into a folder, and removes what was delivered: a log has that.
    ///
    /// # Errors
    /// When a file cannot be moved.
    pub fn put_away(&self, archive: &Path) -> Result<()> {
        if !self.is_there() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let waiting = self.waiting();
        match fs::rename(&waiting, archive.join(format!("{}.feedback", self.id))) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e).at("archive", &waiting),
            _ => {}
        }
        remove(&self.delivered())
    }

    /// `feedback/JOB.md`.
    pub fn waiting(&self) -> PathBuf {
        self.queue.root().join(format!("feedback/{}.md", self.id))
    }

    fn delivered(&self) -> PathBuf {
        self.queue.state().join(format!("feedback/{}", self.id))
    }

    fn is_there(&self) -> bool {
        [self.waiting(), self.delivered()].iter().any(|path| path.symlink_metadata().is_ok())
    }

    fn lock(&self) -> Result<FileLock> {
        FileLock::waited_for(&self.queue.state().join("feedback.lock"))
    }

    fn write_waiting(&self, feedback: &JobFeedback, durable: bool) -> Result<()> {
        let path = self.waiting();
        let folder = path.parent().unwrap_or(&path);
        let is_new = make_folder(folder)?;
        replace_durably(&path, &self.through(), feedback.to_text().as_bytes())?;
        if is_new {
            sync_dir(self.queue.root())?;
        }
        if durable { sync_dir(folder) } else { Ok(()) }
    }

    fn write(&self, path: &Path, feedback: &JobFeedback) -> Result<()> {
        let folder = path.parent().unwrap_or(path);
        if make_folder(folder)? {
            sync_dir(&self.queue.state())?;
        }
        replace_durably(path, &self.through(), feedback.to_text().as_bytes())?;
        sync_dir(folder)
    }

    /// Makes what waits durable, which somebody may have written without that.
    fn sync(&self) -> Result<()> {
        let path = self.waiting();
        fs::File::open(&path).and_then(|file| file.sync_all()).at("sync", &path)?;
        sync_dir(path.parent().unwrap_or(&path))
    }

    /// The name of a file until it is whole.
    fn through(&self) -> PathBuf {
        self.queue.state().join(format!("tmp/.feedback-{}", self.id))
    }
}

/// Makes a folder of this user's own; answers whether it was not there.
fn make_folder(folder: &Path) -> Result<bool> {
    if folder.is_dir() {
        return Ok(false);
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.at("create", folder)?;
    Ok(true)
}

fn read(path: &Path) -> Result<JobFeedback> {
    match read_text(path) {
        Ok(text) => Ok(JobFeedback::parse(&text)),
        Err(e) if e.is_not_found() => Ok(JobFeedback::default()),
        Err(UnreadableJob::Io(e)) => Err(e).at("read", path),
        Err(other) => Err(io::Error::other(other.to_string())).at("read", path),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at("remove", path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    fn file(queue: &TestQueue) -> FeedbackFile {
        FeedbackFile::of(queue, &id("a"))
    }

    #[test]
    fn sections_are_read_back() {
        let queue = TestQueue::new();
        let file = file(&queue);
        assert_eq!(file.read().unwrap(), FeedbackState::default());
        file.put_failure("1".to_owned(), "é failed\n".to_owned()).unwrap();
        file.add_words("2".to_owned(), "do this\n").unwrap();
        file.add_words("3".to_owned(), "do that\n").unwrap();
        file.put_failure("4".to_owned(), "failed again\n".to_owned()).unwrap();
        let waiting = file.read().unwrap().waiting;
        assert_eq!((waiting.id.as_str(), waiting.failure.as_str()), ("4", "failed again\n"));
        assert_eq!(waiting.words, "do this\n\ndo that\n");
        let mode = file.waiting().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_same_words_wait_once() {
        let queue = TestQueue::new();
        let file = file(&queue);
        file.add_words("1".to_owned(), "do this\n").unwrap();
        file.add_words("2".to_owned(), "do this\n").unwrap();
        assert_eq!(file.read().unwrap().waiting.words, "do this\n");
    }

    #[test]
    fn later_words_wait_for_the_next_attempt() {
        let queue = TestQueue::new();
        let file = file(&queue);
        file.put_failure("1".to_owned(), "failed\n".to_owned()).unwrap();
        file.add_words("2".to_owned(), "one\n").unwrap();
        let seen = file.read().unwrap().waiting;
        file.add_words("3".to_owned(), "two\n").unwrap();
        file.deliver(&seen).unwrap();
        let FeedbackState { waiting, delivered } = file.read().unwrap();
        assert_eq!((waiting.words.as_str(), waiting.failure.as_str()), ("two\n", ""));
        assert_eq!(delivered, seen);
        file.deliver(&waiting).unwrap();
        let FeedbackState { waiting, delivered } = file.read().unwrap();
        assert!(waiting.is_empty() && !file.waiting().exists());
        assert_eq!((delivered.earlier.as_str(), delivered.words.as_str()), ("one\n", "two\n"));
        file.forget_failures().unwrap();
        assert_eq!(file.read().unwrap().delivered.earlier, "one\n");
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), FeedbackState::default());
    }

    #[test]
    fn what_is_in_both_files_counts_once() {
        let queue = TestQueue::new();
        let file = file(&queue);
        file.add_words("1".to_owned(), "one\n").unwrap();
        let text = fs::read(file.waiting()).unwrap();
        file.deliver(&file.read().unwrap().waiting).unwrap();
        // As a crash leaves it.
        fs::write(file.waiting(), text).unwrap();
        assert!(file.read().unwrap().waiting.is_empty());
        file.add_words("2".to_owned(), "two\n").unwrap();
        assert_eq!(file.read().unwrap().waiting.words, "two\n");
    }

    #[test]
    fn success_forgets_failures_and_keeps_words() {
        let queue = TestQueue::new();
        let file = file(&queue);
        file.put_failure("1".to_owned(), "failed\n".to_owned()).unwrap();
        file.forget_failures().unwrap();
        assert!(!file.waiting().exists());
        file.put_failure("1".to_owned(), "failed\n".to_owned()).unwrap();
        file.add_words("2".to_owned(), "one\n").unwrap();
        file.forget_failures().unwrap();
        let waiting = file.read().unwrap().waiting;
        assert_eq!((waiting.failure.as_str(), waiting.words.as_str()), ("", "one\n"));
    }

    #[test]
    fn file_by_hand_is_words() {
        let queue = TestQueue::new();
        let file = file(&queue);
        fs::create_dir(queue.root().join("feedback")).unwrap();
        for (text, want) in [
            ("Use tabs.\n", "Use tabs.\n"),
            ("aq-feedback 1 x 0 0\nUse tabs.\n", "Use tabs.\n"),
            ("aq-feedback 1 x 0 many\ny", "aq-feedback 1 x 0 many\ny"),
            ("aq-feedback 1 x 9 18446744073709551615\ny", ""),
        ] {
            fs::write(file.waiting(), text).unwrap();
            assert_eq!(file.read().unwrap().waiting.words, want, "{text:?}");
        }
    }
}
