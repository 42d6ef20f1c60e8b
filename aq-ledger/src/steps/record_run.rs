//! The numbers of one run of an engine, and of all runs together.

use std::time::Duration;

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// The use of one run; `None` is a number that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunUsage {
    /// Input without cached tokens.
    pub input_tokens: Option<u64>,
    /// Input that came out of a cache.
    pub cached_tokens: Option<u64>,
    /// Input written to a cache, where the engine counts it apart.
    pub cache_write_tokens: Option<u64>,
    /// Output.
    pub output_tokens: Option<u64>,
    /// Reasoning, where the engine counts it apart.
    pub reasoning_tokens: Option<u64>,
    /// Cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// The numbers were read out of text for people.
    pub is_estimated: bool,
}

/// The session with which the next attempt goes on.
#[derive(Clone, Copy, Debug)]
pub struct RunSession<'a> {
    /// The engine's name for it.
    pub id: &'a str,
    /// The engine.
    pub engine: &'a str,
    /// The id of the feedback that it knows.
    pub feedback: Option<&'a str>,
}

/// Records what a run came to. A number that is not known forgets that of the run before; totals
/// keep what is known.
#[derive(Clone, Copy, Debug)]
pub struct RecordRun<'a> {
    /// The exit code, `signal N`, or `none`.
    pub exit: &'a str,
    /// The time that the engine ran.
    pub duration: Duration,
    /// Tool calls that the engine refused.
    pub permission_denials: Option<u64>,
    /// The session that goes on; `None` when none does.
    pub session: Option<RunSession<'a>>,
    /// The error of the engine's vendor.
    pub engine_error: Option<&'a str>,
    /// The model that ran, where it is known.
    pub model: Option<&'a str>,
    /// The use of this run alone.
    pub usage: RunUsage,
    /// The use of the session up to now, for engines that report running totals.
    pub session_total: Option<&'a str>,
}

impl JobStep for RecordRun<'_> {
    const NAME: StepName = StepName::RecordRun;
    const FROM: &'static [Stage] = &[Stage::Building];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let seconds = self.duration.as_secs_f64();
        let session = self.session;
        let update = RecordUpdate::new()
            .set(RecordKey::Exit, self.exit)
            .set(RecordKey::DurationS, format_args!("{seconds:.3}"))
            .set(RecordKey::PermissionDenials, text(self.permission_denials))
            .set(RecordKey::SessionId, session.map_or("", |session| session.id))
            .set(RecordKey::SessionEngine, session.map_or("", |session| session.engine))
            .set(
                RecordKey::SessionFeedback,
                session.and_then(|session| session.feedback).unwrap_or_default(),
            )
            .set(RecordKey::EngineError, self.engine_error.unwrap_or_default())
            .set_some(RecordKey::Model, self.model);
        let update = update.followed_by(self.run_numbers()).followed_by(self.totals(row));
        Ok(StepWrites::note(update))
    }
}

impl RecordRun<'_> {
    fn run_numbers(&self) -> RecordUpdate {
        let usage = &self.usage;
        RecordUpdate::new()
            .set(RecordKey::InputTokens, text(usage.input_tokens))
            .set(RecordKey::CachedTokens, text(usage.cached_tokens))
            .set(RecordKey::CacheWriteTokens, text(usage.cache_write_tokens))
            .set(RecordKey::OutputTokens, text(usage.output_tokens))
            .set(RecordKey::ReasoningTokens, text(usage.reasoning_tokens))
            .set(RecordKey::CostUsd, money(usage.cost_usd))
            .set(RecordKey::UsageEstimated, if usage.is_estimated { "1" } else { "" })
    }

    fn totals(&self, row: JobRow<'_>) -> RecordUpdate {
        let usage = &self.usage;
        let time = row.total_duration_s().unwrap_or(0.0) + self.duration.as_secs_f64();
        let cost = match (row.total_cost_usd(), usage.cost_usd) {
            (None, None) => None,
            (before, now) => Some(before.unwrap_or(0.0) + now.unwrap_or(0.0)),
        };
        let tokens = [
            (RecordKey::TotalInputTokens, row.total_input_tokens(), usage.input_tokens),
            (RecordKey::TotalCachedTokens, row.total_cached_tokens(), usage.cached_tokens),
            (
                RecordKey::TotalCacheWriteTokens,
                row.total_cache_write_tokens(),
                usage.cache_write_tokens,
            ),
            (RecordKey::TotalOutputTokens, row.total_output_tokens(), usage.output_tokens),
            (RecordKey::TotalReasoningTokens, row.total_reasoning_tokens(), usage.reasoning_tokens),
        ];
        tokens
            .into_iter()
            .fold(RecordUpdate::new(), |update, (key, before, now)| {
                update.set(key, text(total(before, now)))
            })
            .set(RecordKey::TotalCostUsd, money(cost))
            .set(RecordKey::TotalDurationS, format_args!("{time:.3}"))
            .set(RecordKey::SessionTotal, self.session_total.unwrap_or_default())
    }
}

fn total(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    match (before, now) {
        (None, None) => None,
        (before, now) => Some(before.unwrap_or(0).saturating_add(now.unwrap_or(0))),
    }
}

/// A number as text; empty when it is not known, so that an earlier one does not stay.
fn text(number: Option<u64>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

fn money(amount: Option<f64>) -> String {
    amount.map_or(String::new(), |usd| format!("{usd:.6}"))
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    const RUN: RecordRun<'static> = RecordRun {
        exit: "0",
        duration: Duration::from_millis(1_500),
        permission_denials: None,
        session: Some(RunSession { id: "s", engine: "codex", feedback: None }),
        engine_error: None,
        model: None,
        usage: RunUsage {
            input_tokens: Some(5),
            cached_tokens: None,
            cache_write_tokens: None,
            output_tokens: None,
            reasoning_tokens: Some(u64::MAX),
            cost_usd: Some(0.25),
            is_estimated: false,
        },
        session_total: None,
    };

    #[test]
    fn totals_keep_what_is_known() {
        let before = "model=m\ninput_tokens=1\noutput_tokens=2\ntotal_input_tokens=1\n\
                      total_output_tokens=2\ntotal_reasoning_tokens=9\ntotal_cost_usd=1.000000\n\
                      total_duration_s=0.250\nsession_feedback=f\nsession_total=9\n\
                      usage_estimated=1\nengine_error=quota\n";
        let text = format!(
            "exit=0\nduration_s=1.500\nsession_id=s\nsession_engine=codex\nsession_feedback=\n\
             engine_error=\ninput_tokens=5\noutput_tokens=\nreasoning_tokens={max}\n\
             cost_usd=0.250000\nusage_estimated=\ntotal_input_tokens=6\ntotal_output_tokens=2\n\
             total_reasoning_tokens={max}\ntotal_cost_usd=1.250000\ntotal_duration_s=1.750\n\
             session_total=\n",
            max = u64::MAX
        );
        assert_eq!(written(&RUN, Stage::Building, before), Ok((None, text)));
        assert_eq!(stages_of(&RUN), [Stage::Building]);
    }

    #[test]
    fn unknown_numbers_leave_nothing() {
        let run = RecordRun {
            session: None,
            usage: RunUsage { is_estimated: true, ..RunUsage::default() },
            permission_denials: Some(2),
            model: Some("m"),
            ..RUN
        };
        let text = "exit=0\nduration_s=1.500\npermission_denials=2\nsession_id=\nmodel=m\n\
                    usage_estimated=1\ntotal_duration_s=1.500\n";
        let done = written(&run, Stage::Building, "session_id=s\n");
        assert_eq!(done, Ok((None, text.to_owned())));
    }
}
