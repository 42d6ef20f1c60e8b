//! A job on paper, for tests of steps.

use aq_manifest::{JobId, Stage};

use super::{JobStep, Refusal};
use crate::{JobRow, RecordContent};

/// The time of every step.
pub(crate) const NOW: &str = "2026-11-30T12:00:00Z";

/// Lines of a job that the fleet gave to this host.
pub(crate) const LEASE: &str =
    "fleet_job_id=01890a5d-ac96-774b-bcce-b302099a8057\nfleet_lease_epoch=4\n";

/// The row of a job.
pub(crate) fn row(stage: Stage, content: &RecordContent) -> JobRow<'_> {
    static ID: std::sync::OnceLock<JobId> = std::sync::OnceLock::new();
    JobRow::unchecked(ID.get_or_init(|| "a".parse().expect("a name")), stage, content)
}

/// The folder after a step of a job whose record has this text, and the record then.
pub(crate) fn decide(
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
pub(crate) fn refusal(step: &impl JobStep, stage: Stage, text: &str) -> Refusal {
    let content = RecordContent::parse(text);
    step.decide(row(stage, &content), NOW.parse().expect("a time")).expect_err("not allowed")
}
