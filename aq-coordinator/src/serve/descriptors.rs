//! Descriptors of this process: each connection takes one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Those that are no connections: the database, trackers, the log, and connections that are being
/// closed.
const OTHERS: usize = 128;

/// Raises the limit as far as the system lets this process. Where it does not, the limit stays.
pub(super) fn raise_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(%error, soft, hard, "the limit of descriptors cannot be raised");
    }
}

/// Number of connections that there can be under the limit, of so many.
pub(super) fn connections(most: usize) -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    under(usize::try_from(soft).unwrap_or(usize::MAX), most)
}

fn under(soft: usize, most: usize) -> usize {
    most.min(soft.saturating_sub(OTHERS).max(soft / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_have_descriptors_too() {
        let cases = [(1_000_000, 20_000), (20_100, 19_972), (1024, 896), (100, 50), (0, 1)];
        for (soft, room) in cases {
            assert_eq!(under(soft, 20_000), room, "{soft}");
        }
    }
}
