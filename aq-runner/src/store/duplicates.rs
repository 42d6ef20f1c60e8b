//! Jobs that lie in two folders.
//!
//! A rename is one step, but a power cut may bring the old name back as long as its folder was not
//! synced: then the job's file has two names. Which one is right the record says, because a step
//! that is promised is on the disk there before its rename. The others were promised to nobody:
//! where the record names neither, the earlier folder of the two is taken, so that no work counts
//! as done which may not be.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;

use aq_ledger::steps::{SetAside, folder_of};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::durable::rename_new;
use super::error::{Result, StoreIo};
use super::ingest::rename_if_taken;
use super::queue_dir::QueueDir;
use super::transition::HeldJob;

/// The fate of a job's second file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DuplicateOutcome {
    /// It was the same file, and is removed.
    Removed {
        /// Its folder.
        from: Stage,
        /// The job's folder.
        kept: Stage,
    },
    /// It was another file, and is a job of its own now: one in the inbox waits there, any other
    /// one is set aside in `quarantine/`.
    Renamed {
        /// Its folder.
        from: Stage,
        /// Its name now.
        new: JobId,
    },
}

impl fmt::Display for DuplicateOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { from, kept } => {
                write!(f, "it was in {from}/ and in {kept}/, where it belongs and is now")
            }
            Self::Renamed { from: Stage::Inbox, new } => {
                write!(f, "another file of its name was in inbox/, and is {new} now")
            }
            Self::Renamed { from, new } => write!(
                f,
                "another file of its name was in {from}/, and is {new} in quarantine/ now: \
                look at it"
            ),
        }
    }
}

/// The jobs that seem to lie in more than one folder, in no order. One that moves at this moment
/// may be among them.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn doubled(queue: &QueueDir) -> Result<HashSet<JobId>> {
    // Of each name a digest, because a queue may have many jobs; two names of one digest are looked
    // at and found to be two jobs.
    let digests = RandomState::new();
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for stage in Stage::ALL {
        let again = queue.each_job(stage)?.filter(|id| !seen.insert(digests.hash_one(id)));
        twice.extend(again);
    }
    Ok(twice)
}

impl HeldJob {
    /// Leaves the job in one folder. Nothing is lost: only another name of the same file is
    /// removed.
    ///
    /// # Errors
    /// When a file cannot be read, renamed or removed.
    pub(crate) fn resolve_duplicates(&mut self, now: Timestamp) -> Result<Vec<DuplicateOutcome>> {
        let queue = self.queue().clone();
        // A folder or a link in the way of a job is no file of it.
        let is_file = |stage: &Stage| {
            let about = queue.job_file(*stage, self.id()).symlink_metadata();
            about.is_ok_and(|about| about.is_file())
        };
        let places: Vec<Stage> = Stage::ALL.into_iter().filter(is_file).collect();
        if places.len() < 2 {
            return Ok(Vec::new());
        }
        let kept = folder_of(self.meta(), &places);
        self.lies_in(kept);
        let mut done = Vec::new();
        for from in places.into_iter().filter(|&from| from != kept) {
            let file = queue.job_file(from, self.id());
            if is_same(&queue, self.id(), kept, from)? {
                std::fs::remove_file(&file).at("remove the second name", &file)?;
                done.push(DuplicateOutcome::Removed { from, kept });
                continue;
            }
            let new = match from {
                // As in each turn of the loop.
                Stage::Inbox => rename_if_taken(&queue, self.id())?,
                _ => Some(set_aside(&queue, self.id(), from, kept, now)?),
            };
            done.extend(new.map(|new| DuplicateOutcome::Renamed { from, new }));
        }
        Ok(done)
    }
}

/// Tests for two files of a job that are one, or one and a copy that was put back together with it.
/// A person's copy in the inbox is younger than the file, and is to be a new job.
fn is_same(queue: &QueueDir, id: &JobId, kept: Stage, other: Stage) -> Result<bool> {
    let about = |stage| {
        let path = queue.job_file(stage, id);
        path.symlink_metadata().at("look at", &path)
    };
    let (a, b) = (about(kept)?, about(other)?);
    if (a.dev(), a.ino()) == (b.dev(), b.ino()) {
        return Ok(true);
    }
    let of_one_time = (a.mtime(), a.mtime_nsec()) == (b.mtime(), b.mtime_nsec());
    let texts = (queue.read_job(kept, id), queue.read_job(other, id));
    let is_copy = matches!(texts, (Ok(a), Ok(b)) if a == b);
    Ok(is_copy && (of_one_time || other != Stage::Inbox))
}

/// Gives a file that is not the job's, or not any more, a name of its own in `quarantine/`.
fn set_aside(
    queue: &QueueDir,
    id: &JobId,
    from: Stage,
    kept: Stage,
    now: Timestamp,
) -> Result<JobId> {
    let is_free = |new: &JobId| {
        queue.find(new).is_none() && !queue.meta(new).exists() && !queue.wip_base(new).exists()
    };
    let new = (2..).map(|n| id.numbered(n)).find(is_free).expect("some number is free");
    let file = queue.job_file(from, id);
    let to = queue.job_file(Stage::Quarantine, &new);
    rename_new(&file, &to).at("set aside", &file)?;
    let why =
        format!("it lay in {from}/ under the name of {id}, which is in {kept}/ and another file");
    HeldJob::lock(queue, &new)?.step(&SetAside { message: &why }, now)?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};
    use aq_ledger::RecordKey;

    fn resolve_duplicates(queue: &TestQueue) -> Vec<DuplicateOutcome> {
        let mut job = HeldJob::lock(queue, &id("a")).unwrap();
        let done = job.resolve_duplicates(Timestamp::UNIX_EPOCH).unwrap();
        assert!(queue.has(job.stage(), &id("a")));
        assert!(doubled(queue).unwrap().is_empty());
        done
    }

    /// A job whose last step was to `told`, with its file in these folders.
    fn linked(told: &str, stages: &[Stage]) -> TestQueue {
        let queue = TestQueue::new();
        queue.place("a", stages[0], "x");
        for &stage in &stages[1..] {
            let file = queue.job_file(stages[0], &id("a"));
            std::fs::hard_link(file, queue.job_file(stage, &id("a"))).unwrap();
        }
        std::fs::write(queue.meta(&id("a")), format!("moved_to={told}\n")).unwrap();
        assert_eq!(doubled(&queue).unwrap().len(), 1);
        queue
    }

    #[test]
    fn record_decides_which_name_stays() {
        use Stage::{Building, Failed, Inbox, Review, Shipped, Testing};
        for (told, stages, kept) in [
            ("failed", &[Inbox, Failed][..], Failed),
            ("inbox", &[Inbox, Failed], Inbox),
            ("shipped", &[Inbox, Testing, Shipped], Shipped),
            ("", &[Inbox, Failed], Inbox),
            ("building", &[Review, Testing], Review),
            ("moon", &[Building, Review], Building),
        ] {
            let queue = linked(told, stages);
            let gone = stages.iter().copied().filter(|&from| from != kept);
            let gone: Vec<_> = gone.map(|from| DuplicateOutcome::Removed { from, kept }).collect();
            assert_eq!(resolve_duplicates(&queue), gone, "{told} {stages:?}");
            assert!(queue.has(kept, &id("a")));
            assert_eq!(resolve_duplicates(&queue), [], "twice changes nothing");
        }
    }

    #[test]
    fn copies_go_but_persons_stay() {
        for (stage, is_new, stays) in
            [(Stage::Review, true, false), (Stage::Inbox, false, false), (Stage::Inbox, true, true)]
        {
            let queue = linked("failed", &[Stage::Failed, stage]);
            let copy = queue.job_file(stage, &id("a"));
            std::fs::remove_file(&copy).unwrap();
            std::fs::write(&copy, "x").unwrap();
            let kept = queue.job_file(Stage::Failed, &id("a")).metadata().unwrap();
            let time = kept.modified().unwrap() + std::time::Duration::from_secs(u64::from(is_new));
            let file = std::fs::File::options().append(true).open(&copy).unwrap();
            file.set_modified(time).unwrap();
            let done = resolve_duplicates(&queue);
            if stays {
                assert_eq!(done, [DuplicateOutcome::Renamed { from: stage, new: id("a-2") }]);
                assert!(queue.has(Stage::Inbox, &id("a-2")));
            } else {
                assert_eq!(done, [DuplicateOutcome::Removed { from: stage, kept: Stage::Failed }]);
            }
        }
    }

    #[test]
    fn what_is_no_file_is_left_where_it_is() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Building, "x");
        std::fs::write(queue.meta(&id("a")), "moved_to=testing\n").unwrap();
        std::fs::create_dir(queue.job_file(Stage::Testing, &id("a"))).unwrap();
        let mut job = HeldJob::lock(&queue, &id("a")).unwrap();
        assert_eq!(job.resolve_duplicates(Timestamp::UNIX_EPOCH).unwrap(), []);
        assert_eq!(job.stage(), Stage::Building);
        assert!(queue.has(Stage::Building, &id("a")) && queue.has(Stage::Testing, &id("a")));
    }

    #[test]
    fn another_file_is_never_removed() {
        let queue = linked("failed", &[Stage::Failed, Stage::Testing]);
        let other = queue.job_file(Stage::Testing, &id("a"));
        std::fs::remove_file(&other).unwrap();
        std::fs::write(&other, "y").unwrap();
        // Of this one a branch may be left.
        std::fs::write(queue.wip_base(&id("a-2")), "").unwrap();
        let new = id("a-3");
        assert_eq!(
            resolve_duplicates(&queue),
            [DuplicateOutcome::Renamed { from: Stage::Testing, new: new.clone() }]
        );
        assert_eq!(queue.read_job(Stage::Quarantine, &new).unwrap(), "y");
        assert_eq!(queue.record("a-3").get(RecordKey::MovedTo), Some("quarantine"));
        assert!(queue.record("a-3").get(RecordKey::Message).unwrap().contains("testing/"));
    }

    #[test]
    fn words_name_what_became_of_it() {
        let words = |resolved: DuplicateOutcome| resolved.to_string();
        let removed = words(DuplicateOutcome::Removed { from: Stage::Inbox, kept: Stage::Failed });
        assert_eq!(removed, "it was in inbox/ and in failed/, where it belongs and is now");
        let renamed = |from| words(DuplicateOutcome::Renamed { from, new: id("a-2") });
        let waiting = "another file of its name was in inbox/, and is a-2 now";
        assert_eq!(renamed(Stage::Inbox), waiting);
        let aside = "another file of its name was in review/, and is a-2 in quarantine/ now: \
                     look at it";
        assert_eq!(renamed(Stage::Review), aside);
    }

    #[test]
    fn numbers_in_use_are_passed_over() {
        let queue = linked("failed", &[Stage::Failed, Stage::Testing]);
        let other = queue.job_file(Stage::Testing, &id("a"));
        std::fs::remove_file(&other).unwrap();
        std::fs::write(&other, "y").unwrap();
        // One is a job, of one only the record is left, and of one the branch.
        std::fs::write(queue.job_file(Stage::Inbox, &id("a-2")), "z").unwrap();
        std::fs::write(queue.meta(&id("a-3")), "").unwrap();
        std::fs::write(queue.wip_base(&id("a-4")), "").unwrap();
        assert_eq!(
            resolve_duplicates(&queue),
            [DuplicateOutcome::Renamed { from: Stage::Testing, new: id("a-5") }]
        );
    }
}
