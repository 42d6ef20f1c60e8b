//! Keys that steps forget together, each list in the order in which it is written.

use crate::key::Lifetime;
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
pub const RUN_KEYS: &[RecordKey] = keys_with!(Lifetime::Run | Lifetime::Session);

/// The same but for its session and the ground that `setup` has made ready: a job forgets it that
/// goes on in its session.
pub const ATTEMPT_KEYS: &[RecordKey] = keys_with!(Lifetime::Run);

/// Keys that join a job to its lease. One that is put back by hand is this host's own, without
/// them.
pub const FLEET_KEYS: &[RecordKey] = keys_with!(Lifetime::Lease);

/// The worker of a job, and what it waits for.
pub const WORKER_KEYS: &[RecordKey] =
    &[RecordKey::Pid, RecordKey::Pidstart, RecordKey::Boot, RecordKey::Step];

/// Keys about what its host lacked.
pub const HOST_LACK_KEYS: &[RecordKey] = &[RecordKey::HostLacks, RecordKey::HostLacksDetail];

/// Keys about what the merge of a job waits for.
pub const TRAIN_WAIT_KEYS: &[RecordKey] = &[RecordKey::TrainWaits, RecordKey::TrainWaitsFor];

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
    fn sessions_outlive_an_attempt() {
        let kept: Vec<&str> = RUN_KEYS
            .iter()
            .filter(|key| !ATTEMPT_KEYS.contains(key))
            .map(|key| key.text())
            .collect();
        let session = ["session_id", "session_engine", "session_total", "session_feedback"];
        assert_eq!(kept, [&session[..], &["setup_done", "rebase"]].concat());
        assert_eq!((RUN_KEYS.len(), FLEET_KEYS.len()), (56, 14));
    }
}
