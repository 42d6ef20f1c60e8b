//! Results of a run, in the words that records, trackers and coordinators see.

use crate::string_enum::string_enum;

string_enum! {
    /// A job's `result`, as meta holds it.
    Outcome ("result") {
        /// The agent and `verify` ended well.
        Success = "success",
        /// A person, or `--ship`, accepted it.
        Shipped = "shipped",
        /// The agent failed by itself.
        Crash = "crash",
        /// The agent was ended at its `timeout`.
        Timeout = "timeout",
        /// `verify` did not exit with 0.
        VerifyFailed = "verify_failed",
        /// The last allowed attempt failed; `failure_class` says how.
        RetriesExhausted = "retries_exhausted",
        /// This host lacks a required capability; the agent never started.
        CapabilityMismatch = "capability_mismatch",
        /// No engine that the job may use is installed.
        NoEngine = "no_engine",
        /// The job file, or its profile, cannot be read.
        InvalidManifest = "invalid_manifest",
        /// `setup` did not exit with 0, or the work directory is gone.
        SetupFailed = "setup_failed",
        /// A path outside `allowed-scope` changed under `scope-policy: enforce`.
        ScopeViolation = "scope_violation",
        /// The agent used more than its `budget`.
        BudgetExceeded = "budget_exceeded",
        /// `expect-changes` was set and nothing changed.
        NoChanges = "no_changes",
        /// A person stopped it.
        Stopped = "stopped",
        /// Its fleet lease went to another host.
        Fenced = "fenced",
        /// A person turned the finished work down.
        Rejected = "rejected",
    }
}

string_enum! {
    /// The kinds of failure that `retry.on` can name.
    FailureClass ("failure class") {
        /// Ended at its time limit.
        Timeout = "timeout",
        /// The work was there, but `verify` refused it.
        VerifyFailed = "verify_failed",
        /// Anything else that went wrong while the agent ran.
        Crash = "crash",
        /// The work does not go together with that of others.
        Conflict = "conflict",
    }
}

impl From<FailureClass> for Outcome {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Timeout => Self::Timeout,
            FailureClass::VerifyFailed => Self::VerifyFailed,
            FailureClass::Crash => Self::Crash,
            // Only the train sends such work back, as often as it may.
            FailureClass::Conflict => Self::RetriesExhausted,
        }
    }
}
