//! What a run of the agent uses: followed while it streams, and put on record when it has ended.

use std::path::PathBuf;

use aq_ledger::steps::RunUsage;
use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::JobBudget;
use jiff::Timestamp;

use super::super::settings::QueueSettings;
use crate::engine::{
    EndedBy, EventReader, LeftBehind, ProcessExit, RunPhase, RunTokens, RunVerdict, SessionTotal,
    SettledUsage,
};

/// One run of an engine, as it goes on.
#[derive(Debug)]
pub(super) struct AgentRun {
    pub(super) engine: String,
    pub(super) records: Option<EventReader>,
    pub(super) started: Timestamp,
    /// The session that is resumed.
    pub(super) resumed: Option<String>,
    pub(super) usage_file: Option<PathBuf>,
    /// The feedback that it knows, by its id.
    pub(super) feedback: Option<String>,
    /// Its phase when it last printed something.
    pub(super) phase: RunPhase,
    budget: JobBudget,
    previous: Option<SessionTotal>,
}

impl AgentRun {
    pub(super) fn new(
        engine: String,
        records: EventReader,
        budget: JobBudget,
        resumed: Option<String>,
        previous: Option<SessionTotal>,
    ) -> Self {
        let (records, started) = (Some(records), Timestamp::now());
        let (usage_file, feedback, phase) = (None, None, RunPhase::default());
        Self { engine, records, started, resumed, usage_file, feedback, phase, budget, previous }
    }

    /// Returns whether it has used more than it may, as far as its engine has said by now.
    pub(super) fn is_over_budget(&self) -> bool {
        if self.budget == JobBudget::default() {
            return false;
        }
        let Some(records) = &self.records else { return false };
        let resumed = self.resumed.as_deref();
        let used = records.usage_so_far().settle(resumed, self.previous.as_ref()).run;
        over_budget(&self.budget, &used, records.turns().map(u64::from)).is_some()
    }

    /// The end of it: what is left of the run, and what became of it.
    pub(super) fn verdict(mut self, exit: ProcessExit, ended_by: EndedBy) -> (Self, RunVerdict) {
        let records = self.records.take().expect("a run is judged once");
        (self, records.verdict(exit, ended_by))
    }

    /// What this run alone has used, out of all that the engine left.
    pub(super) fn settle(&self, settings: &QueueSettings, verdict: &RunVerdict) -> SettledUsage {
        let env = |name: &str| settings.environment.get(name);
        let files =
            LeftBehind { usage_file: self.usage_file.as_deref(), env: &env, started: self.started };
        let (resumed, previous) = (self.resumed.as_deref(), self.previous.as_ref());
        settings.engines.usage(&self.engine, verdict, &files, resumed, previous)
    }
}

/// The session that this engine can go on with: its own, of an earlier attempt of this job.
pub(super) fn resumable(content: &RecordContent, engine: &str) -> Option<String> {
    let own = content.get(RecordKey::SessionEngine) == Some(engine);
    content.get(RecordKey::SessionId).filter(|_| own).map(str::to_owned)
}

/// The use of that session before.
pub(super) fn session_total(content: &RecordContent) -> Option<SessionTotal> {
    SessionTotal::from_line(content.get(RecordKey::SessionTotal)?)
}

/// The numbers of a run for the record.
pub(super) fn run_usage(usage: &RunTokens) -> RunUsage {
    RunUsage {
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        cost_usd: usage.cost_usd,
        is_estimated: usage.estimated,
    }
}

/// Why the budget is exceeded, if it is.
pub(super) fn over_budget(
    budget: &JobBudget,
    used: &RunTokens,
    turns: Option<u64>,
) -> Option<String> {
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
