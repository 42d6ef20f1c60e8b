//! Test for a wall clock that was set back. Then every moment that the loop waits for is too far
//! away: a pause of a minute would last until the clock has caught up.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that is only adjusted goes back by less than this between two looks.
const ADJUSTED: Duration = Duration::from_secs(1);

/// The wall clock beside one that nobody can set.
#[derive(Debug)]
pub(super) struct LoopClock {
    wall: Timestamp,
    at: Instant,
}

impl LoopClock {
    pub(super) fn new() -> Self {
        Self { wall: Timestamp::now(), at: Instant::now() }
    }

    /// Tests whether the wall clock was set back since this was last asked.
    pub(super) fn was_set_back(&mut self) -> bool {
        self.look(Timestamp::now(), Instant::now())
    }

    fn look(&mut self, wall: Timestamp, at: Instant) -> bool {
        let passed = at.saturating_duration_since(self.at);
        let expected = self.wall.saturating_add(passed).unwrap_or(Timestamp::MAX);
        *self = Self { wall, at };
        Duration::try_from(expected.duration_since(wall)).is_ok_and(|behind| behind >= ADJUSTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_back_is_seen_once() {
        let mut clock = LoopClock::new();
        let (wall, at) = (clock.wall, clock.at);
        let second = Duration::from_secs(1);
        assert!(!clock.look(wall + 30 * second, at + 30 * second));
        // Adjusted, and asleep while the wall clock went on.
        assert!(!clock.look(wall + 60 * second - second / 2, at + 60 * second));
        assert!(!clock.look(wall + 8_000 * second, at + 61 * second));
        assert!(clock.look(wall + 4_000 * second, at + 62 * second));
        assert!(!clock.look(wall + 4_001 * second, at + 63 * second));
        // Back by less than passed meanwhile.
        assert!(clock.look(wall + 4_002 * second, at + 83 * second));
    }
}
