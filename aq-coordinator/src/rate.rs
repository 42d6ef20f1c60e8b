//! Limits of the rate at which a caller may send: a bucket of tokens for each, refilled at a steady
//! rate.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The rate of one caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallerRate {
    /// Requests a second in the long run; above zero.
    pub per_second: f64,
    /// Requests at once after a pause; at least one.
    pub burst: f64,
}

/// Number of callers that are remembered. A caller that is forgotten has a full bucket again.
const MAX_CALLERS: usize = 20_000;

#[derive(Clone, Copy, Debug)]
struct TokenBucket {
    left: f64,
    /// When `left` was worked out.
    at: Duration,
}

/// Buckets by caller. Time is given, as the time since any fixed moment.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    rate: CallerRate,
    buckets: HashMap<K, TokenBucket>,
}

impl<K: Eq + Hash> RateLimiter<K> {
    pub(crate) fn new(rate: CallerRate) -> Self {
        Self { rate, buckets: HashMap::new() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The caller has sent too many, and may come back after this time.
    pub(crate) fn take(&mut self, caller: K, now: Duration) -> Result<(), Duration> {
        let rate = self.rate;
        let bucket = self.bucket(caller, now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }

    fn bucket(&mut self, caller: K, now: Duration) -> &mut TokenBucket {
        let rate = self.rate;
        if self.buckets.len() >= MAX_CALLERS && !self.buckets.contains_key(&caller) {
            // A full bucket says no more than none. If all are in use, the flood comes from that
            // many addresses, and forgetting them is what keeps the memory bounded.
            self.buckets.retain(|_, bucket| refilled(*bucket, rate, now).left < rate.burst);
            if self.buckets.len() >= MAX_CALLERS {
                self.buckets.clear();
            }
        }
        let bucket =
            self.buckets.entry(caller).or_insert(TokenBucket { left: rate.burst, at: now });
        *bucket = refilled(*bucket, rate, now);
        bucket
    }
}

/// A limiter that requests share.
#[derive(Debug)]
pub(crate) struct RateGate<K> {
    limiter: Mutex<RateLimiter<K>>,
    since: Instant,
}

impl<K: Eq + Hash> RateGate<K> {
    pub(crate) fn new(rate: CallerRate) -> Self {
        Self { limiter: Mutex::new(RateLimiter::new(rate)), since: Instant::now() }
    }

    /// As [`RateLimiter::take`], now.
    pub(crate) fn take(&self, caller: K) -> Result<(), Duration> {
        self.locked().take(caller, self.since.elapsed())
    }

    fn locked(&self) -> MutexGuard<'_, RateLimiter<K>> {
        // Whoever panicked left numbers, each of them valid.
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refilled(bucket: TokenBucket, rate: CallerRate, now: Duration) -> TokenBucket {
    let passed = now.saturating_sub(bucket.at).as_secs_f64();
    TokenBucket {
        left: rate.burst.min(bucket.left + passed * rate.per_second),
        at: now.max(bucket.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: CallerRate = CallerRate { per_second: 2.0, burst: 3.0 };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut limiter = RateLimiter::new(RATE);
        for _ in 0..3 {
            assert_eq!(limiter.take("a", at(0)), Ok(()));
        }
        assert_eq!(limiter.take("a", at(0)), Err(at(500)));
        assert_eq!(limiter.take("b", at(0)), Ok(()), "each has a bucket of its own");
        assert_eq!(limiter.take("a", at(500)), Ok(()));
        assert_eq!(limiter.take("a", at(500)), Err(at(500)));
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut limiter = RateLimiter::new(RATE);
        for caller in 0..3 * MAX_CALLERS {
            limiter.take(caller, at(0)).unwrap();
        }
        assert!(limiter.buckets.len() <= MAX_CALLERS);
    }

    #[test]
    fn time_that_stands_still_or_goes_back_gives_nothing() {
        let mut limiter = RateLimiter::new(CallerRate { per_second: 1.0, burst: 1.0 });
        limiter.take("a", at(5000)).unwrap();
        assert!(limiter.take("a", at(0)).is_err());
        assert!(limiter.take("a", at(5000)).is_err());
        assert_eq!(limiter.take("a", at(6000)), Ok(()));
    }
}
