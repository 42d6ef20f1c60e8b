//! The numbers of one job.

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Outcome, Stage};
use jiff::Timestamp;

/// The numbers of one job, over all its attempts. What is not known is `None`, never 0.
#[derive(Clone, Debug, PartialEq)]
pub struct JobNumbers {
    /// The job.
    pub id: JobId,
    /// Its folder.
    pub stage: Stage,
    /// The engine of its last attempt.
    pub engine: Option<String>,
    /// Its profile.
    pub profile: Option<String>,
    /// Its result, if it has ended.
    pub outcome: Option<Outcome>,
    /// When its last attempt ended.
    pub ended_at: Option<Timestamp>,
    /// Attempts that ended and count.
    pub attempts: u32,
    /// Seconds that agents were at work.
    pub duration_s: Option<f64>,
    /// Input tokens that were not cached.
    pub input_tokens: Option<u64>,
    /// Input tokens that came from the engine's cache.
    pub cached_tokens: Option<u64>,
    /// Input tokens that were written to the engine's cache, where it counts them apart.
    pub cache_write_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// Tokens of reasoning, where the engine counts them beside the output.
    pub reasoning_tokens: Option<u64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
    /// Tokens or cost were guessed from text.
    pub estimated: bool,
    /// The tracker's item that it came from.
    pub tracker_item: Option<String>,
    /// The folder that the tracker got last, as recorded.
    pub tracker_echoed: Option<String>,
}

impl JobNumbers {
    /// Reads the numbers out of a job's record, asked for by key.
    pub fn read<'a>(id: JobId, stage: Stage, get: impl Fn(RecordKey) -> Option<&'a str>) -> Self {
        fn number<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
            text?.parse().ok()
        }
        // The totals over all attempts, where there were several.
        let total = |total: RecordKey, last: RecordKey| get(total).or_else(|| get(last));
        let finite = |text| number::<f64>(text).filter(|n| n.is_finite() && *n >= 0.0);
        Self {
            id,
            stage,
            engine: get(RecordKey::Engine).map(str::to_owned),
            profile: get(RecordKey::Profile).map(str::to_owned),
            outcome: number(get(RecordKey::Result)),
            ended_at: number(get(RecordKey::EndedAt)),
            attempts: number(get(RecordKey::Attempts)).unwrap_or(0),
            duration_s: finite(total(RecordKey::TotalDurationS, RecordKey::DurationS)),
            input_tokens: number(total(RecordKey::TotalInputTokens, RecordKey::InputTokens)),
            cached_tokens: number(total(RecordKey::TotalCachedTokens, RecordKey::CachedTokens)),
            cache_write_tokens: number(total(
                RecordKey::TotalCacheWriteTokens,
                RecordKey::CacheWriteTokens,
            )),
            output_tokens: number(total(RecordKey::TotalOutputTokens, RecordKey::OutputTokens)),
            reasoning_tokens: number(total(
                RecordKey::TotalReasoningTokens,
                RecordKey::ReasoningTokens,
            )),
            cost_usd: finite(total(RecordKey::TotalCostUsd, RecordKey::CostUsd)),
            estimated: get(RecordKey::UsageEstimated) == Some("1"),
            tracker_item: get(RecordKey::TrackerItem).map(str::to_owned),
            tracker_echoed: get(RecordKey::TrackerEchoed).map(str::to_owned),
        }
    }

    /// Tests for a job that has run and come to an end that counts: one that waits for a person
    /// after its agent ended well has.
    pub fn has_run(&self) -> bool {
        self.attempts > 0 && Self::counts_in(self.stage)
    }

    /// Tests for a folder whose jobs can count: the result of one that is to run (again) is still
    /// open.
    pub fn counts_in(stage: Stage) -> bool {
        !matches!(stage, Stage::Inbox | Stage::Building)
    }

    /// Tests for good work, as far as is known.
    pub fn succeeded(&self) -> bool {
        matches!(self.stage, Stage::Review | Stage::Testing | Stage::Shipped)
    }
}
