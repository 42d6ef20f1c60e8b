//! Heartbeats: all that have come meanwhile go to the store together.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::metrics::CoordinatorMetrics;
use crate::store::{BeatAnswer, CoordinatorStore, HeartbeatRow, StoreError};

/// Heartbeats that wait for the store; more are refused, and hosts come again.
const MAX_ASKED: usize = 20_000;

/// Heartbeats that go to the store at once.
const MAX_BATCH: usize = 1000;

/// Transactions at the same time: while one is made durable, the next is prepared.
const AT_ONCE: usize = 2;

type Asked = (HeartbeatRow, oneshot::Sender<Result<BeatAnswer, StoreError>>);

/// The entrance.
#[derive(Clone, Debug)]
pub(crate) struct HeartbeatBatcher(mpsc::Sender<Asked>);

impl HeartbeatBatcher {
    /// Starts the task, which ends with the last entrance.
    pub(crate) fn start(
        store: &Arc<dyn CoordinatorStore>,
        metrics: &Arc<CoordinatorMetrics>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(MAX_ASKED);
        let asked = Arc::new(tokio::sync::Mutex::new(asked));
        for _ in 0..AT_ONCE {
            tokio::spawn(run(Arc::clone(&asked), Arc::clone(store), Arc::clone(metrics)));
        }
        Self(asks)
    }

    pub(crate) async fn beat(&self, beat: HeartbeatRow) -> Result<BeatAnswer, StoreError> {
        let busy = |why: &str| StoreError::Unavailable(why.to_owned());
        let (reply, answer) = oneshot::channel();
        let sent = self.0.try_send((beat, reply));
        sent.map_err(|_| busy("too many heartbeats wait for it"))?;
        answer.await.map_err(|_| busy("the coordinator is going down"))?
    }
}

async fn run(
    asked: Arc<tokio::sync::Mutex<mpsc::Receiver<Asked>>>,
    store: Arc<dyn CoordinatorStore>,
    metrics: Arc<CoordinatorMetrics>,
) {
    let mut batch = Vec::new();
    loop {
        // Held while waiting, so that what comes together goes together.
        if asked.lock().await.recv_many(&mut batch, MAX_BATCH).await == 0 {
            return;
        }
        batch.retain(|(_, reply)| !reply.is_closed());
        let (beats, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        match store.heartbeat(beats).await {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    let held = answer.leases.iter().filter(|lease| lease.expires_in.is_some());
                    metrics.leases_renewed.inc_by(held.count() as u64);
                    let _ = reply.send(Ok(answer));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}
