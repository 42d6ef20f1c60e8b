//! Asking the coordinator. It may be slow, or hang: one thread at a time asks, and pages show what
//! it answered last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aq_runner::run::{FleetOverview, FleetSettings, fleet_overview};
use tokio::sync::watch;

/// A page waits so long for an answer, then shows the one before.
const PAGE: Duration = Duration::from_millis(800);

/// A coordinator that takes longer counts as silent.
const DEADLINE: Duration = Duration::from_secs(5);

/// An answer is shown again for so long.
const FRESH: Duration = Duration::from_secs(2);

/// The last answers of the coordinator.
#[derive(Debug)]
pub(super) struct FleetPoller {
    state: Arc<Mutex<PollState>>,
    /// Number of answers that have come.
    answers: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct PollState {
    /// When the question that is under way was asked.
    asked: Option<Instant>,
    last: Option<FleetAnswer>,
}

/// The coordinator's answer, or the reason why there is none.
#[derive(Clone, Debug)]
pub(super) struct FleetAnswer {
    pub(super) at: Instant,
    pub(super) fleet: Result<Arc<FleetOverview>, String>,
}

/// The state that a page can show.
#[derive(Clone, Debug)]
pub(super) struct FleetPageState {
    pub(super) last: Option<FleetAnswer>,
    /// Since when the coordinator owes an answer, when that is longer than it should take.
    pub(super) silent: Option<Duration>,
    /// An answer is still to come.
    pub(super) is_asked: bool,
}

impl Default for FleetPoller {
    fn default() -> Self {
        Self { state: Arc::default(), answers: Arc::new(watch::channel(0).0) }
    }
}

fn lock(state: &Mutex<PollState>) -> MutexGuard<'_, PollState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FleetPoller {
    /// Asks, when what is known is not fresh and nobody asks already, and waits a little for the
    /// answer.
    pub(super) async fn look(&self, settings: FleetSettings) -> FleetPageState {
        self.look_with(move || fleet_overview(&settings).map_err(|e| e.to_string())).await
    }

    async fn look_with(
        &self,
        ask: impl FnOnce() -> Result<FleetOverview, String> + Send + 'static,
    ) -> FleetPageState {
        let mut answers = self.answers.subscribe();
        let is_to_come = {
            let mut state = lock(&self.state);
            let is_fresh = state.last.as_ref().is_some_and(|last| last.at.elapsed() < FRESH);
            if state.asked.is_none() && !is_fresh && self.start(ask) {
                state.asked = Some(Instant::now());
            }
            // Who has waited in vain once shows at once that it is silent.
            state.asked.is_some_and(|asked| asked.elapsed() < DEADLINE)
        };
        if is_to_come {
            let _ = tokio::time::timeout(PAGE, answers.changed()).await;
        }
        let state = lock(&self.state);
        let waited = state.asked.map(|asked| asked.elapsed());
        FleetPageState {
            last: state.last.clone(),
            silent: waited.filter(|waited| *waited >= DEADLINE),
            is_asked: waited.is_some(),
        }
    }

    /// A thread of its own, for which the end of the program need not wait.
    fn start(&self, ask: impl FnOnce() -> Result<FleetOverview, String> + Send + 'static) -> bool {
        let (state, answers) = (Arc::clone(&self.state), Arc::clone(&self.answers));
        let asking = std::thread::Builder::new().name("aq-fleet".to_owned()).spawn(move || {
            let fleet = ask().map(Arc::new);
            let mut state = lock(&state);
            state.last = Some(FleetAnswer { at: Instant::now(), fleet });
            state.asked = None;
            drop(state);
            answers.send_modify(|count| *count = count.wrapping_add(1));
        });
        // Without a thread it is asked again by the next page.
        asking.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn fleet() -> FleetOverview {
        FleetOverview {
            stats: aq_fleet::protocol::FleetStats::default(),
            factories: Vec::new(),
            jobs: Vec::new(),
            more: false,
        }
    }

    #[tokio::test]
    async fn one_asks_and_all_see_the_answer() {
        let desk = FleetPoller::default();
        let seen = desk.look_with(|| Ok(fleet())).await;
        assert!(seen.last.is_some_and(|last| last.fleet.is_ok()) && !seen.is_asked);
        // It is fresh: nobody asks again.
        let seen = desk.look_with(|| panic!("nobody asks")).await;
        assert!(seen.last.is_some() && seen.silent.is_none());
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        let desk = FleetPoller::default();
        let (answer, answered) = channel::<()>();
        let begun = Instant::now();
        let seen = desk
            .look_with(move || {
                let _ = answered.recv();
                Err("it hung up".to_owned())
            })
            .await;
        assert!(begun.elapsed() < DEADLINE);
        assert!(seen.last.is_none() && seen.is_asked && seen.silent.is_none());
        // The second page does not ask again while the first question is under way.
        lock(&desk.state).asked = Instant::now().checked_sub(DEADLINE);
        let seen = desk.look_with(|| panic!("one asks already")).await;
        assert!(seen.silent.is_some_and(|silent| silent >= DEADLINE));
        let mut answers = desk.answers.subscribe();
        drop(answer);
        answers.changed().await.unwrap();
        let last = lock(&desk.state).last.clone().unwrap();
        assert_eq!(last.fleet.unwrap_err(), "it hung up");
    }
}
