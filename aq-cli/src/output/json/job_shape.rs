//! The shape of a job, written straight from its record: an answer may have many of them.

use aq_ledger::RecordKey;
use aq_runner::run::{JobActivity, JobView};
use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::coded::{CodedReason, shapes};
use super::tame::{TamedText, tamed};
use super::tracker_shape;
use super::version::JsonVersion;
use crate::output::job::{pull_reason, warnings};

/// A job: what it is doing, why it waits, and everything recorded of it. Its keys are in the order
/// of the alphabet, as those of all answers.
#[derive(Debug)]
pub(super) struct JobShape<'a> {
    job: &'a JobView,
    now: Timestamp,
    version: JsonVersion,
    /// The reason of its state, where it has one.
    reason: ReasonShape,
}

/// The key `reason` of a job.
#[derive(Clone, Debug)]
enum ReasonShape {
    /// The job has no such key.
    Absent,
    Given(Value),
}

impl ReasonShape {
    fn of(job: &JobView, version: JsonVersion) -> Self {
        let coded = match &job.activity {
            JobActivity::Waiting(None) => return Self::Given(Value::Null),
            JobActivity::Waiting(Some(reason)) => CodedReason::from(reason),
            JobActivity::Unusable(fault) => CodedReason::from(&**fault),
            JobActivity::Resting => match pull_reason(&job.record) {
                Some(reason) => reason,
                None => return Self::Absent,
            },
            JobActivity::Unread | JobActivity::Running { .. } | JobActivity::Lost => {
                return Self::Absent;
            }
        };
        Self::Given(tamed(coded.shape(version)))
    }
}

impl<'a> JobShape<'a> {
    pub(super) fn of(job: &'a JobView, now: Timestamp, version: JsonVersion) -> Self {
        Self { job, now, version, reason: ReasonShape::of(job, version) }
    }

    /// The next one of a list, where most jobs wait for the same reason.
    pub(super) fn next(&mut self, job: &'a JobView) {
        let is_same = matches!(
            (&self.job.activity, &job.activity),
            (JobActivity::Waiting(last), JobActivity::Waiting(next)) if last == next
        );
        if !is_same {
            self.reason = ReasonShape::of(job, self.version);
        }
        self.job = job;
    }

    fn state(&self) -> &'static str {
        match &self.job.activity {
            JobActivity::Waiting(_) => "waiting",
            JobActivity::Unread => "unread",
            JobActivity::Running { verifying: true, .. } => "verifying",
            JobActivity::Running { verifying: false, .. } => "running",
            JobActivity::Lost => "lost",
            JobActivity::Resting => "resting",
            JobActivity::Unusable(_) => "unusable",
        }
    }

    fn warnings(&self) -> Value {
        tamed(shapes(self.version, warnings(self.job)).into())
    }
}

impl Serialize for JobShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &self.job.record;
        let word = |key: RecordKey| record.meta.get(key).map(TamedText);
        let engine = word(RecordKey::Engine).or_else(|| word(RecordKey::EngineWanted));
        let tracker = self.job.tracker.as_ref();
        let tracker = tracker.map(|tracker| tamed(tracker_shape(tracker, self.version)));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("added_at", &word(RecordKey::AddedAt))?;
        map.serialize_entry("attempts", &self.job.tries())?;
        map.serialize_entry("cost_usd", &self.job.cost_usd())?;
        map.serialize_entry("ended_at", &word(RecordKey::EndedAt))?;
        map.serialize_entry("engine", &engine)?;
        map.serialize_entry("failure_class", &word(RecordKey::FailureClass))?;
        map.serialize_entry("id", record.id.as_str())?;
        map.serialize_entry("max_attempts", &self.job.max_tries())?;
        map.serialize_entry("message", &word(RecordKey::Message))?;
        map.serialize_entry("meta", &MetaShape(self.job))?;
        map.serialize_entry("priority", &word(RecordKey::Priority))?;
        map.serialize_entry("profile", &word(RecordKey::Profile))?;
        map.serialize_entry("pull_request", &word(RecordKey::PullRequest))?;
        if let ReasonShape::Given(reason) = &self.reason {
            map.serialize_entry("reason", reason)?;
        }
        map.serialize_entry("result", &word(RecordKey::Result))?;
        if let JobActivity::Running { since, .. } = self.job.activity {
            let seconds = since.map(|since| self.now.duration_since(since).as_secs_f64());
            map.serialize_entry("running_s", &seconds)?;
        }
        map.serialize_entry("stage", record.stage.folder())?;
        if let JobActivity::Running { stalled, .. } = self.job.activity {
            map.serialize_entry("stalled", &stalled.is_some())?;
        }
        map.serialize_entry("started_at", &word(RecordKey::StartedAt))?;
        map.serialize_entry("state", self.state())?;
        map.serialize_entry("tracker", &tracker)?;
        map.serialize_entry("verified", &record.verified())?;
        map.serialize_entry("warnings", &self.warnings())?;
        map.end()
    }
}

/// Everything recorded of a job.
struct MetaShape<'a>(&'a JobView);

impl Serialize for MetaShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.record.meta.iter() {
            // The keys of a record are letters, digits and `_`.
            map.serialize_entry(key, &TamedText(value))?;
        }
        map.end()
    }
}
