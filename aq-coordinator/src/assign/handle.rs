//! The handlers' way to ask the desk.

use std::sync::Arc;

use aq_fleet::protocol::{Claim, FleetJobId};
use aq_scheduler::WaitReason;
use tokio::sync::{mpsc, oneshot, watch};

use super::ask::{Ask, Checked, Reply};
use super::desk::Desk;
use crate::ledger::World;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::store::{Granted, Store, StoreError};

/// Questions that are not read yet; more are refused, as after a database that was away for long.
const MAX_ASKED: usize = 20_000;

/// The entrance to the desk.
#[derive(Clone, Debug)]
pub(crate) struct Assign {
    asks: mpsc::Sender<Ask>,
}

impl Assign {
    /// Starts the desk. It ends when `stop` says so: what waits gets an empty answer.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        pulse: &Pulse,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(MAX_ASKED);
        tokio::spawn(Desk::new(store, metrics).run(asked, pulse.listen(), stop));
        Self { asks }
    }

    pub(crate) async fn claim(&self, claim: Claim) -> Result<Vec<Granted>, StoreError> {
        self.ask(|reply| Ask::Claim(claim, reply)).await
    }

    pub(crate) async fn dry(&self, claim: Claim) -> Result<Vec<FleetJobId>, StoreError> {
        self.ask(|reply| Ask::Dry(claim, reply)).await
    }

    pub(crate) async fn check(
        &self,
        world: World,
        key: Option<String>,
        deps: Vec<String>,
    ) -> Result<Checked, StoreError> {
        self.ask(|reply| Ask::Check { world, key, deps, reply }).await
    }

    /// Returns the reason why a job waits; `None` when it does not.
    pub(crate) async fn why(
        &self,
        world: World,
        job: FleetJobId,
    ) -> Result<Option<WaitReason>, StoreError> {
        self.ask(|reply| Ask::Why { world, job, reply }).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, StoreError> {
        let away = |_| StoreError::Unavailable("the coordinator is going down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(ask(reply)).map_err(|error| {
            let why = match error {
                mpsc::error::TrySendError::Full(_) => "too many questions wait for it",
                mpsc::error::TrySendError::Closed(_) => "the coordinator is going down",
            };
            StoreError::Unavailable(why.to_owned())
        })?;
        answer.await.map_err(away)?
    }
}
