//! A fleet job as this host's records show it.

use std::path::PathBuf;

use aq_fleet::protocol::{
    Epoch, FleetJobId, Identifier, LastFailure, LeaseRef, PushedCheckpoint, RunMetrics,
};
use aq_ledger::steps::NotePush;
use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::JobId;

use super::fleet_dir;
use crate::store::QueueDir;

/// The grant under which this host has a job. `None` for a job of the host's own.
pub(crate) fn lease(meta: &RecordContent) -> Option<LeaseRef> {
    let job_id: FleetJobId = meta.parsed(RecordKey::FleetJobId)?;
    let epoch: Epoch = meta.parsed(RecordKey::FleetLeaseEpoch)?;
    Some(LeaseRef { job_id, epoch })
}

/// The same, as long as the coordinator gets reports of the job. It has had the last word about one
/// that it has let ship.
pub(crate) fn told_lease(meta: &RecordContent) -> Option<LeaseRef> {
    lease(meta).filter(|_| !meta.has(RecordKey::FleetShips))
}

/// The place that the work was pushed to last, and the failure of the last attempt.
pub(crate) fn pushed(meta: &RecordContent) -> Option<PushedCheckpoint> {
    Some(PushedCheckpoint {
        branch: meta.parsed(RecordKey::PushedBranch)?,
        commit: meta.parsed(RecordKey::PushedCommit)?,
        remote: meta.get(RecordKey::PushedTo)?.to_owned(),
        repository: meta.get(RecordKey::PushedRepository).map(str::to_owned),
        failure: meta.get(RecordKey::FailureClass).map(|class| LastFailure {
            class: Identifier::lossy(class),
            attempts: meta.parsed(RecordKey::Attempts),
            files_changed: meta.parsed(RecordKey::FilesChanged),
        }),
    })
}

/// The note of a push, for [`pushed`].
pub(crate) fn pushed_note(done: &PushedCheckpoint) -> NotePush<'_> {
    NotePush::Pushed {
        branch: done.branch.as_str(),
        commit: done.commit.as_str(),
        remote: &done.remote,
        repository: done.repository.as_deref(),
    }
}

/// The numbers of a job's last run.
pub(crate) fn metrics(meta: &RecordContent) -> RunMetrics {
    let word = |key| meta.get(key).map(Identifier::lossy);
    RunMetrics {
        duration_s: meta.parsed(RecordKey::DurationS),
        exit: meta.parsed(RecordKey::Exit),
        attempts: meta.parsed(RecordKey::Attempts),
        files_changed: meta.parsed(RecordKey::FilesChanged),
        lines_added: meta.parsed(RecordKey::LinesAdded),
        lines_deleted: meta.parsed(RecordKey::LinesDeleted),
        input_tokens: meta.parsed(RecordKey::InputTokens),
        cached_tokens: meta.parsed(RecordKey::CachedTokens),
        output_tokens: meta.parsed(RecordKey::OutputTokens),
        cost_usd: meta.parsed(RecordKey::CostUsd),
        usage_estimated: meta.get(RecordKey::UsageEstimated).map(|value| value == "1"),
        engine: word(RecordKey::Engine),
        model: word(RecordKey::Model),
    }
}

/// A note that a job is here under a grant: made when the loop first sees it, and removed when the
/// coordinator knows of its end. It is what finds a job whose end was not sent before a crash.
#[derive(Debug)]
pub(crate) struct LeaseNote {
    path: PathBuf,
}

impl LeaseNote {
    pub(crate) fn of(queue: &QueueDir, id: &JobId) -> Self {
        Self { path: fleet_dir(queue).join("held").join(id.as_str()) }
    }

    /// The jobs that have one, in no order.
    pub(crate) fn all(queue: &QueueDir) -> Vec<JobId> {
        let entries = std::fs::read_dir(fleet_dir(queue).join("held")).into_iter().flatten();
        entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
    }

    pub(crate) fn note(&self) -> std::io::Result<()> {
        std::fs::write(&self.path, "")
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn forget(&self) {
        // One that cannot be removed is reported again, which changes nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use aq_manifest::Stage;
    use jiff::Timestamp;

    use super::*;
    use crate::store::HeldJob;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn report_numbers_go_on() {}

    #[test]
    fn a_push_on_record_is_where_the_work_is() {
        let checkpoint = PushedCheckpoint {
            branch: "aq/wip/a".parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            remote: "origin".to_owned(),
            repository: Some("git.example/app".to_owned()),
            failure: None,
        };
        let queue = TestQueue::new();
        queue.place("a", Stage::Building, "x");
        let mut job = HeldJob::lock(&queue, &id("a")).unwrap();
        job.step(&pushed_note(&checkpoint), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(pushed(job.meta()), Some(checkpoint));
        let text = std::fs::read_to_string(queue.meta(&id("a"))).unwrap();
        let failed = pushed(&RecordContent::parse(&(text + "failure_class=crash\nattempts=2\n")));
        let failure = failed.and_then(|checkpoint| checkpoint.failure).unwrap();
        assert_eq!((failure.class.as_str(), failure.attempts), ("crash", Some(2)));
        assert_eq!(
            pushed(&RecordContent::parse("pushed_branch=aq/wip/a\n")),
            None,
            "not all of it"
        );
    }

    #[test]
    fn numbers_are_told_as_far_as_they_are_known() {
        assert_eq!(metrics(&RecordContent::parse("")), RunMetrics::default());
        let meta = "duration_s=1.5\nexit=0\nattempts=2\nfiles_changed=3\nlines_added=4\n\
                    lines_deleted=5\ninput_tokens=6\ncached_tokens=7\noutput_tokens=8\n\
                    cost_usd=0.5\nusage_estimated=1\nengine=shell\nmodel=a b\nprompt=secret\n";
        let told = serde_json::to_value(metrics(&RecordContent::parse(meta))).unwrap();
        let want = serde_json::json!({
            "durationS": 1.5, "exit": 0, "attempts": 2, "filesChanged": 3, "linesAdded": 4,
            "linesDeleted": 5, "inputTokens": 6, "cachedTokens": 7, "outputTokens": 8,
            "costUsd": 0.5, "usageEstimated": true, "engine": "shell", "model": "a_b",
        });
        assert_eq!(told, want);
        assert_eq!(
            metrics(&RecordContent::parse("usage_estimated=0\n")).usage_estimated,
            Some(false)
        );
    }

    #[test]
    fn a_job_is_noted_until_its_end_was_told() {
        let queue = TestQueue::new();
        assert_eq!(LeaseNote::all(&queue), []);
        std::fs::create_dir_all(fleet_dir(&queue).join("held")).unwrap();
        let held = LeaseNote::of(&queue, &id("a"));
        assert!(!held.is_noted());
        held.note().unwrap();
        assert!(held.is_noted());
        assert_eq!(LeaseNote::all(&queue), [id("a")]);
        held.forget();
        assert!(!held.is_noted());
        assert_eq!(LeaseNote::all(&queue), []);
    }
}
