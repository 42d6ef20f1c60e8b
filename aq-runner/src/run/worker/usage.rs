//! What a run of the agent uses: followed while it streams, and put on record when it has ended.

use std::path::PathBuf;

use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::Budget;
use jiff::Timestamp;

use crate::engine::{
    EndedBy, Exit, LeftBehind, Records, RunPhase, SessionTotal, Settled, Usage, Verdict,
};
use crate::process::Ended;

use super::super::settings::Settings;
use super::Work;

/// One run of an engine, as it goes on.
#[derive(Debug)]
pub(super) struct AgentRun {
    pub(super) engine: String,
    pub(super) records: Option<Records>,
    pub(super) started: Timestamp,
    /// The session that is resumed.
    pub(super) resumed: Option<String>,
    pub(super) usage_file: Option<PathBuf>,
    /// The feedback that it knows, by its id.
    pub(super) feedback: Option<String>,
    /// Its phase when it last printed something.
    pub(super) phase: RunPhase,
    budget: Budget,
    previous: Option<SessionTotal>,
}

impl AgentRun {
    pub(super) fn new(
        engine: String,
        records: Records,
        budget: Budget,
        resumed: Option<String>,
        previous: Option<SessionTotal>,
    ) -> Self {
        let (records, started) = (Some(records), Timestamp::now());
        let (usage_file, feedback, phase) = (None, None, RunPhase::default());
        Self { engine, records, started, resumed, usage_file, feedback, phase, budget, previous }
    }

    /// Whether it has used more than it may, as far as its engine has said by now.
    pub(super) fn is_over_budget(&self) -> bool {
        if self.budget == Budget::default() {
            return false;
        }
        let Some(records) = &self.records else { return false };
        let resumed = self.resumed.as_deref();
        let used = records.usage_so_far().settle(resumed, self.previous.as_ref()).run;
        over_budget(&self.budget, &used, records.turns().map(u64::from)).is_some()
    }

    /// The end of it: what is left of the run, and what became of it.
    pub(super) fn verdict(mut self, exit: Exit, ended_by: EndedBy) -> (Self, Verdict) {
        let records = self.records.take().expect("a run is judged once");
        (self, records.verdict(exit, ended_by))
    }

    /// What this run alone has used, out of all that the engine left.
    pub(super) fn settle(&self, settings: &Settings, verdict: &Verdict) -> Settled {
        let env = |name: &str| settings.environment.get(name);
        let files =
            LeftBehind { usage_file: self.usage_file.as_deref(), env: &env, started: self.started };
        let (resumed, previous) = (self.resumed.as_deref(), self.previous.as_ref());
        settings.engines.usage(&self.engine, verdict, &files, resumed, previous)
    }
}

impl Work<'_> {
    /// The session that this engine can go on with: its own, of an earlier attempt of this job.
    pub(super) fn resumable(&self, engine: &str) -> Option<String> {
        let meta = self.job.meta();
        let own = meta.get(RecordKey::SessionEngine) == Some(engine);
        meta.get(RecordKey::SessionId).filter(|_| own).map(str::to_owned)
    }

    /// What that session had used before.
    pub(super) fn session_total(&self) -> Option<SessionTotal> {
        SessionTotal::from_line(self.job.meta().get(RecordKey::SessionTotal)?)
    }
}

/// The numbers of a run and, beside them, those of all attempts together.
pub(super) fn usage_record(meta: &RecordContent, settled: &Settled, ended: &Ended) -> RecordUpdate {
    let run = &settled.run;
    let text = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
    let total = |key: RecordKey, number: Option<u64>| {
        let before = meta.parsed::<u64>(key);
        text(match (before, number) {
            (None, None) => None,
            (before, number) => Some(before.unwrap_or(0).saturating_add(number.unwrap_or(0))),
        })
    };
    let money = |amount: Option<f64>| amount.map_or(String::new(), |usd| format!("{usd:.6}"));
    let spent = match (meta.parsed::<f64>(RecordKey::TotalCostUsd), run.cost_usd) {
        (None, None) => None,
        (before, now) => Some(before.unwrap_or(0.0) + now.unwrap_or(0.0)),
    };
    let time =
        meta.parsed::<f64>(RecordKey::TotalDurationS).unwrap_or(0.0) + ended.duration.as_secs_f64();
    // A number that is not known is written empty, so that an earlier attempt's does not stay.
    RecordUpdate::new()
        .set(RecordKey::InputTokens, text(run.input_tokens))
        .set(RecordKey::CachedTokens, text(run.cached_tokens))
        .set(RecordKey::CacheWriteTokens, text(run.cache_write_tokens))
        .set(RecordKey::OutputTokens, text(run.output_tokens))
        .set(RecordKey::ReasoningTokens, text(run.reasoning_tokens))
        .set(RecordKey::CostUsd, money(run.cost_usd))
        .set(RecordKey::UsageEstimated, if run.estimated { "1" } else { "" })
        .set(RecordKey::TotalInputTokens, total(RecordKey::TotalInputTokens, run.input_tokens))
        .set(RecordKey::TotalCachedTokens, total(RecordKey::TotalCachedTokens, run.cached_tokens))
        .set(
            RecordKey::TotalCacheWriteTokens,
            total(RecordKey::TotalCacheWriteTokens, run.cache_write_tokens),
        )
        .set(RecordKey::TotalOutputTokens, total(RecordKey::TotalOutputTokens, run.output_tokens))
        .set(
            RecordKey::TotalReasoningTokens,
            total(RecordKey::TotalReasoningTokens, run.reasoning_tokens),
        )
        .set(RecordKey::TotalCostUsd, money(spent))
        .set(RecordKey::TotalDurationS, format_args!("{time:.3}"))
        .set(
            RecordKey::SessionTotal,
            settled.total.as_ref().map_or(String::new(), SessionTotal::to_line),
        )
}

/// Why the budget is exceeded, if it is.
pub(super) fn over_budget(budget: &Budget, used: &Usage, turns: Option<u64>) -> Option<String> {
    let usd = budget.usd.zip(used.cost_usd).filter(|(most, used)| used > most);
    let tokens = budget.tokens.zip(used.tokens()).filter(|(most, used)| used > most);
    let turns = budget.turns.zip(turns).filter(|(most, used)| used > most);
    usd.map(|(most, used)| format!("it cost ${used:.4}, and its budget is ${most}"))
        .or_else(|| {
            tokens.map(|(most, used)| format!("it used {used} tokens, and its budget is {most}"))
        })
        .or_else(|| {
            turns.map(|(most, used)| format!("it took {used} turns, and its budget is {most}"))
        })
}
