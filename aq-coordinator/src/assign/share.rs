//! Shares out what waits among the hosts that ask at the same moment.

use std::collections::HashSet;

use aq_caps::CapabilityToken;
use aq_fleet::protocol::FleetJobId;

use super::queue_mirror::{HostOffer, QueueMirror, Schedulability};

/// A host that asks, and how many jobs it can take.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimShare<'a> {
    pub(super) offer: HostOffer<'a>,
    pub(super) wants: u32,
}

/// Shares jobs out, in the order of `asking`, at most `most` in all. The jobs are noted as held.
///
/// They are dealt like cards, one each in turn and the first that asks first, so that a host with
/// many slots does not leave the others empty-handed.
pub(super) fn share(
    board: &mut QueueMirror,
    asking: &[ClaimShare<'_>],
    most: usize,
) -> Vec<Vec<FleetJobId>> {
    let mut dealt = vec![Vec::new(); asking.len()];
    let mut left = most;
    // What one gets with all its locks free, nobody with the same capabilities gets after it.
    let mut nothing_for: HashSet<&[CapabilityToken]> = HashSet::new();
    let mut turn: Vec<usize> = (0..asking.len()).filter(|&n| asking[n].wants > 0).collect();
    while !turn.is_empty() && left > 0 {
        // Nobody else to share with: all at once.
        let alone = turn.len() == 1;
        turn.retain(|&n| {
            let ClaimShare { offer, wants } = asking[n];
            let open = wants as usize - dealt[n].len();
            let hand = if alone { open.min(left) } else { left.min(1) };
            if hand == 0 || nothing_for.contains(offer.capabilities) {
                return false;
            }
            let jobs = board.plan(offer, u32::try_from(hand).unwrap_or(u32::MAX));
            for &job in &jobs {
                board.note(job, Schedulability::Held);
            }
            if jobs.is_empty() && offer.held_locks.is_empty() {
                nothing_for.insert(offer.capabilities);
            }
            left -= jobs.len();
            let more = jobs.len() == hand && open > hand;
            dealt[n].extend(jobs);
            more
        });
    }
    dealt
}
