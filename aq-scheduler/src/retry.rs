//! The consequence of a failure.

use aq_manifest::{FailureClass, RetryBackoff, RetryPolicy};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The consequence of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// Back to waiting.
    Requeue {
        /// The end of the pause.
        not_before: Timestamp,
    },
    /// The job would have been tried again, but this was its last attempt.
    Exhausted,
    /// The job has no retry, or not for this class of failure.
    NotRetried,
}

/// Decides what comes after a failure of this `class` at `now`.
///
/// `attempts` counts those made so far, the failed one included. A usage limit is no failure:
/// do not ask here, and do not count it.
///
/// ```
/// use std::time::Duration;
/// use aq_manifest::{FailureClass, RetryBackoff, RetryPolicy};
/// use aq_scheduler::{AfterFailure, after_failure};
///
/// let seconds = Duration::from_secs;
/// let backoff = RetryBackoff { initial: seconds(30), factor: 2.0, max: seconds(300) };
/// let retry = RetryPolicy { max: 3, backoff, on: vec![FailureClass::Crash] };
/// let now = "2026-01-01T09:00:00Z".parse()?;
/// let second = after_failure(Some(&retry), FailureClass::Crash, 2, now);
/// assert_eq!(second, AfterFailure::Requeue { not_before: "2026-01-01T09:01:00Z".parse()? });
/// assert_eq!(after_failure(Some(&retry), FailureClass::Crash, 3, now), AfterFailure::Exhausted);
/// # Ok::<(), jiff::Error>(())
/// ```
pub fn after_failure(
    retry: Option<&RetryPolicy>,
    class: FailureClass,
    attempts: u32,
    now: Timestamp,
) -> AfterFailure {
    let Some(retry) = retry.filter(|retry| retry.on.contains(&class)) else {
        return AfterFailure::NotRetried;
    };
    if attempts >= retry.max {
        return AfterFailure::Exhausted;
    }
    let pause = SignedDuration::try_from(pause(&retry.backoff, attempts));
    let end = now.checked_add(pause.unwrap_or(SignedDuration::MAX));
    AfterFailure::Requeue { not_before: end.unwrap_or(Timestamp::MAX) }
}

/// The pause after this many attempts: `initial` after the first, times `factor` for each
/// further one, at most `max`.
fn pause(backoff: &RetryBackoff, attempts: u32) -> Duration {
    let steps = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = backoff.initial.as_secs_f64() * backoff.factor.powi(steps);
    Duration::try_from_secs_f64(seconds).map_or(backoff.max, |pause| pause.min(backoff.max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn retry(max: u32, initial: u64, factor: f64, cap: Duration) -> RetryPolicy {
        let backoff = RetryBackoff { initial: Duration::from_secs(initial), factor, max: cap };
        RetryPolicy { max, backoff, on: vec![FailureClass::Timeout, FailureClass::Crash] }
    }

    #[test]
    fn pauses_grow_by_the_factor_up_to_the_maximum() {
        let policy = retry(100, 30, 2.0, Duration::from_secs(300));
        let now = Timestamp::UNIX_EPOCH;
        for (attempts, seconds) in [(1, 30), (2, 60), (3, 120), (4, 240), (5, 300), (99, 300)] {
            let not_before = Timestamp::from_second(seconds).unwrap();
            let after = after_failure(Some(&policy), FailureClass::Crash, attempts, now);
            assert_eq!(after, AfterFailure::Requeue { not_before }, "after {attempts}");
        }
    }

    #[test]
    fn only_listed_failures_with_attempts_left_are_tried_again() {
        let now = Timestamp::UNIX_EPOCH;
        let policy = retry(2, 0, 1.0, DAY);
        let after = |retry, class, attempts| after_failure(retry, class, attempts, now);
        let again = AfterFailure::Requeue { not_before: now };
        assert_eq!(after(Some(&policy), FailureClass::Timeout, 1), again);
        assert_eq!(after(Some(&policy), FailureClass::Timeout, 2), AfterFailure::Exhausted);
        assert_eq!(after(Some(&policy), FailureClass::VerifyFailed, 1), AfterFailure::NotRetried);
        assert_eq!(after(None, FailureClass::Crash, 1), AfterFailure::NotRetried);
    }

    #[test]
    fn absurd_numbers_end_at_the_maximum_and_never_panic() {
        for factor in [f64::INFINITY, f64::NAN, 1e300, -1.0] {
            let policy = retry(u32::MAX, 1, factor, DAY);
            let after =
                after_failure(Some(&policy), FailureClass::Crash, 4_000_000_000, Timestamp::MAX);
            assert_eq!(after, AfterFailure::Requeue { not_before: Timestamp::MAX }, "{factor}");
        }
    }
}
