//! Confidence in a rate, by the number of trials that it comes from.

use serde::Serialize;

/// The 97.5 % point of the normal distribution: 95 % lie within this many standard deviations.
const Z: f64 = 1.959_963_984_540_054;

/// The bounds of a rate, in `0.0..=1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateInterval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Wilson's 95 % score interval for `successes` out of `trials`. Unlike the usual one it is right
/// for few trials and for rates near 0 and 1. With no trial it is everything: nothing is known.
/// `successes` above `trials` count as `trials`.
pub fn wilson(successes: u64, trials: u64) -> RateInterval {
    if trials == 0 {
        return RateInterval { low: 0.0, high: 1.0 };
    }
    let n = as_f64(trials);
    let p = as_f64(successes.min(trials)) / n;
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // Rounding must not show an end that the formula puts exactly at 0 or 1 as beside it.
    let low = if successes == 0 { 0.0 } else { ((centre - half) / scale).clamp(0.0, 1.0) };
    let high = if successes >= trials { 1.0 } else { ((centre + half) / scale).clamp(0.0, 1.0) };
    RateInterval { low, high }
}

#[expect(clippy::cast_precision_loss, reason = "a count of decisions is far below 2^53")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}
