//! Reading the feed and telling it, one message after the other.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use aq_tracker::{
    ItemId, RenderedUpdate, RetryAdvice, StatusMap, TrackerError, TrackerKind, mapping,
};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};
use tracing::{debug, warn};
use uuid::Uuid;

use super::settings::TrackerSettings;
use super::talk::{self, Answer, SendRequest};
use crate::store::{CoordinatorStore, DeliveryAck, PendingUpdate, SenderLease, StoreError};

/// Interval of looks at the feed.
const WATCH: Duration = Duration::from_secs(1);

/// Messages read at once.
const PAGE: u32 = 200;

/// Duration of a turn, which is renewed while a tracker is waited for. What a coordinator that died
/// has left is sent by another one after so long.
const TURN: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(8);

/// The first pause after a failure; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Tries of a message that its item does not take, before those of other items get their turn.
const TRIES: u32 = 3;

/// Time that a coordinator that ends waits for an answer.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Starts telling each kind of tracker, until `stop` says so.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(
    echoes: &TrackerSettings,
    store: &Arc<dyn CoordinatorStore>,
    stop: &watch::Receiver<bool>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let task = |tracker| {
        let task = UpdateTask {
            store: Arc::clone(store),
            turn: SenderLease { tracker, holder: Uuid::new_v4() },
            talk: talk::start(tracker, Arc::clone(&echoes.trackers))?,
            echoes: echoes.clone(),
            statuses: StatusMap::default(),
            stop: stop.clone(),
            refused: None,
        };
        Ok(tokio::spawn(task.run()))
    };
    [TrackerKind::Items, TrackerKind::GitHub].into_iter().map(task).collect()
}

struct UpdateTask {
    store: Arc<dyn CoordinatorStore>,
    turn: SenderLease,
    talk: Sender<SendRequest>,
    echoes: TrackerSettings,
    statuses: StatusMap,
    stop: watch::Receiver<bool>,
    /// The message that its item does not take, and how often it, or one behind it, was tried.
    refused: Option<(u64, u32)>,
}

/// A message that is to be sent.
struct DueUpdate {
    news: PendingUpdate,
    item: ItemId,
    update: RenderedUpdate,
}

/// The result of a look at the feed.
enum FeedLook {
    /// Something was sent, or may be.
    Again,
    /// There is nothing, or it is another one's turn.
    Nothing,
    /// The tracker is not well, and may have named a pause.
    Failed(TrackerError, Option<Duration>),
    /// The coordinator ends.
    Ended,
}

impl UpdateTask {
    async fn run(mut self) {
        let (mut after, mut failures) = (0, 0);
        let mut last = None;
        while !*self.stop.borrow() {
            let pause = match self.look(&mut after).await {
                Ok(FeedLook::Again) => {
                    failures = 0;
                    last = None;
                    continue;
                }
                Ok(FeedLook::Nothing) => WATCH,
                Ok(FeedLook::Ended) => break,
                Ok(FeedLook::Failed(error, named)) => {
                    let pause = pause(failures, named);
                    failures += 1;
                    let why = error.to_string();
                    // Logged once until it changes.
                    if last.as_ref() != Some(&why) {
                        warn!(error = why, pause_s = pause.as_secs(), "a tracker is left alone");
                        last = Some(why);
                    }
                    // Another coordinator may reach it.
                    self.give_back().await;
                    pause
                }
                Err(error) => {
                    debug!(%error, "the feed cannot be read for trackers");
                    WATCH
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.stop.wait_for(|&stop| stop) => break,
            }
        }
        self.give_back().await;
    }

    async fn give_back(&self) {
        // It ends by itself, too.
        let _ = self.store.turn(self.turn, Duration::ZERO).await;
    }

    /// Sends the next message behind `after`.
    async fn look(&mut self, after: &mut u64) -> Result<FeedLook, StoreError> {
        let page = self.store.news(self.turn.tracker, *after, PAGE).await?;
        let Some(due) = self.next_due(page.news) else {
            *after = page.next;
            return Ok(if page.more { FeedLook::Again } else { FeedLook::Nothing });
        };
        match self.store.turn(self.turn, TURN).await? {
            Some(read) if read < due.news.id => {}
            // Another one has sent it meanwhile.
            Some(_) => return Ok(FeedLook::Again),
            None => return Ok(FeedLook::Nothing),
        }
        let Some(answer) = self.tell(&due).await else { return Ok(FeedLook::Ended) };
        let DueUpdate { news, update, .. } = due;
        let mut told = DeliveryAck {
            id: news.id,
            job: news.job,
            item: news.item,
            echoed: None,
            comment: None,
        };
        match answer {
            Ok(comment) => (told.echoed, told.comment) = (Some(update.stage), comment),
            Err(error) => match error.retry() {
                RetryAdvice::Later(named) => return Ok(FeedLook::Failed(error, named)),
                RetryAdvice::ItemLater => {
                    let (id, tries) = self.refused.unwrap_or((news.id, 0));
                    self.refused = Some((id, tries.saturating_add(1)));
                    return Ok(FeedLook::Failed(error, None));
                }
                RetryAdvice::Never => {
                    warn!(job = %news.job, stage = %update.stage, %error, "a tracker is not told");
                }
            },
        }
        if let Some((first, tries)) = self.refused.take_if(|(first, _)| *first < news.id) {
            warn!(message = first, tries, "a tracker is not told what it keeps refusing");
        }
        self.refused = None;
        // Sent and not noted, it would be sent again.
        while let Err(error) = self.store.told(self.turn, told.clone()).await {
            debug!(%error, "what a tracker was told cannot be noted");
            tokio::select! {
                () = sleep(WATCH) => {}
                _ = self.stop.wait_for(|&stop| stop) => return Ok(FeedLook::Ended),
            }
        }
        Ok(FeedLook::Again)
    }

    /// The next message to send. Behind one that its item keeps refusing, the first ones of
    /// other items take turns with it: when one of them is taken, the tracker is well, and the
    /// refused one is passed over.
    fn next_due(&self, news: Vec<PendingUpdate>) -> Option<DueUpdate> {
        let mut due = news.into_iter().filter_map(|news| self.due(news));
        let first = due.next()?;
        let turn = match self.refused {
            Some((id, tries)) if id == first.news.id => tries.saturating_sub(TRIES - 1) as usize,
            _ => 0,
        };
        if turn == 0 {
            return Some(first);
        }
        let mut firsts = vec![first];
        for next in due {
            if firsts.iter().all(|known| known.item != next.item) {
                firsts.push(next);
            }
        }
        let turn = turn % firsts.len();
        Some(firsts.swap_remove(turn))
    }

    /// Returns the message for this kind of tracker; `None`: nothing that it does not know.
    fn due(&self, news: PendingUpdate) -> Option<DueUpdate> {
        let item: ItemId = news.item.parse().ok()?;
        let is_new = news.echoed != Some(news.echo.stage);
        let update = mapping::update(&news.echo, &self.statuses)?;
        let is_ours = item.kind() == self.turn.tracker && self.echoes.covers(&item);
        (is_new && is_ours).then_some(DueUpdate { news, item, update })
    }

    /// Waits for the tracker, and keeps the turn meanwhile. `None`: the coordinator ends first.
    async fn tell(&mut self, due: &DueUpdate) -> Option<Answer> {
        let (answer, mut answered) = oneshot::channel();
        let (item, update) = (due.item.clone(), due.update.clone());
        let telling = SendRequest { item, update, comment: due.news.comment.clone(), answer };
        // A thread that is gone drops the other end.
        let _ = self.talk.send(telling);
        let mut renewals = interval(RENEW);
        let mut stop = self.stop.clone();
        let ends = async {
            let _ = stop.wait_for(|&stop| stop).await;
            sleep(LAST_CALL).await;
        };
        tokio::pin!(ends);
        loop {
            tokio::select! {
                answer = &mut answered => return Some(answer.unwrap_or_else(|_| Err(gone(due)))),
                () = &mut ends => return None,
                _ = renewals.tick() => {
                    // One that is lost shows when the answer is noted.
                    let _ = self.store.turn(self.turn, TURN).await;
                }
            }
        }
    }
}

fn gone(due: &DueUpdate) -> TrackerError {
    let detail = "the thread that talks to it has ended".to_owned();
    TrackerError::Unavailable { who: due.item.kind().name(), detail }
}

fn pause(failures: u32, named: Option<Duration>) -> Duration {
    let growing = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    named.unwrap_or(Duration::ZERO).max(growing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_a_named_one_holds() {
        let seconds = |failures, named| pause(failures, named).as_secs();
        let named = Some(Duration::from_secs(60));
        assert_eq!([seconds(0, None), seconds(1, None), seconds(2, named)], [1, 2, 60]);
        assert_eq!([seconds(20, None), seconds(u32::MAX, None)], [300, 300]);
    }
}
