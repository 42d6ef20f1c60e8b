//! One comparison.

use aq_reasons::WaitReason;

use super::reason::Reason;
use super::snapshot::Snapshot;
use crate::client::CallError;
use crate::protocol::{Claimed, Verdict};

/// The coordinator's answer to a dry claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
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
    Failed(Reason),
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Agreement, or its opposite.
    pub verdict: Verdict,
    /// The key of the host's pick.
    pub local: Option<String>,
    /// The key of the coordinator's.
    pub coord: Option<String>,
    /// The cause of the difference, when there is one.
    pub reason: Option<Reason>,
}

impl From<&Claimed> for Answered {
    fn from(claimed: &Claimed) -> Self {
        match claimed.jobs.first() {
            None => Self::Nothing { waiting: None },
            // Whoever asked releases it at once.
            Some(job) if !job.epoch.is_dry() => Self::Failed(Reason::Granted),
            Some(job) => Self::Job { key: job.key.clone() },
        }
    }
}

impl From<&CallError> for Answered {
    fn from(error: &CallError) -> Self {
        Self::Failed(match error {
            CallError::Unreachable { .. } => Reason::Unreachable,
            CallError::Garbled { .. } => Reason::Garbled,
            CallError::Refused(_) | CallError::TooOld(_) | CallError::Fenced { .. } => {
                Reason::Refused
            }
        })
    }
}

/// Compares the host's pick out of a snapshot with the coordinator's answer.
pub fn compare(snapshot: &Snapshot, local: Option<&str>, answered: &Answered) -> Comparison {
    let (verdict, coord, reason) = match (local, answered) {
        (_, Answered::Failed(reason)) => (Verdict::Error, None, Some(*reason)),
        (None, Answered::Nothing { .. }) => (Verdict::Agree, None, None),
        (Some(ours), Answered::Job { key }) if ours == key => (Verdict::Agree, Some(key), None),
        (Some(ours), Answered::Job { key }) => {
            (Verdict::Diverge, Some(key), Some(why_other(snapshot, ours, key)))
        }
        (Some(ours), Answered::Nothing { waiting }) => {
            (Verdict::CoordEmpty, None, Some(why_not_there(snapshot, ours, waiting.as_ref())))
        }
        (None, Answered::Job { key }) => {
            (Verdict::LocalEmpty, Some(key), Some(why_not_here(snapshot, key)))
        }
    };
    Comparison { verdict, local: local.map(str::to_owned), coord: coord.cloned(), reason }
}

/// Finds the reason why the coordinator would start `theirs` where the host starts `ours`.
fn why_other(snapshot: &Snapshot, ours: &str, theirs: &str) -> Reason {
    let (Some(our_job), Some(their_job)) = (snapshot.get(ours), snapshot.get(theirs)) else {
        return Reason::Missing;
    };
    if !our_job.mirrored {
        Reason::Missing
    } else if let Some(waits) = their_job.waits {
        waits
    } else if our_job.priority == their_job.priority {
        Reason::Age
    } else {
        Reason::Priority
    }
}

/// Finds the reason why the coordinator would not start the host's pick, nor any other.
fn why_not_there(snapshot: &Snapshot, ours: &str, waiting: Option<&WaitReason>) -> Reason {
    match (snapshot.get(ours), waiting) {
        (Some(job), Some(waiting)) if job.mirrored => Reason::of_waiting(waiting),
        (Some(job), None) if job.mirrored => Reason::Unknown,
        _ => Reason::Missing,
    }
}

/// Finds the reason why the host starts nothing, though the coordinator would start `theirs`.
fn why_not_here(snapshot: &Snapshot, theirs: &str) -> Reason {
    match snapshot.get(theirs) {
        Some(job) => job.waits.unwrap_or(Reason::Slot),
        None => Reason::Missing,
    }
}

#[cfg(test)]
mod tests {
    use aq_manifest::Priority;
    use serde_json::json;

    use super::super::snapshot::Candidate;
    use super::*;

    /// `high` goes first, `first` before `second`; the others wait for what their name says.
    fn snapshot() -> Snapshot {
        let job = |key: &str, priority, waits| Candidate {
            key: key.to_owned(),
            priority,
            waits,
            mirrored: key != "unknown-there",
        };
        Snapshot {
            jobs: vec![
                job("high", Priority::High, None),
                job("first", Priority::Medium, None),
                job("second", Priority::Medium, None),
                job("locked", Priority::High, Some(Reason::Lock)),
                job("dependent", Priority::High, Some(Reason::Deps)),
                job("gpu", Priority::High, Some(Reason::Capability)),
                job("unknown-there", Priority::High, None),
            ],
        }
    }

    fn of(local: Option<&str>, answered: &Answered) -> (Verdict, Option<Reason>) {
        let got = compare(&snapshot(), local, answered);
        assert_eq!(got.local.as_deref(), local);
        match answered {
            Answered::Job { key } => assert_eq!(got.coord.as_ref(), Some(key)),
            _ => assert_eq!(got.coord, None),
        }
        (got.verdict, got.reason)
    }

    #[test]
    fn the_same_pick_agrees_and_so_does_none() {
        let job = |key: &str| Answered::Job { key: key.to_owned() };
        assert_eq!(of(Some("high"), &job("high")), (Verdict::Agree, None));
        assert_eq!(of(Some("nowhere"), &job("nowhere")), (Verdict::Agree, None));
        assert_eq!(of(None, &Answered::Nothing { waiting: None }), (Verdict::Agree, None));
    }

    #[test]
    fn another_pick_diverges_for_a_reason() {
        for (local, coord, reason) in [
            ("high", "first", Reason::Priority),
            ("second", "high", Reason::Priority),
            ("first", "second", Reason::Age),
            ("high", "locked", Reason::Lock),
            ("high", "dependent", Reason::Deps),
            ("high", "gpu", Reason::Capability),
            ("high", "nowhere", Reason::Missing),
            ("nowhere", "high", Reason::Missing),
            ("unknown-there", "high", Reason::Missing),
        ] {
            let coord = Answered::Job { key: coord.to_owned() };
            assert_eq!(of(Some(local), &coord), (Verdict::Diverge, Some(reason)), "{local}");
        }
    }

    #[test]
    fn missing_pick_is_explained() {
        for (local, waiting, reason) in [
            ("high", Some(json!({ "code": "lock_held", "job": "x" })), Reason::Lock),
            ("high", Some(json!({ "code": "behind", "job": "x" })), Reason::Lock),
            ("high", Some(json!({ "code": "waiting_on", "keys": [] })), Reason::Deps),
            ("high", Some(json!({ "code": "needs", "requirements": [] })), Reason::Capability),
            ("high", Some(json!({ "code": "no_free_host" })), Reason::Slot),
            ("high", Some(json!({ "code": "\u{1b}[31m" })), Reason::Unknown),
            ("high", None, Reason::Unknown),
            ("unknown-there", Some(json!({ "code": "no_free_host" })), Reason::Missing),
            ("nowhere", None, Reason::Missing),
        ] {
            let shown = format!("{waiting:?}");
            let waiting = waiting.map(|json| serde_json::from_value(json).unwrap());
            let answered = Answered::Nothing { waiting };
            let expected = (Verdict::CoordEmpty, Some(reason));
            assert_eq!(of(Some(local), &answered), expected, "{shown}");
        }
        for (coord, reason) in [
            ("locked", Reason::Lock),
            ("dependent", Reason::Deps),
            ("gpu", Reason::Capability),
            ("first", Reason::Slot),
            ("nowhere", Reason::Missing),
        ] {
            let answered = Answered::Job { key: coord.to_owned() };
            assert_eq!(of(None, &answered), (Verdict::LocalEmpty, Some(reason)), "{coord}");
        }
    }

    #[test]
    fn unusable_answer_is_an_error() {
        let claimed = |epoch: u64| -> Claimed {
            let job = "01890a5d-ac96-774b-bcce-b302099a8057";
            let grant =
                json!({ "jobId": job, "key": "k", "epoch": epoch, "leaseMs": 1, "manifest": "" });
            serde_json::from_value(json!({ "jobs": [grant] })).unwrap()
        };
        assert_eq!(Answered::from(&claimed(0)), Answered::Job { key: "k".to_owned() });
        assert_eq!(Answered::from(&claimed(1)), Answered::Failed(Reason::Granted));
        assert_eq!(Answered::from(&Claimed::default()), Answered::Nothing { waiting: None });
        let away = CallError::Unreachable { what: String::new(), tries: 1 };
        for (error, reason) in [
            (away, Reason::Unreachable),
            (CallError::Garbled { what: String::new() }, Reason::Garbled),
            (CallError::Refused(Box::default()), Reason::Refused),
        ] {
            let answered = Answered::from(&error);
            for local in [None, Some("high")] {
                assert_eq!(of(local, &answered), (Verdict::Error, Some(reason)));
            }
        }
    }
}
