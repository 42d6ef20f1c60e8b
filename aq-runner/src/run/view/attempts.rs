//! The attempts of a job, read out of its record.

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use crate::store::{QueueDir, Result, additions};

/// One attempt: from a launch to where it led.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptView {
    /// As its launch counted; attempts that did not count have the number of the next one.
    pub number: u32,
    /// When its agent was started, or else its worker.
    pub began: Option<Timestamp>,
    /// When its agent ended.
    pub ended: Option<Timestamp>,
    /// The engine.
    pub engine: Option<String>,
    /// The model, where the engine named it.
    pub model: Option<String>,
    /// Seconds that the agent was at work.
    pub duration_s: Option<f64>,
    /// Where it led first: `inbox` is another try. `None`: it has not ended.
    pub led_to: Option<Stage>,
    /// How the job ended by it, if it did, or the class of its failure.
    pub result: Option<String>,
    /// Why, in words.
    pub message: Option<String>,
    /// Tokens read that were not cached.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
}

/// All attempts of a job, oldest first, also those before it was requeued.
///
/// # Errors
/// When the record cannot be read.
pub fn attempts(queue: &QueueDir, id: &JobId) -> Result<Vec<AttemptView>> {
    let (steps, since) = additions(queue, id)?;
    let mut found: Vec<AttemptView> = Vec::new();
    // Where the last attempt is by now.
    let mut at = None;
    for (to, added) in &steps {
        if *to == Stage::Building {
            at = None;
            let mut attempt =
                AttemptView { number: added.count(RecordKey::Attempt), ..AttemptView::default() };
            attempt.add(added);
            // The text before the launch is of the one before it.
            (attempt.result, attempt.message, attempt.ended) = (None, None, None);
            found.push(attempt);
        } else if let Some(attempt) = found.last_mut()
            && at.is_none_or(|at| may_follow(at, *to))
        {
            at = Some(*to);
            attempt.add(added);
            if *to == Stage::Inbox {
                attempt.led_to = Some(Stage::Inbox);
            }
            attempt.led_to.get_or_insert(*to);
        }
    }
    if let Some(attempt) = found.last_mut().filter(|attempt| attempt.led_to.is_none()) {
        attempt.add(&since);
    }
    Ok(found)
}

/// Answers whether a step is still of the attempt that has led somewhere. What was put back, or has
/// failed and is put back by a person, is another attempt's.
fn may_follow(at: Stage, to: Stage) -> bool {
    at != Stage::Inbox && (to != Stage::Inbox || !at.is_final())
}

impl AttemptView {
    /// Answers whether it came to a bad end: its agent failed, `verify` did, or a person turned it
    /// down.
    pub fn has_failed(&self) -> bool {
        let is_good = |result: &str| matches!(result, "success" | "shipped");
        matches!(self.led_to, Some(Stage::Failed | Stage::Quarantine))
            || self.result.as_deref().is_some_and(|result| !is_good(result))
    }

    fn add(&mut self, added: &RecordContent) {
        let word = |key: RecordKey| added.get(key).map(str::to_owned);
        let dollars =
            |key: RecordKey| added.parsed::<f64>(key).filter(|n| n.is_finite() && *n >= 0.0);
        self.began =
            added.time(RecordKey::StartedAt).or(self.began).or(added.time(RecordKey::LaunchedAt));
        self.ended = added.time(RecordKey::EndedAt).or(self.ended);
        self.engine = word(RecordKey::Engine).or(self.engine.take());
        self.model = word(RecordKey::Model).or(self.model.take());
        self.duration_s = dollars(RecordKey::DurationS).or(self.duration_s);
        let class = word(RecordKey::FailureClass).or_else(|| word(RecordKey::EngineError));
        self.result = word(RecordKey::Result).or(class).or(self.result.take());
        self.message = word(RecordKey::Message).or(self.message.take());
        self.input_tokens = added.parsed(RecordKey::InputTokens).or(self.input_tokens);
        self.output_tokens = added.parsed(RecordKey::OutputTokens).or(self.output_tokens);
        self.cost_usd = dollars(RecordKey::CostUsd).or(self.cost_usd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn launches_are_attempts() {
        let queue = TestQueue::new();
        let record = "retry_max=3\nmodel=wanted\nattempt=1\nengine=claude\n\
            launched_at=2026-01-31T12:00:00Z\n\
            moved_to=building\nstarted_at=2026-01-31T12:00:01Z\nduration_s=2.5\nmodel=big\n\
            ended_at=2026-01-31T12:00:04Z\nattempts=1\nfailure_class=crash\nmessage=exit code 7\n\
            moved_to=inbox\nexit=\nmessage=\nended_at=\nattempt=2\nengine=codex\n\
            launched_at=2026-01-31T12:01:00Z\nmoved_to=building\n\
            started_at=2026-01-31T12:01:01Z\n\
            cost_usd=0.5\nended_at=2026-01-31T12:02:00Z\nattempts=2\nmoved_to=review\n\
            result=success\n\
            failure_class=\nmoved_to=testing\nresult=rejected\nmessage=no\nmoved_to=failed\n\
            result=\nmessage=\nmoved_to=inbox\nattempt=1\nengine=claude\n\
            launched_at=2026-01-31T13:00:00Z\nmoved_to=building\n\
            started_at=2026-01-31T13:00:01Z\n";
        std::fs::write(queue.meta(&id("a")), record).unwrap();
        let found = attempts(&queue, &id("a")).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|a| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let led = a.led_to.map_or("-", Stage::folder);
                format!(
                    "{} {} {led} {} {}",
                    a.number,
                    text(&a.engine),
                    text(&a.result),
                    text(&a.message)
                )
            })
            .collect();
        let want =
            ["1 claude inbox crash exit code 7", "2 codex review rejected no", "1 claude -  "];
        assert_eq!(told, want);
        assert_eq!((found[0].duration_s, found[1].cost_usd), (Some(2.5), Some(0.5)));
        let began = found[2].began.map(|at| at.to_string());
        assert_eq!(began.as_deref(), Some("2026-01-31T13:00:01Z"));
        assert!(attempts(&queue, &id("nobody")).unwrap().is_empty());
    }

    #[test]
    fn attempts_refused_by_verify_have_failed() {
        let queue = TestQueue::new();
        let launch = |n: u32| format!("attempt={n}\nengine=x\nmoved_to=building\n");
        let accepted = "attempts=1\nmoved_to=review\n";
        let record = [
            &*launch(1),
            accepted,
            "failure_class=verify_failed\nmessage=exit 1\nmoved_to=inbox\n",
            &*launch(2),
            accepted,
            "result=success\nfailure_class=\nmoved_to=testing\n",
        ];
        std::fs::write(queue.meta(&id("a")), record.concat()).unwrap();
        let found = attempts(&queue, &id("a")).unwrap();
        let ends: Vec<_> = found.iter().map(|one| (one.led_to, one.has_failed())).collect();
        assert_eq!(ends, [(Some(Stage::Inbox), true), (Some(Stage::Review), false)]);
        assert_eq!(found[0].result.as_deref(), Some("verify_failed"));
    }
}
