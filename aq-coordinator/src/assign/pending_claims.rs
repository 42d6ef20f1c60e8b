//! Claims that have no answer yet.

use std::collections::HashSet;

use aq_caps::CapabilityToken;
use aq_fleet::protocol::{ClaimRequest, FactoryId, RequestId};
use tokio::time::{Duration, Instant};

use super::assign_request::Reply;
use super::queue_mirror::HostOffer;
use super::share::ClaimShare;
use crate::store::{ClaimAnswer, GrantedJob, StoreError};

/// Jobs that one claim can get, whatever it asks for: the host can ask again.
pub(super) const MAX_GRANTS: u32 = 64;

/// A claim, and all who wait for its answer: the same request may come twice.
#[derive(Debug)]
pub(super) struct PendingClaim {
    pub(super) factory: FactoryId,
    pub(super) request: RequestId,
    capabilities: Vec<CapabilityToken>,
    held_locks: Vec<String>,
    wants: u32,
    until: Instant,
    replies: Vec<Reply<Vec<GrantedJob>>>,
    /// The store has not been asked yet whether it has answered this claim before.
    pub(super) is_new: bool,
    /// The host is to drain: it gets nothing, and waits all the same, so as not to ask in a circle.
    pub(super) is_draining: bool,
}

impl PendingClaim {
    fn new(claim: ClaimRequest, reply: Reply<Vec<GrantedJob>>, now: Instant) -> Self {
        let mut capabilities = claim.capabilities;
        capabilities.sort_unstable();
        capabilities.dedup();
        Self {
            factory: claim.factory_id,
            request: claim.request_id,
            capabilities,
            held_locks: claim.held_locks,
            wants: claim.free.min(MAX_GRANTS),
            until: now + Duration::from_millis(claim.wait_ms),
            replies: vec![reply],
            is_new: true,
            is_draining: false,
        }
    }

    pub(super) fn asking(&self) -> ClaimShare<'_> {
        let offer = HostOffer { capabilities: &self.capabilities, held_locks: &self.held_locks };
        ClaimShare { offer, wants: self.wants }
    }

    fn is_heard(&self) -> bool {
        self.replies.iter().any(|reply| !reply.is_closed())
    }

    fn answer(self, answer: &Result<Vec<GrantedJob>, StoreError>) {
        for reply in self.replies {
            // Who has gone asks again with the same request, or the lease lapses.
            let _ = reply.send(answer.clone());
        }
    }
}

/// All of them, the longest waiting first.
#[derive(Debug, Default)]
pub(super) struct PendingClaims {
    waiting: Vec<PendingClaim>,
    requests: HashSet<(FactoryId, RequestId)>,
}

impl PendingClaims {
    pub(super) fn enter(
        &mut self,
        claim: ClaimRequest,
        reply: Reply<Vec<GrantedJob>>,
        now: Instant,
    ) {
        let request = (claim.factory_id.clone(), claim.request_id.clone());
        if !self.requests.insert(request) {
            let same = |w: &&mut PendingClaim| {
                w.factory == claim.factory_id && w.request == claim.request_id
            };
            if let Some(known) = self.waiting.iter_mut().find(same) {
                known.until = now + Duration::from_millis(claim.wait_ms);
                known.replies.push(reply);
                return;
            }
        }
        self.waiting.push(PendingClaim::new(claim, reply, now));
    }

    pub(super) fn all(&self) -> &[PendingClaim] {
        &self.waiting
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the first of them has waited long enough.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// Lets those go whose hosts have gone.
    pub(super) fn forget_the_gone(&mut self) {
        self.part(|_, waiting| !waiting.is_heard());
    }

    /// Answers those that have waited long enough.
    pub(super) fn end(
        &mut self,
        now: Instant,
        answer: &Result<Vec<GrantedJob>, StoreError>,
    ) -> usize {
        let over = self.part(|_, waiting| waiting.until <= now);
        let many = over.len();
        for waiting in over {
            waiting.answer(answer);
        }
        many
    }

    /// Answers all.
    pub(super) fn close(&mut self, answer: &Result<Vec<GrantedJob>, StoreError>) {
        for waiting in self.part(|_, _| true) {
            waiting.answer(answer);
        }
    }

    /// Takes the store's answers about some of them, each with its place. Whoever got nothing goes
    /// on waiting.
    pub(super) fn granted(&mut self, mut answers: Vec<(usize, ClaimAnswer)>) {
        answers.sort_by_key(|(place, _)| *place);
        for (place, answer) in &answers {
            let waiting = &mut self.waiting[*place];
            (waiting.is_new, waiting.is_draining) = (false, answer.draining);
        }
        answers.retain(|(_, answer)| !answer.grants.is_empty());
        let mut places = answers.iter().map(|(place, _)| *place).peekable();
        let done = self.part(|place, _| places.next_if_eq(&place).is_some());
        for (waiting, (_, answer)) in done.into_iter().zip(answers) {
            waiting.answer(&Ok(answer.grants));
        }
    }

    /// Takes out those that `leaves` names, and keeps the order of all.
    fn part(&mut self, mut leaves: impl FnMut(usize, &PendingClaim) -> bool) -> Vec<PendingClaim> {
        let mut place = 0;
        let mut next = || {
            place += 1;
            place - 1
        };
        let left: Vec<PendingClaim> =
            self.waiting.extract_if(.., |waiting| leaves(next(), waiting)).collect();
        for waiting in &left {
            self.requests.remove(&(waiting.factory.clone(), waiting.request.clone()));
        }
        left
    }
}
