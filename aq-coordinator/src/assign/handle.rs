//! The handlers' way to ask the desk.

use std::sync::Arc;

use aq_fleet::protocol::{ClaimRequest, FleetJobId};
use aq_scheduler::WaitReason;
use tokio::sync::{mpsc, oneshot, watch};

use super::assign_request::{AssignRequest, CycleCheck, Reply};
use super::job_assigner::JobAssigner;
use crate::change_notifier::ChangeNotifier;
use crate::ledger::JobNamespace;
use crate::metrics::CoordinatorMetrics;
use crate::store::{CoordinatorStore, GrantedJob, StoreError};

/// Questions that are not read yet; more are refused, as after a database that was away for long.
const MAX_ASKED: usize = 20_000;

/// The entrance to the desk.
#[derive(Clone, Debug)]
pub(crate) struct AssignHandle {
    asks: mpsc::Sender<AssignRequest>,
}

impl AssignHandle {
    /// Starts the desk. It ends when `stop` says so: what waits gets an empty answer.
    pub(crate) fn start(
        store: Arc<dyn CoordinatorStore>,
        metrics: Arc<CoordinatorMetrics>,
        pulse: &ChangeNotifier,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(MAX_ASKED);
        tokio::spawn(JobAssigner::new(store, metrics).run(asked, pulse.listen(), stop));
        Self { asks }
    }

    pub(crate) async fn claim(&self, claim: ClaimRequest) -> Result<Vec<GrantedJob>, StoreError> {
        self.ask(|reply| AssignRequest::Claim(claim, reply)).await
    }

    pub(crate) async fn dry(&self, claim: ClaimRequest) -> Result<Vec<FleetJobId>, StoreError> {
        self.ask(|reply| AssignRequest::Dry(claim, reply)).await
    }

    pub(crate) async fn check(
        &self,
        world: JobNamespace,
        key: Option<String>,
        deps: Vec<String>,
    ) -> Result<CycleCheck, StoreError> {
        self.ask(|reply| AssignRequest::Check { world, key, deps, reply }).await
    }

    /// Returns the reason why a job waits; `None` when it does not.
    pub(crate) async fn why(
        &self,
        world: JobNamespace,
        job: FleetJobId,
    ) -> Result<Option<WaitReason>, StoreError> {
        self.ask(|reply| AssignRequest::Why { world, job, reply }).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> AssignRequest) -> Result<T, StoreError> {
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
