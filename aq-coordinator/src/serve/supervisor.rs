//! Words to the service manager that started the coordinator: systemd, with `Type=notify`.
//!
//! `NOTIFY_SOCKET` of the environment says where it listens; without it nothing is sent. The one
//! program that a coordinator starts, the command of a tracker, does not get it.

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

/// The coordinator answers at this address.
pub(super) fn ready(url: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {url}"))]);
}

/// It reads its token file again; [`ready`] says when that is over.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // The time distinguishes this reload from one before.
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "no monotonic time"),
    }
}

/// It takes no requests any more, and ends.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Says that the runtime goes on, twice in the time after which the manager counts it as hung, if
/// it does (`WatchdogSec`).
pub(super) async fn keep_alive() {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    let Some(limit) = limit else { return };
    let mut beats = interval(limit / 2);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        send(&[NotifyState::Watchdog]);
    }
}

fn send(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        debug!(%error, "the service manager does not listen");
    }
}
