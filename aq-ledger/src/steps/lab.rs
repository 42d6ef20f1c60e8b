//! Rows for the tests of steps.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, Refusal};
use crate::{JobRow, RecordContent};

/// What a step makes of a record at second 100: its folder, and the lines that change something.
pub(super) fn written<S: JobStep>(
    step: &S,
    stage: Stage,
    record: &str,
) -> Result<(Option<Stage>, String), Refusal> {
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

/// The record of a worker that is at work.
pub(super) const AT_WORK: &str =
    "attempt=3\nattempts=2\nrecoveries=1\npid=7\npidstart=8\nboot=b\nstep=git\n";
