//! Counting decisions, and the verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use super::gap::ReadinessGap;
use super::wilson::{RateInterval, as_f64, wilson};
use crate::protocol::ShadowVerdict;
use crate::shadow::{ComparisonLine, ComparisonLog, ShadowReason, SnapshotId};

/// The version of [`AgreementReport`]'s shape as JSON. Grows when a field changes its meaning or
/// goes.
pub const VERSION: u32 = 2;

/// Maximum of disagreements that a report shows.
const LATEST: usize = 10;

/// The bar that must be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AgreementBar {
    min_samples: u64,
    min_rate: f64,
}

/// A bar that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the rate is a number from 0 to 1, such as 0.98, not {0}")]
pub struct BarError(f64);

impl Default for AgreementBar {
    /// 200 decisions, and a rate of 0.98.
    fn default() -> Self {
        Self { min_samples: 200, min_rate: 0.98 }
    }
}

impl AgreementBar {
    /// At least `min_samples` decisions, and a rate that is with 95 % certainty `min_rate` or more.
    ///
    /// # Errors
    /// When `min_rate` is outside `0.0..=1.0`.
    pub fn new(min_samples: u64, min_rate: f64) -> Result<Self, BarError> {
        if (0.0..=1.0).contains(&min_rate) {
            Ok(Self { min_samples, min_rate })
        } else {
            Err(BarError(min_rate))
        }
    }
}

/// The sum of a shadow log. `--json` prints it, with texts beside codes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgreementReport {
    /// [`VERSION`].
    pub version: u32,
    /// The bar is reached.
    pub ready: bool,
    /// The gaps to readiness; empty when ready.
    pub missing: Vec<ReadinessGap>,
    /// The bar.
    #[serde(flatten)]
    pub bar: AgreementBar,
    /// Decisions that count: one for each distinct snapshot of the inbox, errors included.
    pub counted: u64,
    /// Both picked the same job.
    pub agree: u64,
    /// Each picked another job.
    pub diverge: u64,
    /// The host picked a job, the coordinator none.
    pub coord_empty: u64,
    /// The coordinator picked a job, the host none.
    pub local_empty: u64,
    /// The coordinator gave no answer that could be used: no agreement.
    pub error: u64,
    /// The part of `counted` that agrees; absent when there is none.
    pub rate: Option<f64>,
    /// The bounds of that part with 95 % certainty.
    pub interval: RateInterval,
    /// Disagreements by reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Errors by reason.
    pub error_reasons: BTreeMap<&'static str, u64>,
    /// The last disagreements, the newest first; at most 10.
    pub latest: Vec<ShadowDivergence>,
    /// Snapshots where both sides had nothing to choose: not counted.
    pub nothing_to_choose: u64,
    /// Lines about a snapshot that another line is about: not counted again.
    pub repeated: u64,
    /// Lines that could not be read.
    pub bad_lines: u64,
}

/// A disagreement, as a report shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShadowDivergence {
    /// When, by the host's clock; RFC 3339.
    pub ts: String,
    /// Which kind.
    pub verdict: ShadowVerdict,
    /// The key of the host's pick. Text from outside: escape it before it is shown.
    pub local: Option<String>,
    /// The key of the coordinator's. Text from outside: escape it before it is shown.
    pub coord: Option<String>,
    /// The reason.
    pub reason: Option<&'static str>,
}

impl AgreementReport {
    /// Number of decisions by verdict.
    pub fn counts(&self) -> [(ShadowVerdict, u64); 5] {
        [
            (ShadowVerdict::Agree, self.agree),
            (ShadowVerdict::Diverge, self.diverge),
            (ShadowVerdict::CoordEmpty, self.coord_empty),
            (ShadowVerdict::LocalEmpty, self.local_empty),
            (ShadowVerdict::Error, self.error),
        ]
    }

    /// Counts and judges a log.
    ///
    /// Of several lines about one snapshot one counts: a disagreement before an agreement, and
    /// either before an error, which says nothing of the decision.
    pub fn of(log: &ComparisonLog, bar: AgreementBar) -> Self {
        let mut decisions: BTreeMap<SnapshotId, &ComparisonLine> = BTreeMap::new();
        for line in &log.lines {
            let decision = decisions.entry(line.snapshot).or_insert(line);
            // Of two that weigh the same the later one is shown.
            if weight(line) >= weight(decision) {
                *decision = line;
            }
        }
        let mut report = Self::empty(log, bar);
        report.repeated = log.lines.len().saturating_sub(decisions.len()) as u64;
        for line in decisions.values() {
            report.add(line);
        }
        report.latest = latest(decisions.into_values());
        report.judge();
        report
    }

    fn empty(log: &ComparisonLog, bar: AgreementBar) -> Self {
        Self {
            version: VERSION,
            ready: false,
            missing: Vec::new(),
            bar,
            counted: 0,
            agree: 0,
            diverge: 0,
            coord_empty: 0,
            local_empty: 0,
            error: 0,
            rate: None,
            interval: wilson(0, 0),
            reasons: BTreeMap::new(),
            error_reasons: BTreeMap::new(),
            latest: Vec::new(),
            nothing_to_choose: 0,
            repeated: 0,
            bad_lines: log.bad,
        }
    }

    fn add(&mut self, line: &ComparisonLine) {
        if had_nothing(line) {
            self.nothing_to_choose += 1;
            return;
        }
        self.counted += 1;
        let (count, reasons) = match line.verdict {
            ShadowVerdict::Agree => {
                self.agree += 1;
                return;
            }
            ShadowVerdict::Diverge => (&mut self.diverge, &mut self.reasons),
            ShadowVerdict::CoordEmpty => (&mut self.coord_empty, &mut self.reasons),
            ShadowVerdict::LocalEmpty => (&mut self.local_empty, &mut self.reasons),
            ShadowVerdict::Error => (&mut self.error, &mut self.error_reasons),
        };
        *count += 1;
        *reasons.entry(line.reason.unwrap_or(ShadowReason::Unknown).as_str()).or_default() += 1;
    }

    fn judge(&mut self) {
        let AgreementBar { min_samples, min_rate } = self.bar;
        self.interval = wilson(self.agree, self.counted);
        self.rate = (self.counted > 0).then(|| as_f64(self.agree) / as_f64(self.counted));
        if self.counted < min_samples {
            let more = min_samples - self.counted;
            self.missing.push(ReadinessGap::Decisions { more, min_samples });
        }
        let low = self.interval.low;
        if low < min_rate {
            let more = agreements_needed(self.agree, self.counted, min_rate);
            self.missing.push(ReadinessGap::Rate { min_rate, low, more });
        }
        self.ready = self.missing.is_empty();
    }
}

/// Weight of a line as evidence about the decision of its snapshot.
fn weight(line: &ComparisonLine) -> u8 {
    match line.verdict {
        ShadowVerdict::Error => 0,
        ShadowVerdict::Agree if had_nothing(line) => 1,
        ShadowVerdict::Agree => 2,
        ShadowVerdict::Diverge | ShadowVerdict::CoordEmpty | ShadowVerdict::LocalEmpty => 3,
    }
}

fn had_nothing(line: &ComparisonLine) -> bool {
    line.verdict == ShadowVerdict::Agree && line.local.is_none() && line.coord.is_none()
}

fn latest<'a>(lines: impl Iterator<Item = &'a ComparisonLine>) -> Vec<ShadowDivergence> {
    let mut lines: Vec<&ComparisonLine> = lines.filter(|line| weight(line) == 3).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.ts));
    let shown = |line: &&ComparisonLine| ShadowDivergence {
        ts: line.ts.to_string(),
        verdict: line.verdict,
        local: line.local.clone(),
        coord: line.coord.clone(),
        reason: line.reason.map(ShadowReason::as_str),
    };
    lines.iter().take(LATEST).map(shown).collect()
}

/// Number of further agreements in a row that would lift the lower end to `min_rate`; `None` when
/// that is more than anybody would wait for, such as for a rate of 1.
fn agreements_needed(agree: u64, counted: u64, min_rate: f64) -> Option<u64> {
    const MOST: u64 = 1_000_000;
    let does = |more: u64| wilson(agree + more, counted + more).low >= min_rate;
    if !does(MOST) {
        return None;
    }
    let (mut too_few, mut enough) = (0, MOST);
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        if does(middle) { enough = middle } else { too_few = middle }
    }
    Some(enough)
}
