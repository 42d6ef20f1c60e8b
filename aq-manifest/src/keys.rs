//! The table of every key: the one place that names, describes, types and reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use aq_caps::Requirement;
use serde_json::Value as Json;

use crate::kinds::{
    Bool, Branch, Choice, Command, Environment, Expected, Glob, Kind, Label, Limits, Line, List,
    Lock, Name, OneOrMore, Pause, ProfileName, Requires, RetryRule, StartPoint, Text, Whole,
};
use crate::reader::Reader;
use crate::yaml::Node;
use crate::{
    Budget, DepsMode, Expect, FeedbackMode, Isolation, Priority, Retry, ReviewPolicy, ScopePolicy,
    ShipMode,
};

/// One key of the front matter.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written in a file.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub about: &'static str,
    /// What a file would write to say the default, where that can be written.
    pub default: Option<&'static str>,
    /// Why a profile cannot give it; `None` when it can.
    pub job_only: Option<&'static str>,
    pub(crate) schema: fn() -> Json,
}

/// Expands the table to the struct, the list of keys, and what must be done key by key.
macro_rules! keys {
    ($(
        $(#[doc = $about:literal])+
        $name:literal $field:ident: $type:ty as $kind:ty
        $(, default $default:literal)? $(, job only: $reason:expr)?;
    )*) => {
        /// What a job file says by itself, before its profile and the defaults. `None` means
        /// that the file does not say.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Manifest {
            $($(#[doc = $about])+ pub $field: Option<$type>,)*
        }

        /// Every key of the front matter, in the order of the reference.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name,
            about: concat!($($about),+),
            default: keys!(@option $($default)?),
            job_only: keys!(@option $($reason)?),
            schema: <$kind as Kind>::schema,
        },)*];

        impl Manifest {
            /// Reads the value of a key; `false` when there is no such key.
            pub(crate) fn read(&mut self, name: &str, node: &Node<'_>, reader: &mut Reader<'_>) -> bool {
                match name {
                    $($name => self.$field = <$kind as Kind>::read(node, reader),)*
                    _ => return false,
                }
                true
            }

            /// Whether the file gives the key of this name.
            pub fn is_set(&self, name: &str) -> bool {
                match name {
                    $($name => self.$field.is_some(),)*
                    _ => false,
                }
            }

            /// Compares the value of the key of this name with that of `other`.
            pub(crate) fn agrees(&self, other: &Self, name: &str) -> bool {
                match name {
                    $($name => self.$field == other.$field,)*
                    _ => true,
                }
            }

            /// These values, and those of `other` where there is none.
            #[must_use]
            pub(crate) fn or(&self, other: &Self) -> Self {
                Self { $($field: self.$field.as_ref().or(other.$field.as_ref()).cloned(),)* }
            }
        }
    };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
}

const MAX_ITEMS: usize = 256;
const MAX_DEPS: usize = 1000;
/// Together they make one automaton, which takes milliseconds to build for the worst 64.
const MAX_GLOBS: usize = 64;

const IDENTITY: &str = "it tells one job from the others";
const FLEET: &str = "a fleet claim sets it for one job";

keys! {
    /// This engine and no other. Without it, `engine-class` decides.
    "engine" engine: String as Name;
    /// Any engine of this class: `agentic-coder`, `chat-coder`, or one from the config.
    "engine-class" engine_class: String as Name, default "agentic-coder";
    /// The order to try within the class: a list, or one name. Without it, the class's own order.
    "prefers-engine" prefers_engine: Vec<String> as OneOrMore<Name, MAX_ITEMS>;
    /// The directory where the agent works. Without it, the one where `aq add` ran.
    "cwd" cwd: String as Line;
    /// Let the engine act without asking for permission.
    "yolo" yolo: bool as Bool, default "false";
    /// Jobs with the same lock never run together; `none` for no lock. Without it, the resolved
    /// `cwd`.
    "lock" lock: String as Lock;
    /// The time limit of one attempt, such as `90s`, `45m`, `2h`, `1d` or `1h30m`. Without it,
    /// none.
    "timeout" timeout: Duration as Pause;
    /// The order among jobs that could run; equal ones run oldest first.
    "priority" priority: Priority as Choice<Priority>, default "medium";
    /// The profile whose values apply where the job gives none.
    "profile" profile: String as ProfileName, job only: "profiles do not build on one another";
    /// What the host must have, all of it: `key`, `key:value`, `node>=20`, `"!req"`, `a | b`.
    "capabilities" capabilities: Vec<Requirement> as List<Requires, MAX_ITEMS>;
    /// The name by which other jobs depend on this one, and under which it is added only once.
    "idempotency-key" idempotency_key: String as Label, job only: IDENTITY;
    /// Idempotency keys of the jobs that must be done before.
    "deps" deps: Vec<String> as List<Label, MAX_DEPS>, job only: IDENTITY;
    /// How far they must have come: `hard` is shipped, `soft` is shipped or in testing.
    "deps-mode" deps_mode: DepsMode as Choice<DepsMode>, default "hard";
    /// Try again: `{max, backoff, on}`. Without it, one attempt.
    "retry" retry: Retry as RetryRule;
    /// A shell command that judges the work, run in the job's directory after the agent.
    "verify" verify: String as Command;
    /// Who lets finished work on: `auto` leaves it to `verify`, `human` waits for a person.
    "review-policy" review_policy: ReviewPolicy as Choice<ReviewPolicy>, default "auto";
    /// Where the agent works: in a checkout of the job's own, or in the user's itself.
    "isolation" isolation: Isolation as Choice<Isolation>, default "worktree";
    /// The branch that the job starts from and is merged into. Without it, the one that was checked
    /// out in `cwd` when the job was added.
    "target" target: String as Branch;
    /// The commit that the job starts from: `deps` is its target with the work of its deps; or a
    /// branch, a tag or a commit.
    "base" base: String as StartPoint, default "deps";
    /// What `aq ship` and `aq run --ship` do with it: `accept` leaves its branch as it is. Without
    /// it, the config's `ship`.
    "ship" ship: ShipMode as Choice<ShipMode>;
    /// A shell command run once in a fresh checkout, before the agent.
    "setup" setup: String as Command;
    /// Globs of the paths that the job may change; `dir/**` is a whole subtree. Without it, all.
    "allowed-scope" allowed_scope: Vec<String> as List<Glob, MAX_GLOBS>;
    /// What a change outside of `allowed-scope` does: `warn` lists it, `enforce` fails the job.
    "scope-policy" scope_policy: ScopePolicy as Choice<ScopePolicy>, default "warn";
    /// The most that one attempt may use: `{usd, tokens, turns}`, any of them.
    "budget" budget: Budget as Limits;
    /// Globs of files kept in `artifacts/<job>/` when the job ends well.
    "artifacts" artifacts: Vec<String> as List<Glob, MAX_GLOBS>;
    /// The tracker's id of the item that this job came from.
    "tracker-item" tracker_item: String as Label, job only: IDENTITY;
    /// Ending without a change in the work tree is a failure.
    "expect-changes" expect_changes: bool as Bool, default "false";
    /// What may stay out of the job's branch without a question: `{leave-out: [GLOB]}`.
    "expect" expect: Expect as Expected;
    /// Feedback for a further attempt on the failure of the last one: `on` or `off`.
    "feedback" feedback: FeedbackMode as Choice<FeedbackMode>, default "on";
    /// The engine's model. Without it, the engine's own choice.
    "model" model: String as Line;
    /// Further arguments for the engine's command line.
    "args" args: Vec<String> as List<Text, MAX_ITEMS>;
    /// Further environment of the agent; a value of `${NAME}` is taken from aq's environment.
    "env" env: BTreeMap<String, String> as Environment;
    /// Set by a fleet claim, not by people.
    "fleet-job-id" fleet_job_id: String as Label, job only: FLEET;
    /// Set by a fleet claim, not by people.
    "fleet-lease-epoch" fleet_lease_epoch: u64 as Whole, job only: FLEET;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the contract, key by key.
    const CONTRACT: &str = "engine engine-class prefers-engine cwd yolo lock timeout priority \
        profile capabilities idempotency-key deps deps-mode retry verify review-policy isolation \
        target base ship setup allowed-scope scope-policy budget artifacts tracker-item expect-changes expect feedback model args \
        env fleet-job-id fleet-lease-epoch";

    #[test]
    fn the_table_has_the_keys_of_the_contract_in_its_order() {
        let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names, CONTRACT.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn only_what_names_one_job_is_kept_from_profiles() {
        let kept: Vec<&str> =
            KEYS.iter().filter(|key| key.job_only.is_some()).map(|key| key.name).collect();
        let identity = "profile idempotency-key deps tracker-item fleet-job-id fleet-lease-epoch";
        assert_eq!(kept, identity.split_whitespace().collect::<Vec<_>>());
    }
}
