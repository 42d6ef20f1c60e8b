//! Sums over all jobs that ever were. They only grow, and are the same at every coordinator of a
//! database.

use std::collections::BTreeMap;

use aq_fleet::protocol::RunMetrics;
use aq_manifest::{Outcome, Stage};

use super::StoreError;
use super::columns::{count, word};
use crate::ledger::{FleetJob, JobNamespace};

/// Maximum that one run adds: a host that says more is wrong, and must not spoil the sum.
const MOST: f64 = 1e12;

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTotals {
    /// The cost of runs, in millionths of a US dollar, estimates included.
    pub cost_micros: u64,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that came from vendors' caches.
    pub cached_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// Number of jobs of the fleet that failed, by their result.
    pub failed: BTreeMap<Outcome, u64>,
}

/// Something that is counted, and how much of it.
pub(crate) type Added = (String, i64);

const COST: &str = "cost_micros";
const INPUT: &str = "input_tokens";
const CACHED: &str = "cached_tokens";
const OUTPUT: &str = "output_tokens";
const FAILED: &str = "failed/";

/// A run's numbers, as far as they are known.
pub(crate) fn spent(metrics: &RunMetrics) -> Vec<Added> {
    let tokens = |tokens: Option<u64>| tokens.map(|tokens| tokens as f64);
    let cost = metrics.cost_usd.map(|usd| usd * 1e6);
    let parts = [
        (COST, cost),
        (INPUT, tokens(metrics.input_tokens)),
        (CACHED, tokens(metrics.cached_tokens)),
        (OUTPUT, tokens(metrics.output_tokens)),
    ];
    let whole = |number: f64| number.clamp(0.0, MOST).round() as i64;
    let parts = parts.into_iter().filter_map(|(name, number)| Some((name, whole(number?))));
    parts.filter(|(_, number)| *number > 0).map(|(name, n)| (name.to_owned(), n)).collect()
}

/// The failure that a change of a row is, if it is one.
pub(crate) fn failure(before: Option<&FleetJob>, after: &FleetJob) -> Option<Added> {
    let has_failed = |job: &FleetJob| job.stage == Stage::Failed;
    let is_new = has_failed(after) && !before.is_some_and(has_failed);
    let result = after.result.filter(|_| is_new && after.world == JobNamespace::Fleet)?;
    Some((format!("{FAILED}{result}"), 1))
}

impl JobTotals {
    /// The rows as they are kept.
    pub(crate) fn of(rows: Vec<Added>) -> Result<Self, StoreError> {
        let mut totals = Self::default();
        for (name, value) in rows {
            let value = count(value);
            match name.as_str() {
                COST => totals.cost_micros = value,
                INPUT => totals.input_tokens = value,
                CACHED => totals.cached_tokens = value,
                OUTPUT => totals.output_tokens = value,
                name => {
                    // What a later version counts is not this one's.
                    let Some(result) = name.strip_prefix(FAILED) else { continue };
                    totals.failed.insert(word("totals.name", result)?, value);
                }
            }
        }
        Ok(totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_strangers_spoil_no_sum() {
        let told = |cost_usd| RunMetrics { cost_usd: Some(cost_usd), ..RunMetrics::default() };
        for (cost, added) in [
            (1.25, Some(1_250_000)),
            (0.000_000_4, None),
            (-3.0, None),
            (f64::NAN, None),
            (f64::INFINITY, Some(1_000_000_000_000)),
        ] {
            let spent = spent(&told(cost));
            assert_eq!(spent.first().map(|(_, n)| *n), added, "{cost}");
        }
        let tokens = RunMetrics { output_tokens: Some(u64::MAX), ..RunMetrics::default() };
        assert_eq!(spent(&tokens), [("output_tokens".to_owned(), 1_000_000_000_000)]);
    }
}
