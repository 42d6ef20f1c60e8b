//! The values that keys of a job file take, where they are more than text.

use std::time::Duration;

use crate::FailureClass;
use crate::string_enum::string_enum;

string_enum! {
    /// The order in which ready jobs run. Greater is more urgent.
    #[derive(Default)]
    Priority ("priority") {
        /// After everything else.
        Low = "low",
        /// The default.
        #[default]
        Medium = "medium",
        /// Before the default.
        High = "high",
        /// Before everything else.
        Critical = "critical",
    }
}

string_enum! {
    /// Stage that a dependency must have reached.
    #[derive(Default)]
    DepsMode ("deps mode") {
        /// It is in `shipped/`.
        #[default]
        Hard = "hard",
        /// It is in `shipped/` or `testing/`.
        Soft = "soft",
    }
}

string_enum! {
    /// The one who lets finished work on from `review/`.
    #[derive(Default)]
    ReviewPolicy ("review policy") {
        /// `verify` decides.
        #[default]
        Auto = "auto",
        /// A person does.
        Human = "human",
    }
}

string_enum! {
    /// Where the agent works.
    #[derive(Default)]
    Isolation ("kind of isolation") {
        /// In a git worktree of the job's own.
        #[default]
        Worktree = "worktree",
        /// In the checkout itself.
        InPlace = "in-place",
    }
}

string_enum! {
    /// Consequence of a change outside `allowed-scope`.
    #[derive(Default)]
    ScopePolicy ("scope policy") {
        /// It is listed as a warning.
        #[default]
        Warn = "warn",
        /// It fails the job.
        Enforce = "enforce",
    }
}

string_enum! {
    /// Feedback for a further attempt on the failure of the last one.
    #[derive(Default)]
    FeedbackMode ("feedback mode") {
        /// A further attempt gets it.
        #[default]
        On = "on",
        /// It starts as the first one did.
        Off = "off",
    }
}

string_enum! {
    /// The way in which `aq ship` and a loop with `--ship` ship a job.
    #[derive(Default)]
    ShipMode ("way to ship") {
        /// Its work is accepted; its branch stays as it is.
        #[default]
        Accept = "accept",
        /// Its branch is merged into its target, after the checks of both.
        Merge = "merge",
        /// Its branch is pushed, with a pull request.
        Pr = "pr",
    }
}

/// `retry: {max, backoff, on}`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included; 1 to 1000.
    pub max: u32,
    /// The pause before each further attempt.
    pub backoff: RetryBackoff,
    /// The failures that are tried again.
    pub on: Vec<FailureClass>,
}

/// Pauses before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBackoff {
    /// Before the second attempt.
    pub initial: Duration,
    /// Factor of each further pause, 1 to 100.
    pub factor: f64,
    /// The longest pause; not below `initial`.
    pub max: Duration,
}

/// `budget: {usd, tokens, turns}`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JobBudget {
    /// US dollars.
    pub usd: Option<f64>,
    /// Input and output tokens together, cached ones not counted.
    pub tokens: Option<u64>,
    /// Turns of the model.
    pub turns: Option<u64>,
}

/// Leftovers of a job that are no surprise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedLeftovers {
    /// Globs of what may stay out of the job's branch.
    pub leave_out: Vec<String>,
}

impl RetryPolicy {
    /// The pause after `attempts_done` failed attempts; 0 counts as 1.
    pub fn delay(&self, attempts_done: u32) -> Duration {
        let RetryBackoff { initial, factor, max } = self.backoff;
        let growth = factor.powf(f64::from(attempts_done.saturating_sub(1)));
        // Compared as a number first: the product can be more than a `Duration` holds.
        let seconds = initial.as_secs_f64() * growth;
        if seconds < max.as_secs_f64() { Duration::from_secs_f64(seconds) } else { max }
    }
}

impl Default for RetryBackoff {
    /// Half a minute before every further attempt.
    fn default() -> Self {
        Self::fixed(Duration::from_secs(30))
    }
}

impl RetryBackoff {
    /// The same pause every time.
    pub const fn fixed(pause: Duration) -> Self {
        Self { initial: pause, factor: 1.0, max: pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(initial: u64, factor: f64, max: u64) -> RetryPolicy {
        let backoff = RetryBackoff {
            initial: Duration::from_secs(initial),
            factor,
            max: Duration::from_secs(max),
        };
        RetryPolicy { max: 3, backoff, on: FailureClass::ALL.to_vec() }
    }

    #[test]
    fn pauses_grow_to_the_longest_and_stay_there() {
        let pauses =
            |retry: RetryPolicy| [0, 1, 2, 3, 9, u32::MAX].map(|n| retry.delay(n).as_secs());
        assert_eq!(pauses(retry(30, 1.0, 30)), [30; 6]);
        assert_eq!(pauses(retry(10, 2.0, 60)), [10, 10, 20, 40, 60, 60]);
        assert_eq!(pauses(retry(0, 100.0, 60)), [0, 0, 0, 0, 0, 60]);
    }

    #[test]
    fn priorities_are_ordered_by_urgency() {
        assert!(Priority::Critical > Priority::High);
        assert!(Priority::High > Priority::Medium);
        assert!(Priority::Medium > Priority::Low);
    }
}
