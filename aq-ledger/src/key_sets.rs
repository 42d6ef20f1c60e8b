//! Keys that steps forget together, each list in the order in which it is written.

use crate::key::KeyLifetime;
use crate::table::RecordKey;

/// Selects keys by their lifetime, while the program is compiled.
macro_rules! keys_with {
    ($lifetimes:pat) => {{
        const LEN: usize = {
            let mut found = 0;
            let mut at = 0;
            while at < RecordKey::ALL.len() {
                found += matches!(RecordKey::ALL[at].lifetime(), $lifetimes) as usize;
                at += 1;
            }
            found
        };
        const KEYS: [RecordKey; LEN] = {
            let mut keys = [RecordKey::Format; LEN];
            let mut found = 0;
            let mut at = 0;
            while at < RecordKey::ALL.len() {
                if matches!(RecordKey::ALL[at].lifetime(), $lifetimes) {
                    keys[found] = RecordKey::ALL[at];
                    found += 1;
                }
                at += 1;
            }
            keys
        };
        &KEYS
    }};
}

/// Keys that a run leaves in the record. A job that starts afresh forgets them.
pub const RUN_KEYS: &[RecordKey] = keys_with!(KeyLifetime::Run | KeyLifetime::Session);

/// The same but for its session and the ground that `setup` has made ready: a job forgets it that
/// goes on in its session.
pub const ATTEMPT_KEYS: &[RecordKey] = keys_with!(KeyLifetime::Run);

/// The session with which a job goes on.
pub const SESSION_KEYS: &[RecordKey] = &[
    RecordKey::SessionId,
    RecordKey::SessionEngine,
    RecordKey::SessionTotal,
    RecordKey::SessionFeedback,
];

/// Keys that join a job to its lease. One that is put back by hand is this host's own, without
/// them.
pub const FLEET_KEYS: &[RecordKey] = keys_with!(KeyLifetime::Lease);

/// The worker of a job, and what it waits for.
pub const WORKER_KEYS: &[RecordKey] =
    &[RecordKey::Pid, RecordKey::Pidstart, RecordKey::Boot, RecordKey::Step];

/// Keys about what its host lacked.
pub const HOST_LACK_KEYS: &[RecordKey] = &[RecordKey::HostLacks, RecordKey::HostLacksDetail];

/// Keys about deps whose work does not go together, or cannot be had.
pub const DEPS_CONFLICT_KEYS: &[RecordKey] = &[
    RecordKey::DepsConflict,
    RecordKey::DepsConflictDep,
    RecordKey::DepsSeen,
    RecordKey::DepElsewhere,
];

/// Keys about what the merge of a job waits for.
pub const TRAIN_WAIT_KEYS: &[RecordKey] =
    &[RecordKey::TrainWaits, RecordKey::TrainWaitsFor, RecordKey::TrainWaitsDep];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_name::KeyName;

    #[test]
    fn every_text_finds_its_key() {
        for key in RecordKey::ALL {
            assert_eq!(RecordKey::find(key.text().as_bytes()), Some(key));
            assert!(!key.meaning().is_empty());
        }
        for text in ["", "attemptz", "Attempt", "moved_to_", &"x".repeat(99)] {
            assert_eq!(RecordKey::find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn verbs_forget_what_they_say() {
        for key in RecordKey::ALL {
            let verbs = key.lifetime().forgotten_by();
            let verbs: Vec<&str> = verbs.split(", ").filter(|verb| !verb.is_empty()).collect();
            let is_held = key == RecordKey::Held;
            let is_afresh = RUN_KEYS.contains(&key) || FLEET_KEYS.contains(&key) || is_held;
            let forgotten = [
                is_afresh.then_some("`requeue`"),
                ATTEMPT_KEYS.contains(&key).then_some("`reply`"),
                is_held.then_some("`release`"),
            ];
            assert_eq!(verbs, forgotten.into_iter().flatten().collect::<Vec<_>>(), "{key:?}");
        }
    }

    #[test]
    fn sessions_outlive_an_attempt() {
        let kept = RUN_KEYS.iter().filter(|key| !ATTEMPT_KEYS.contains(key));
        let kept: Vec<RecordKey> = kept.copied().collect();
        assert_eq!(kept, [SESSION_KEYS, &[RecordKey::SetupDone, RecordKey::Rebase]].concat());
        assert_eq!((RUN_KEYS.len(), FLEET_KEYS.len()), (62, 17));
        let texts = |keys: &[RecordKey]| keys.iter().map(|key| key.text()).collect::<Vec<_>>();
        assert_eq!(texts(WORKER_KEYS), ["pid", "pidstart", "boot", "step"]);
        assert_eq!(texts(HOST_LACK_KEYS), ["host_lacks", "host_lacks_detail"]);
    }
}
