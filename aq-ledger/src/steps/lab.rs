//! Rows for the tests of steps.

use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::{Durability, JobStep, StepRefusal};
use crate::{JobRow, RecordContent};

/// Makes a step on a record at second 100. Returns its folder, and the lines that change something.
pub(super) fn written<S: JobStep>(
    step: &S,
    stage: Stage,
    record: &str,
) -> Result<(Option<Stage>, String), StepRefusal> {
    let content = RecordContent::parse(record);
    let id = "a".parse().expect("a name");
    let now = Timestamp::from_second(100).expect("a time");
    let step = step.decide(JobRow::unchecked(&id, stage, &content), now)?;
    Ok((step.stage(), step.update().needed_by(&content).to_text()))
}

/// The folders from which a step is made.
pub(super) fn stages_of<S: JobStep>(step: &S) -> Vec<Stage> {
    let is_made = |&stage: &Stage| written(step, stage, "").is_ok();
    Stage::ALL.iter().copied().filter(is_made).collect()
}

/// Tests for a step that is on the disk before it is answered.
pub(super) fn is_synced(step: &impl JobStep, stage: Stage) -> bool {
    let content = RecordContent::default();
    let step = step.decide(row(stage, &content), Timestamp::UNIX_EPOCH).expect("allowed");
    step.durability() == Durability::Synced
}

/// The record of a worker that is at work.
pub(super) const AT_WORK: &str =
    "attempt=3\nattempts=2\nrecoveries=1\npid=7\npidstart=8\nboot=b\nstep=git\n";

/// The time of every step.
pub(super) const NOW: &str = "2026-11-30T12:00:00Z";

/// Lines of a job that the fleet gave to this host.
pub(super) const LEASE: &str =
    "fleet_job_id=01890a5d-ac96-774b-bcce-b302099a8057\nfleet_lease_epoch=4\n";

/// The row of a job.
pub(super) fn row(stage: Stage, content: &RecordContent) -> JobRow<'_> {
    static ID: std::sync::OnceLock<JobId> = std::sync::OnceLock::new();
    JobRow::unchecked(ID.get_or_init(|| "a".parse().expect("a name")), stage, content)
}

/// The folder after a step of a job whose record has this text, and the record then.
pub(super) fn decide(
    step: &impl JobStep,
    stage: Stage,
    text: &str,
) -> (Option<Stage>, RecordContent) {
    let mut content = RecordContent::parse(text);
    let step = step.decide(row(stage, &content), NOW.parse().expect("a time")).expect("allowed");
    content.apply(&step.update());
    (step.stage(), content)
}

/// The refusal of a step.
pub(super) fn refusal(step: &impl JobStep, stage: Stage, text: &str) -> StepRefusal {
    let content = RecordContent::parse(text);
    step.decide(row(stage, &content), NOW.parse().expect("a time")).expect_err("not allowed")
}
