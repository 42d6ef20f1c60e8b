//! Records of jobs whose project was moved.

use std::path::Path;

use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::Stage;

use crate::store::{HeldJob, QueueDir, StoreError, below, read_values, record_fault};

/// One of the moves of a project.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordMove<'a> {
    /// The old top.
    pub(super) from: &'a Path,
    /// The new one.
    pub(super) to: &'a Path,
    /// Which of its moves this is, from 1.
    pub(super) number: usize,
}

/// Maps the records of all jobs that nobody holds, and counts those that are mapped then. A worker
/// maps what it needs by itself.
pub(super) fn map_records(queue: &QueueDir, step: &RecordMove<'_>) -> Result<usize, StoreError> {
    if step.from == step.to {
        return Ok(0);
    }
    let mut mapped = 0;
    for stage in Stage::ALL {
        for id in queue.jobs(stage)? {
            // Mostly a look is enough: what is not recorded there is not to be mapped.
            let meta = read_values(&queue.meta(&id))?;
            // One that cannot be used is mapped whenever its directory is asked for.
            if record_fault(&queue.meta(&id), &meta).is_some() {
                continue;
            }
            if record_of(&meta, step).is_none() {
                // Somebody came that far before, and no further.
                mapped += usize::from(moves(&meta) == step.number);
                continue;
            }
            let mut job = match HeldJob::lock(queue, &id) {
                Ok(job) => job,
                Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => continue,
                Err(e) => return Err(e),
            };
            if let Some(record) = record_of(job.meta(), step) {
                job.append(&record)?;
                mapped += 1;
            }
        }
    }
    Ok(mapped)
}

/// The moves for which a record was mapped.
fn moves(meta: &RecordContent) -> usize {
    meta.parsed(RecordKey::PlaceMoves).unwrap_or(0)
}

/// The lines to append to a job's record; `None` when nothing of it is in the old place.
fn record_of(meta: &RecordContent, step: &RecordMove<'_>) -> Option<RecordUpdate> {
    if moves(meta) >= step.number {
        return None;
    }
    let mapped = |key: RecordKey| {
        let place = below(Path::new(meta.get(key)?), step.from, step.to)?;
        Some(place.display().to_string())
    };
    let (cwd, lock, added_from) =
        (mapped(RecordKey::Cwd), mapped(RecordKey::Lock), mapped(RecordKey::AddedFrom));
    if cwd.is_none() && lock.is_none() && added_from.is_none() {
        return None;
    }
    let record = RecordUpdate::new().set_some(RecordKey::Cwd, cwd).set_some(RecordKey::Lock, lock);
    Some(record.set_some(RecordKey::AddedFrom, added_from).set(RecordKey::PlaceMoves, step.number))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    struct MoveLab {
        queue: TestQueue,
        old: PathBuf,
        new: PathBuf,
    }

    impl MoveLab {
        /// A queue with the jobs `a` and `b` in `old`, which was moved to `new`.
        fn new(new: &str) -> Self {
            let queue = TestQueue::new();
            let base = queue.base().canonicalize().unwrap();
            let (old, new) = (base.join("p"), base.join(new));
            for (name, dir) in [("a", &old), ("b", &old.join("src"))] {
                queue.place(name, Stage::Inbox, "x");
                let dir = dir.display();
                let meta = format!("cwd={dir}\nlock={dir}\nadded_from={dir}\n");
                std::fs::write(queue.meta(&id(name)), meta).unwrap();
            }
            Self { queue, old, new }
        }

        fn first(&self) -> RecordMove<'_> {
            RecordMove { from: &self.old, to: &self.new, number: 1 }
        }

        fn places(&self, name: &str) -> [PathBuf; 3] {
            let meta = self.queue.record(name);
            [RecordKey::Cwd, RecordKey::Lock, RecordKey::AddedFrom]
                .map(|key| meta.get(key).unwrap().into())
        }
    }

    #[test]
    fn directories_below_the_old_top_are_mapped_once() {
        // Mapped twice, a place below itself would be wrong.
        for new in ["p2", "p/p"] {
            let lab = MoveLab::new(new);
            let first = lab.first();
            assert_eq!(map_records(&lab.queue, &first).unwrap(), 2);
            assert_eq!(map_records(&lab.queue, &first).unwrap(), 2);
            assert_eq!(lab.places("a"), [(); 3].map(|()| lab.new.clone()), "{new}");
            assert_eq!(lab.places("b"), [(); 3].map(|()| lab.new.join("src")), "{new}");
        }
    }

    #[test]
    fn other_directories_and_held_jobs_stay() {
        let lab = MoveLab::new("p2");
        let elsewhere = "cwd=/elsewhere\nlock=mine\nadded_from=/elsewhere\n";
        std::fs::write(lab.queue.meta(&id("a")), elsewhere).unwrap();
        let held = HeldJob::lock(&lab.queue, &id("b")).unwrap();
        assert_eq!(map_records(&lab.queue, &lab.first()).unwrap(), 0);
        drop(held);
        assert_eq!(map_records(&lab.queue, &lab.first()).unwrap(), 1);
        let meta = std::fs::read_to_string(lab.queue.meta(&id("a"))).unwrap();
        assert_eq!(meta, elsewhere);
    }

    #[test]
    fn a_second_move_is_mapped_like_the_first() {
        let lab = MoveLab::new("p2");
        map_records(&lab.queue, &lab.first()).unwrap();
        let second = RecordMove { from: &lab.new, to: &lab.old, number: 2 };
        assert_eq!(map_records(&lab.queue, &second).unwrap(), 2);
        assert_eq!(lab.places("a"), [(); 3].map(|()| lab.old.clone()));
    }
}
