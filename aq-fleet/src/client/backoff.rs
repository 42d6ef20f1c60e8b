//! Pauses before a retry.

use std::time::Duration;

/// Before the second try, without jitter.
const FIRST: Duration = Duration::from_millis(200);

/// Before any try, without jitter.
const LONGEST: Duration = Duration::from_secs(4);

/// The pause after `tries` tries: doubled each time, then between half of that and all of it, so
/// that hosts that failed together do not come back together. What the coordinator asks for is
/// kept, and spread in the same way above it.
pub(super) fn pause(tries: u32, jitter: f64, asked: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST);
    let share = jitter.clamp(0.0, 1.0);
    match asked {
        Some(asked) => asked.saturating_add(FIRST.mul_f64(share)),
        None => doubled.mul_f64(0.5 + share / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let ms = |tries, jitter| pause(tries, jitter, None).as_millis();
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 99].map(|n| ms(n, 0.0)),
            [100, 200, 400, 800, 1600, 2000, 2000]
        );
        assert_eq!([ms(1, 0.5), ms(1, 1.0)], [150, 200]);
    }

    #[test]
    fn what_the_coordinator_asks_for_is_never_undercut() {
        let asked = Duration::from_secs(7);
        assert_eq!(pause(1, 0.0, Some(asked)), asked);
        assert_eq!(pause(1, 1.0, Some(asked)), asked + FIRST);
        assert!(pause(3, 1.0, Some(Duration::MAX)) == Duration::MAX);
    }
}
