//! The steps of a fleet job as events, which the coordinator hands to trackers and dashboards. They
//! are read out of the job's record, which has them all and numbers them, whatever was killed
//! between.

use aq_fleet::protocol::{EventValue, Fields, Identifier, JobEvent, LeaseRef};
use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::Stage;
use aq_tracker::TrackerUpdate;
use jiff::Timestamp;

use super::lease;
use crate::store::RecordedMove;

/// How far the steps of one grant were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportedSteps {
    lease: LeaseRef,
    /// Steps under this grant so far.
    seq: u64,
    /// Bytes of the record that were read.
    read: u64,
}

impl ReportedSteps {
    /// Nothing was sent.
    pub(crate) fn new(lease: LeaseRef) -> Self {
        Self { lease, seq: 0, read: 0 }
    }

    /// The grant.
    pub(crate) fn lease(&self) -> LeaseRef {
        self.lease
    }

    /// Where to go on reading the record.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// The events of the next steps of a job that is in `stage`. The number of an event is the
    /// place of its step among those under the grant, so it is the same each time it is read.
    pub(crate) fn news(
        &mut self,
        mut steps: Vec<RecordedMove>,
        stage: Stage,
        now: Timestamp,
    ) -> Vec<JobEvent> {
        // The rename of the last step may still be to come.
        if steps.last().is_some_and(|last| last.to != stage) {
            steps.pop();
        }
        let mut events = Vec::new();
        for step in steps {
            self.read = step.end;
            if lease(&step.meta) != Some(self.lease) {
                continue;
            }
            self.seq += 1;
            if step.to != Stage::Inbox {
                let kind = Identifier::lossy(step.to.folder());
                let fields = fields(step.to, &step.meta);
                events.push(JobEvent { seq: self.seq, at: now, kind, fields });
            }
        }
        events
    }
}

/// What a [`TrackerUpdate`] can hold, and which engine it was.
fn fields(stage: Stage, meta: &RecordContent) -> Fields {
    let echo = TrackerUpdate::read(stage, |key| meta.get_named(key));
    let word = |text: &str| EventValue::Word(Identifier::lossy(text));
    let count = |count: u64| i64::try_from(count).ok().map(EventValue::Count);
    let fields = [
        ("result", echo.outcome.map(|outcome| word(&outcome.to_string()))),
        ("failure_class", echo.failure.map(|failure| word(&failure.to_string()))),
        ("attempts", echo.attempts.map(|attempts| EventValue::Count(attempts.into()))),
        ("duration_s", echo.duration_s.map(EventValue::Number)),
        ("input_tokens", echo.input_tokens.and_then(count)),
        ("cached_tokens", echo.cached_tokens.and_then(count)),
        ("output_tokens", echo.output_tokens.and_then(count)),
        ("cost_usd", echo.cost_usd.map(EventValue::Number)),
        ("usage_estimated", echo.estimated.then_some(EventValue::Count(1))),
        ("files_changed", echo.files_changed.and_then(count)),
        ("lines_added", echo.lines_added.and_then(count)),
        ("lines_deleted", echo.lines_deleted.and_then(count)),
        ("engine", meta.get(RecordKey::Engine).map(word)),
        ("model", meta.get(RecordKey::Model).map(word)),
    ];
    fields.into_iter().filter_map(|(key, value)| Some((Identifier::lossy(key), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn step(to: Stage, epoch: u64, end: u64, more: &str) -> RecordedMove {
        let text = format!("fleet_job_id={JOB}\nfleet_lease_epoch={epoch}\n{more}");
        RecordedMove { to, meta: RecordContent::parse(&text), end }
    }

    fn steps() -> ReportedSteps {
        ReportedSteps::new(lease(&step(Stage::Inbox, 2, 0, "").meta).unwrap())
    }

    fn told(
        steps: &mut ReportedSteps,
        moves: Vec<RecordedMove>,
        stage: Stage,
    ) -> Vec<(u64, String)> {
        let events = steps.news(moves, stage, Timestamp::UNIX_EPOCH);
        events.iter().map(|event| (event.seq, event.kind.to_string())).collect()
    }

    #[test]
    fn numbers_survive_a_restart() {
        use Stage::{Building, Failed, Inbox};
        let all = || {
            vec![
                step(Failed, 1, 1, ""),
                step(Building, 2, 2, ""),
                step(Inbox, 2, 3, ""),
                step(Building, 2, 4, ""),
                step(Failed, 2, 5, ""),
            ]
        };
        let want = [(1, "building"), (3, "building"), (4, "failed")];
        let want = want.map(|(seq, kind)| (seq, kind.to_owned()));
        assert_eq!(told(&mut steps(), all(), Failed), want);
        let mut parts = steps();
        // The rename of the second step is still to come.
        assert_eq!(told(&mut parts, all()[..3].to_vec(), Building), want[..1]);
        assert_eq!(parts.read(), 2);
        assert_eq!(told(&mut parts, all()[2..].to_vec(), Failed), want[1..]);
        assert_eq!(told(&mut parts, Vec::new(), Failed), []);
    }

    #[test]
    fn numbers_and_words_go_out_and_nothing_else() {
        let more = "result=success\nattempts=2\ntotal_cost_usd=0.5\nduration_s=1.5\nmodel=a b\n\
                    prompt=secret\nreason=secret words\nengine=shell\ninput_tokens=many\n";
        let step = step(Stage::Testing, 2, 1, more);
        let fields = serde_json::to_string(&fields(step.to, &step.meta)).unwrap();
        let want = concat!(
            r#"{"attempts":2,"cost_usd":0.5,"duration_s":1.5,"engine":"shell","model":"a_b","#,
            r#""result":"success"}"#,
        );
        assert_eq!(fields, want);
    }
}
