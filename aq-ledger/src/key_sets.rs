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

/// What a run leaves in the record. A job that starts afresh forgets it.
pub const RUN_KEYS: &[RecordKey] = keys_with!(Lifetime::Run | Lifetime::Session);

/// The same but for its session and the ground that `setup` has made ready: a job forgets it that goes
/// on in its session.
pub const ATTEMPT_KEYS: &[RecordKey] = keys_with!(Lifetime::Run);

/// What joins a job to its lease. One that is put back by hand is this host's own, and forgets it.
pub const FLEET_KEYS: &[RecordKey] = keys_with!(Lifetime::Lease);

/// The worker of a job, and what it waits for.
pub const WORKER_KEYS: &[RecordKey] =
    &[RecordKey::Pid, RecordKey::Pidstart, RecordKey::Boot, RecordKey::Step];

/// What its host lacked.
pub const HOST_LACK_KEYS: &[RecordKey] = &[RecordKey::HostLacks, RecordKey::HostLacksDetail];
