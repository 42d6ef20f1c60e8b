//! The compatibility reader of version 0.1, whose coordinators give a reason as a sentence only. It
//! is the one place where sentences are read, and only those that 0.1 writes: new ones have a code.

use aq_reasons::{GivenReason, OtherReason, WaitCode, WaitReason};

/// The beginnings of the sentences of its coordinator.
const BEGINNINGS: [(&str, WaitCode); 7] = [
    ("waiting on ", WaitCode::WaitingOn),
    (LOCK_HELD, WaitCode::LockHeld),
    ("behind ", WaitCode::Behind),
    ("needs ", WaitCode::Needs),
    ("no free slot", WaitCode::NoFreeHost),
    ("no host that fits ", WaitCode::NoHost),
    ("its deps form a circle: ", WaitCode::DepsCycle),
];

const LOCK_HELD: &str = "lock held by ";

/// The reason of a sentence: its code, and of its fields the job that has the lock, which a shadow
/// needs. The other fields look like text that belongs to them.
pub(super) fn reason_of(sentence: &str) -> GivenReason {
    let holder = sentence.strip_prefix(LOCK_HELD).and_then(|job| job.parse().ok());
    let reason = match holder {
        Some(job) => WaitReason::LockHeld { job },
        None => {
            let found = BEGINNINGS.iter().find(|(beginning, _)| sentence.starts_with(beginning));
            WaitReason::Other(match found {
                Some(&(_, code)) => OtherReason::of_code(code),
                None => OtherReason::unknown(),
            })
        }
    };
    GivenReason { reason, text: sentence.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sentences of the coordinator of 0.1, from its sources, with their codes.
    const SENTENCES: [(&str, &str); 10] = [
        ("waiting on schema, seed (failed), x (quarantined), docs (nowhere)", "waiting_on"),
        ("lock held by 01890a5d-ac96-774b-bcce-b302099a8057", "lock_held"),
        ("lock held by ../what cannot be", "lock_held"),
        ("behind 01890a5d-ac96-774b-bcce-b302099a8057, which has the same lock", "behind"),
        ("needs gpu, node>=20", "needs"),
        ("no free slot on a host that fits", "no_free_host"),
        ("no host that fits has asked for a job", "no_host"),
        ("its deps form a circle: a -> b -> a", "deps_cycle"),
        ("something that it never said", "unknown"),
        ("\u{1b}[31mlock held by a", "unknown"),
    ];

    #[test]
    fn sentences_of_version_0_1_are_read() {
        for (sentence, code) in SENTENCES {
            let given = reason_of(sentence);
            assert_eq!(given.reason.code_text(), code, "{sentence}");
            assert_eq!(given.to_string(), sentence);
        }
        let WaitReason::LockHeld { job } = reason_of(SENTENCES[1].0).reason else { panic!() };
        assert_eq!(job.as_str(), "01890a5d-ac96-774b-bcce-b302099a8057");
    }
}
