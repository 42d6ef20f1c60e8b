//! One comparison.

use aq_reasons::WaitReason;

use super::reason::ShadowReason;
use super::snapshot::InboxSnapshot;
use crate::client::CallError;
use crate::protocol::{ClaimResponse, ShadowVerdict};

/// The coordinator's answer to a dry claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryClaimAnswer {
    /// It would give this job.
    Job {
        /// Its key.
        key: String,
    },
    /// It would give none; with why the host's pick waits there, when that was asked.
    Nothing {
        /// As in the view of a job.
        waiting: Option<WaitReason>,
    },
    /// It gave no answer that could be used, for this reason.
    Failed(ShadowReason),
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowComparison {
    /// Agreement, or its opposite.
    pub verdict: ShadowVerdict,
    /// The key of the host's pick.
    pub local: Option<String>,
    /// The key of the coordinator's.
    pub coord: Option<String>,
    /// The cause of the difference, when there is one.
    pub reason: Option<ShadowReason>,
}

impl From<&ClaimResponse> for DryClaimAnswer {
    fn from(claimed: &ClaimResponse) -> Self {
        match claimed.jobs.first() {
            None => Self::Nothing { waiting: None },
            // Whoever asked releases it at once.
            Some(job) if !job.epoch.is_dry() => Self::Failed(ShadowReason::Granted),
            Some(job) => Self::Job { key: job.key.clone() },
        }
    }
}

impl From<&CallError> for DryClaimAnswer {
    fn from(error: &CallError) -> Self {
        Self::Failed(match error {
            CallError::Unreachable { .. } => ShadowReason::Unreachable,
            CallError::Garbled { .. } => ShadowReason::Garbled,
            CallError::Refused(_) | CallError::TooOld(_) | CallError::Fenced { .. } => {
                ShadowReason::Refused
            }
        })
    }
}

/// Compares the host's pick out of a snapshot with the coordinator's answer.
pub fn compare(
    snapshot: &InboxSnapshot,
    local: Option<&str>,
    answered: &DryClaimAnswer,
) -> ShadowComparison {
    let (verdict, coord, reason) = match (local, answered) {
        (_, DryClaimAnswer::Failed(reason)) => (ShadowVerdict::Error, None, Some(*reason)),
        (None, DryClaimAnswer::Nothing { .. }) => (ShadowVerdict::Agree, None, None),
        (Some(ours), DryClaimAnswer::Job { key }) if ours == key => {
            (ShadowVerdict::Agree, Some(key), None)
        }
        (Some(ours), DryClaimAnswer::Job { key }) => {
            (ShadowVerdict::Diverge, Some(key), Some(why_other(snapshot, ours, key)))
        }
        (Some(ours), DryClaimAnswer::Nothing { waiting }) => {
            (ShadowVerdict::CoordEmpty, None, Some(why_not_there(snapshot, ours, waiting.as_ref())))
        }
        (None, DryClaimAnswer::Job { key }) => {
            (ShadowVerdict::LocalEmpty, Some(key), Some(why_not_here(snapshot, key)))
        }
    };
    ShadowComparison { verdict, local: local.map(str::to_owned), coord: coord.cloned(), reason }
}

/// Finds the reason why the coordinator would start `theirs` where the host starts `ours`.
fn why_other(snapshot: &InboxSnapshot, ours: &str, theirs: &str) -> ShadowReason {
    let (Some(our_job), Some(their_job)) = (snapshot.get(ours), snapshot.get(theirs)) else {
        return ShadowReason::Missing;
    };
    if !our_job.mirrored {
        ShadowReason::Missing
    } else if let Some(waits) = their_job.waits {
        waits
    } else if our_job.priority == their_job.priority {
        ShadowReason::Age
    } else {
        ShadowReason::Priority
    }
}

/// Finds the reason why the coordinator would not start the host's pick, nor any other.
fn why_not_there(
    snapshot: &InboxSnapshot,
    ours: &str,
    waiting: Option<&WaitReason>,
) -> ShadowReason {
    match (snapshot.get(ours), waiting) {
        (Some(job), Some(waiting)) if job.mirrored => ShadowReason::of_waiting(waiting),
        (Some(job), None) if job.mirrored => ShadowReason::Unknown,
        _ => ShadowReason::Missing,
    }
}

/// Finds the reason why the host starts nothing, though the coordinator would start `theirs`.
fn why_not_here(snapshot: &InboxSnapshot, theirs: &str) -> ShadowReason {
    match snapshot.get(theirs) {
        Some(job) => job.waits.unwrap_or(ShadowReason::Slot),
        None => ShadowReason::Missing,
    }
}

#[cfg(test)]
mod tests {
    use aq_manifest::Priority;
    use serde_json::json;

    use super::super::snapshot::ShadowCandidate;
    use super::*;

    /// `high` goes first, `first` before `second`; the others wait for what their name says.
    fn snapshot() -> InboxSnapshot {
        let job = |key: &str, priority, waits| ShadowCandidate {
            key: key.to_owned(),
            priority,
            waits,
            mirrored: key != "unknown-there",
        };
        InboxSnapshot {
            jobs: vec![
                job("high", Priority::High, None),
                job("first", Priority::Medium, None),
                job("second", Priority::Medium, None),
                job("locked", Priority::High, Some(ShadowReason::Lock)),
                job("dependent", Priority::High, Some(ShadowReason::Deps)),
                job("gpu", Priority::High, Some(ShadowReason::Capability)),
                job("unknown-there", Priority::High, None),
            ],
        }
    }

    fn of(local: Option<&str>, answered: &DryClaimAnswer) -> (ShadowVerdict, Option<ShadowReason>) {
        let got = compare(&snapshot(), local, answered);
        assert_eq!(got.local.as_deref(), local);
        match answered {
            DryClaimAnswer::Job { key } => assert_eq!(got.coord.as_ref(), Some(key)),
            _ => assert_eq!(got.coord, None),
        }
        (got.verdict, got.reason)
    }

    #[test]
    fn the_same_pick_agrees_and_so_does_none() {
        let job = |key: &str| DryClaimAnswer::Job { key: key.to_owned() };
        assert_eq!(of(Some("high"), &job("high")), (ShadowVerdict::Agree, None));
        assert_eq!(of(Some("nowhere"), &job("nowhere")), (ShadowVerdict::Agree, None));
        assert_eq!(
            of(None, &DryClaimAnswer::Nothing { waiting: None }),
            (ShadowVerdict::Agree, None)
        );
    }

    #[test]
    fn another_pick_diverges_for_reason() {
        for (local, coord, reason) in [
            ("high", "first", ShadowReason::Priority),
            ("second", "high", ShadowReason::Priority),
            ("first", "second", ShadowReason::Age),
            ("high", "locked", ShadowReason::Lock),
            ("high", "dependent", ShadowReason::Deps),
            ("high", "gpu", ShadowReason::Capability),
            ("high", "nowhere", ShadowReason::Missing),
            ("nowhere", "high", ShadowReason::Missing),
            ("unknown-there", "high", ShadowReason::Missing),
        ] {
            let coord = DryClaimAnswer::Job { key: coord.to_owned() };
            assert_eq!(of(Some(local), &coord), (ShadowVerdict::Diverge, Some(reason)), "{local}");
        }
    }

    #[test]
    fn missing_pick_is_explained() {
        for (local, waiting, reason) in [
            ("high", Some(json!({ "code": "lock_held", "job": "x" })), ShadowReason::Lock),
            ("high", Some(json!({ "code": "behind", "job": "x" })), ShadowReason::Lock),
            ("high", Some(json!({ "code": "waiting_on", "keys": [] })), ShadowReason::Deps),
            (
                "high",
                Some(json!({ "code": "needs", "requirements": [] })),
                ShadowReason::Capability,
            ),
            ("high", Some(json!({ "code": "no_free_host" })), ShadowReason::Slot),
            ("high", Some(json!({ "code": "\u{1b}[31m" })), ShadowReason::Unknown),
            ("high", None, ShadowReason::Unknown),
            ("unknown-there", Some(json!({ "code": "no_free_host" })), ShadowReason::Missing),
            ("nowhere", None, ShadowReason::Missing),
        ] {
            let shown = format!("{waiting:?}");
            let waiting = waiting.map(|json| serde_json::from_value(json).unwrap());
            let answered = DryClaimAnswer::Nothing { waiting };
            let expected = (ShadowVerdict::CoordEmpty, Some(reason));
            assert_eq!(of(Some(local), &answered), expected, "{shown}");
        }
        for (coord, reason) in [
            ("locked", ShadowReason::Lock),
            ("dependent", ShadowReason::Deps),
            ("gpu", ShadowReason::Capability),
            ("first", ShadowReason::Slot),
            ("nowhere", ShadowReason::Missing),
        ] {
            let answered = DryClaimAnswer::Job { key: coord.to_owned() };
            assert_eq!(of(None, &answered), (ShadowVerdict::LocalEmpty, Some(reason)), "{coord}");
        }
    }

    #[test]
    fn unusable_answer_is_an_error() {
        let claimed = |epoch: u64| -> ClaimResponse {
            let job = "01890a5d-ac96-774b-bcce-b302099a8057";
            let grant =
                json!({ "jobId": job, "key": "k", "epoch": epoch, "leaseMs": 1, "manifest": "" });
            serde_json::from_value(json!({ "jobs": [grant] })).unwrap()
        };
        assert_eq!(DryClaimAnswer::from(&claimed(0)), DryClaimAnswer::Job { key: "k".to_owned() });
        assert_eq!(
            DryClaimAnswer::from(&claimed(1)),
            DryClaimAnswer::Failed(ShadowReason::Granted)
        );
        assert_eq!(
            DryClaimAnswer::from(&ClaimResponse::default()),
            DryClaimAnswer::Nothing { waiting: None }
        );
        let away = CallError::Unreachable { what: String::new(), tries: 1 };
        for (error, reason) in [
            (away, ShadowReason::Unreachable),
            (CallError::Garbled { what: String::new() }, ShadowReason::Garbled),
            (CallError::Refused(Box::default()), ShadowReason::Refused),
        ] {
            let answered = DryClaimAnswer::from(&error);
            for local in [None, Some("high")] {
                assert_eq!(of(local, &answered), (ShadowVerdict::Error, Some(reason)));
            }
        }
    }
}
