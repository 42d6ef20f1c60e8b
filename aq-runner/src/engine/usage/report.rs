//! From what an engine reports to what one run used.

use serde::{Deserialize, Serialize};

use super::RunTokens;
use crate::engine::windows::UsageWindow;

/// The span of a report's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageCounting {
    /// This run of the program alone.
    #[default]
    Run,
    /// The whole session, with the runs that it goes on from.
    Session,
}

/// The report of an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageReport {
    /// Its numbers.
    pub usage: RunTokens,
    /// Their span.
    pub counted: UsageCounting,
    /// The session, as far as it was named.
    pub session_id: Option<String>,
    /// The model, as far as it was named.
    pub model: Option<String>,
    /// The windows of the account, as far as they were described.
    pub windows: Vec<UsageWindow>,
}

/// A session's running total, to be kept until its next run (as JSON, in one line).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionTotal {
    /// The session.
    pub session_id: String,
    /// All that its runs have used so far.
    pub usage: RunTokens,
}

/// The usage of one run, with the total to remember for the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettledUsage {
    /// For meta.
    pub run: RunTokens,
    /// For the next run of this session. Another version of the engine may report totals then.
    pub total: Option<SessionTotal>,
    /// The model, where records on disk name it.
    pub model: Option<String>,
    /// The windows of the account, where records on disk describe them.
    pub windows: Vec<UsageWindow>,
}

impl UsageReport {
    /// Takes the earlier runs out. `resumed` is the session that this run went on with, `previous`
    /// the last total that was recorded. A resumed session without a total of its own leaves this
    /// run's part unknown.
    pub fn settle(&self, resumed: Option<&str>, previous: Option<&SessionTotal>) -> SettledUsage {
        let session = self.session_id.as_deref().or(resumed);
        let goes_on = resumed.is_some() && session == resumed;
        let earlier = previous.filter(|total| Some(total.session_id.as_str()) == session);
        let usage = &self.usage;
        let (run, total) = match (self.counted, earlier.map(|total| &total.usage), goes_on) {
            (UsageCounting::Run, Some(earlier), _) => (usage.clone(), Some(earlier.plus(usage))),
            (UsageCounting::Run, None, true) => (usage.clone(), None),
            // Before this, the model had not answered.
            (UsageCounting::Session, Some(earlier), _) if earlier.is_empty() => {
                (usage.clone(), Some(usage.clone()))
            }
            (UsageCounting::Session, Some(earlier), _) => {
                (usage.since(earlier), Some(usage.clone()))
            }
            (UsageCounting::Session, None, true) => (RunTokens::default(), Some(usage.clone())),
            (_, None, false) => (usage.clone(), Some(usage.clone())),
        };
        let total =
            session.zip(total).map(|(id, usage)| SessionTotal { session_id: id.to_owned(), usage });
        SettledUsage { run, total, model: self.model.clone(), windows: self.windows.clone() }
    }
}

/// All that a run's output said about usage, of every source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamUsage {
    /// The last `AQ_USAGE` line's.
    pub(in crate::engine) generic: Option<RunTokens>,
    /// The engine's own records'.
    pub(in crate::engine) own: Option<(RunTokens, UsageCounting)>,
    /// The least usage of its calls, before it said what it used in all.
    pub(in crate::engine) live: RunTokens,
    /// Read out of text for people.
    pub(in crate::engine) estimated: RunTokens,
}

impl StreamUsage {
    /// Tests for numbers that a record on disk would know better.
    pub(in crate::engine) fn lacks_records(&self) -> bool {
        self.own.is_none()
    }

    pub(in crate::engine) fn so_far(&self, session: Option<&str>) -> UsageReport {
        let session_id = session.map(str::to_owned);
        let (mut usage, mut counted) = match &self.own {
            Some((usage, counted)) => (usage.clone(), *counted),
            None => (self.live.clone(), UsageCounting::Run),
        };
        if let Some(generic) = &self.generic {
            (usage, counted) = (generic.clone(), UsageCounting::Run);
        }
        UsageReport { usage, counted, session_id, ..UsageReport::default() }
    }

    /// Settles the usage of the run: the generic line's numbers, those it lacks from the engine's
    /// own records (on disk where the output has none), and only where there is nothing at all an
    /// estimate.
    pub(in crate::engine) fn settle(
        &self,
        on_disk: Option<UsageReport>,
        session: Option<&str>,
        resumed: Option<&str>,
        previous: Option<&SessionTotal>,
    ) -> SettledUsage {
        let without_generic = Self { generic: None, ..self.clone() };
        let model = on_disk.as_ref().and_then(|report| report.model.clone());
        let windows = on_disk.as_ref().map_or_else(Vec::new, |report| report.windows.clone());
        let is_known = |usage: &RunTokens| !usage.is_empty() && !usage.is_zero();
        let on_disk = on_disk.filter(|report| self.own.is_none() && is_known(&report.usage));
        let own = on_disk.unwrap_or_else(|| without_generic.so_far(session));
        let mut settled = SettledUsage { model, windows, ..own.settle(resumed, previous) };
        if let Some(generic) = &self.generic {
            settled.run = generic.or(&settled.run);
        }
        if settled.run.is_empty() {
            settled.run = self.estimated.clone();
        }
        settled
    }
}

impl SessionTotal {
    /// One line, for meta.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads [`to_line`](Self::to_line) back. Anything else is none.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64) -> RunTokens {
        RunTokens { input_tokens: Some(input), ..RunTokens::default() }
    }

    fn report(input: u64, counted: UsageCounting) -> UsageReport {
        let session_id = Some("s1".to_owned());
        UsageReport { usage: tokens(input), counted, session_id, ..UsageReport::default() }
    }

    #[test]
    fn a_running_total_counts_only_what_is_new() {
        let first = report(100, UsageCounting::Session).settle(None, None);
        assert_eq!(first.run, tokens(100));
        let kept = SessionTotal::from_line(&first.total.unwrap().to_line()).unwrap();
        let second = report(250, UsageCounting::Session).settle(Some("s1"), Some(&kept));
        assert_eq!(second.run, tokens(150));
        assert_eq!(second.total.unwrap().usage, tokens(250));
    }

    #[test]
    fn a_session_without_an_answer_had_used_nothing() {
        let unused = UsageReport { usage: RunTokens::default(), ..report(0, UsageCounting::Run) };
        let first = unused.settle(None, None);
        let total = SessionTotal::from_line(&first.total.unwrap().to_line()).unwrap();
        let second = report(9, UsageCounting::Session).settle(Some("s1"), Some(&total));
        assert_eq!((first.run, second.run), (RunTokens::default(), tokens(9)));
    }

    #[test]
    fn a_total_goes_on_with_another_version() {
        let first = report(100, UsageCounting::Run).settle(None, None);
        let second = report(250, UsageCounting::Session).settle(Some("s1"), first.total.as_ref());
        assert_eq!(second.run, tokens(150));
    }

    #[test]
    fn a_resumed_session_of_unknown_total_is_unknown() {
        let settled = report(250, UsageCounting::Session).settle(Some("s1"), None);
        assert_eq!(settled.run, RunTokens::default());
        assert_eq!(settled.total.unwrap().usage, tokens(250));
        // It did not go on, but began a session of its own.
        assert_eq!(report(9, UsageCounting::Session).settle(Some("s0"), None).run, tokens(9));
        let other = SessionTotal { session_id: "s0".to_owned(), usage: tokens(5) };
        assert_eq!(
            report(9, UsageCounting::Session).settle(Some("s0"), Some(&other)).run,
            tokens(9)
        );
    }

    #[test]
    fn an_unnamed_session_is_the_one_that_was_resumed() {
        let unnamed = UsageReport { session_id: None, ..report(7, UsageCounting::Session) };
        let earlier = SessionTotal { session_id: "s1".to_owned(), usage: tokens(5) };
        assert_eq!(unnamed.settle(Some("s1"), Some(&earlier)).run, tokens(2));
        let fresh = unnamed.settle(None, Some(&earlier));
        assert_eq!((fresh.run, fresh.total), (tokens(7), None));
    }

    #[test]
    fn a_report_of_one_run_is_that_run() {
        let earlier = SessionTotal { session_id: "s1".to_owned(), usage: tokens(5) };
        let settled = report(7, UsageCounting::Run).settle(Some("s1"), Some(&earlier));
        assert_eq!((settled.run, settled.total.unwrap().usage), (tokens(7), tokens(12)));
        let unknown = report(7, UsageCounting::Run).settle(Some("s1"), None);
        assert_eq!((unknown.run, unknown.total), (tokens(7), None));
        assert_eq!(SessionTotal::from_line("{\"session_id\":\"s"), None);
    }
}
