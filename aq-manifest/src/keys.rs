//! The table of every key: the one place that names, describes, types and reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use aq_caps::HostRequirement;
use serde_json::Value as Json;

use crate::kinds::{
    BoolKind, BranchKind, BudgetKind, ChoiceOf, CommandKind, EnvironmentKind, GlobKind, LabelKind,
    LeftoversKind, LineKind, ListOf, LockKind, NameKind, OneOrMore, PauseKind, ProfileName,
    RequirementKind, RetryRule, StartPoint, TextKind, ValueKind, WholeKind,
};
use crate::reader::ValueReader;
use crate::yaml::YamlNode;
use crate::{
    DepsMode, ExpectedLeftovers, FeedbackMode, Isolation, JobBudget, Priority, RetryPolicy,
    ReviewPolicy, ScopePolicy, ShipMode,
};

/// One key of the front matter.
#[derive(Clone, Copy, Debug)]
pub struct ManifestKey {
    /// As written in a file.
    pub name: &'static str,
    /// Its meaning, in a sentence.
    pub about: &'static str,
    /// The text in a file that says the default, where that can be written.
    pub default: Option<&'static str>,
    /// The reason why a profile cannot give it; `None` when it can.
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
        /// The values of a job file by itself, before its profile and the defaults. `None` means
        /// that the file does not say.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Manifest {
            $($(#[doc = $about])+ pub $field: Option<$type>,)*
        }

        /// Every key of the front matter, in the order of the reference.
        pub const KEYS: &[ManifestKey] = &[$(ManifestKey {
            name: $name,
            about: concat!($($about),+),
            default: keys!(@option $($default)?),
            job_only: keys!(@option $($reason)?),
            schema: <$kind as ValueKind>::schema,
        },)*];

        impl Manifest {
            /// Reads the value of a key; `false` when there is no such key.
            pub(crate) fn read(
                &mut self, name: &str, node: &YamlNode<'_>, reader: &mut ValueReader<'_>,
            ) -> bool {
                match name {
                    $($name => self.$field = <$kind as ValueKind>::read(node, reader),)*
                    _ => return false,
                }
                true
            }

            /// Tests for a key that the file gives.
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
    "engine" engine: String as NameKind;
    /// Any engine of this class: `agentic-coder`, `chat-coder`, or one from the config.
    "engine-class" engine_class: String as NameKind, default "agentic-coder";
    /// The order to try within the class: a list, or one name. Without it, the class's own order.
    "prefers-engine" prefers_engine: Vec<String> as OneOrMore<NameKind, MAX_ITEMS>;
    /// The directory where the agent works. Without it, the one where `aq add` ran.
    "cwd" cwd: String as LineKind;
    /// Let the engine act without asking for permission.
    "yolo" yolo: bool as BoolKind, default "false";
    /// Jobs with the same lock never run together; `none` for no lock. Without it, the resolved
    /// `cwd`.
    "lock" lock: String as LockKind;
    /// The time limit of one attempt, such as `90s`, `45m`, `2h`, `1d` or `1h30m`. Without it,
    /// none.
    "timeout" timeout: Duration as PauseKind;
    /// The order among jobs that could run; equal ones run oldest first.
    "priority" priority: Priority as ChoiceOf<Priority>, default "medium";
    /// The profile whose values apply where the job gives none.
    "profile" profile: String as ProfileName, job only: "profiles do not build on one another";
    /// What the host must have, all of it: `key`, `key:value`, `node>=20`, `"!req"`, `a | b`.
    "capabilities" capabilities: Vec<HostRequirement> as ListOf<RequirementKind, MAX_ITEMS>;
    /// The name by which other jobs depend on this one, and under which it is added only once.
    "idempotency-key" idempotency_key: String as LabelKind, job only: IDENTITY;
    /// Idempotency keys of the jobs that must be done before.
    "deps" deps: Vec<String> as ListOf<LabelKind, MAX_DEPS>, job only: IDENTITY;
    /// How far they must have come: `hard` is shipped, `soft` is shipped or in testing.
    "deps-mode" deps_mode: DepsMode as ChoiceOf<DepsMode>, default "hard";
    /// Try again: `{max, backoff, on}`. Without it, one attempt.
    "retry" retry: RetryPolicy as RetryRule;
    /// A shell command that judges the work, run in the job's directory after the agent.
    "verify" verify: String as CommandKind;
    /// Who lets finished work on: `auto` leaves it to `verify`, `human` waits for a person.
    "review-policy" review_policy: ReviewPolicy as ChoiceOf<ReviewPolicy>, default "auto";
    /// Where the agent works: in a checkout of the job's own, or in the user's itself.
    "isolation" isolation: Isolation as ChoiceOf<Isolation>, default "worktree";
    /// The branch that the job starts from and is merged into. Without it, the one that was checked
    /// out in `cwd` when the job was added.
    "target" target: String as BranchKind;
    /// The commit that the job starts from: `deps` is its target with the work of its deps; or a
    /// branch, a tag or a commit.
    "base" base: String as StartPoint, default "deps";
    /// What `aq ship` and `aq run --ship` do with it: `accept` leaves its branch as it is. Without
    /// it, the config's `ship`.
    "ship" ship: ShipMode as ChoiceOf<ShipMode>;
    /// A shell command run once in a fresh checkout, before the agent.
    "setup" setup: String as CommandKind;
    /// Globs of the paths that the job may change; `dir/**` is a whole subtree. Without it, all.
    "allowed-scope" allowed_scope: Vec<String> as ListOf<GlobKind, MAX_GLOBS>;
    /// What a change outside of `allowed-scope` does: `warn` lists it, `enforce` fails the job.
    "scope-policy" scope_policy: ScopePolicy as ChoiceOf<ScopePolicy>, default "warn";
    /// The most that one attempt may use: `{usd, tokens, turns}`, any of them.
    "budget" budget: JobBudget as BudgetKind;
    /// Globs of files kept in `artifacts/<job>/` when the job ends well.
    "artifacts" artifacts: Vec<String> as ListOf<GlobKind, MAX_GLOBS>;
    /// The tracker's id of the item that this job came from.
    "tracker-item" tracker_item: String as LabelKind, job only: IDENTITY;
    /// Ending without a change in the work tree is a failure.
    "expect-changes" expect_changes: bool as BoolKind, default "false";
    /// What may stay out of the job's branch without a question: `{leave-out: [GLOB]}`.
    "expect" expect: ExpectedLeftovers as LeftoversKind;
    /// Feedback for a further attempt on the failure of the last one: `on` or `off`.
    "feedback" feedback: FeedbackMode as ChoiceOf<FeedbackMode>, default "on";
    /// The engine's model. Without it, the engine's own choice.
    "model" model: String as LineKind;
    /// Further arguments for the engine's command line.
    "args" args: Vec<String> as ListOf<TextKind, MAX_ITEMS>;
    /// Further environment of the agent; a value of `${NAME}` is taken from aq's environment.
    "env" env: BTreeMap<String, String> as EnvironmentKind;
    /// Set by a fleet claim, not by people.
    "fleet-job-id" fleet_job_id: String as LabelKind, job only: FLEET;
    /// Set by a fleet claim, not by people.
    "fleet-lease-epoch" fleet_lease_epoch: u64 as WholeKind, job only: FLEET;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the contract, key by key.
    const CONTRACT: &str = "engine engine-class prefers-engine cwd yolo lock timeout priority \
        profile capabilities idempotency-key deps deps-mode retry verify review-policy isolation \
        target base ship setup allowed-scope scope-policy budget artifacts tracker-item \
        expect-changes expect feedback model args env fleet-job-id fleet-lease-epoch";

    #[test]
    fn table_has_the_contracts_keys() {
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
