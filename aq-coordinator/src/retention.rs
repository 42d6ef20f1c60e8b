//! Forgets what is not kept for good, a little at a time beside the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use crate::store::{CoordinatorStore, ForgetReport};

/// Interval at which there may be something to forget.
const EVERY: Duration = Duration::from_secs(60);

/// The pause where there is more than goes at once: others have their turn.
const SOON: Duration = Duration::from_millis(200);

/// Forgets until the coordinator is to end; see [`CoordinatorStore::forget`].
pub(crate) async fn run(
    store: Arc<dyn CoordinatorStore>,
    keep: Option<Duration>,
    mut stop: watch::Receiver<bool>,
) {
    let mut sum = ForgetReport::default();
    loop {
        let pause = match store.forget(keep).await {
            Ok(forgotten) => {
                sum.add(forgotten);
                if forgotten.is_full() { SOON } else { EVERY }
            }
            Err(error) => {
                warn!(%error, "nothing could be forgotten; it is tried again");
                EVERY
            }
        };
        if pause == EVERY && sum != ForgetReport::default() {
            let ForgetReport { jobs, hosts, events } = std::mem::take(&mut sum);
            info!(jobs, hosts, events, "forgot what is kept for no longer");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|&stop| stop) => return,
        }
    }
}
