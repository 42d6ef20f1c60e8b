//! Time, as far as calls and leases need it.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A clock that only goes forward, can wait, and has some randomness to spread retries.
pub trait ClientClock: Send + Sync {
    /// The time since some fixed moment. It goes on while the machine sleeps.
    fn now(&self) -> Duration;

    /// Waits.
    fn pause(&self, duration: Duration);

    /// A number in `0.0..1.0`, another one each time.
    fn jitter(&self) -> f64;
}

/// The real clock: the time since this machine was started. All processes read the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The clock that counts a suspended machine's time as well; a lease goes on meanwhile.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

impl ClientClock for SystemClock {
    fn now(&self) -> Duration {
        Duration::from(clock_gettime(CLOCK).expect("every system has this clock"))
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn jitter(&self) -> f64 {
        // The last eight bytes of a random UUID are random but for the first two bits.
        let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
        let random = u32::try_from(random & u64::from(u32::MAX)).unwrap_or(0);
        f64::from(random) / (f64::from(u32::MAX) + 1.0)
    }
}
