//! Values of a record that are not what their keys are for: a damaged file, or a newer version of
//! aq. Nothing is guessed in their place, since a guess may run a job once more, or ship it.

use std::fmt;
use std::path::{Path, PathBuf};

use aq_caps::Requirement;
use aq_manifest::{DepsMode, FailureClass, Isolation, Outcome, Priority, ReviewPolicy, Stage};
use jiff::Timestamp;

use super::meta::Meta;

/// Format of the records that this version reads. One without the key is of this format, too.
const FORMAT: &str = "1";

/// Characters of a value that a message shows.
const SHOWN: usize = 40;

/// A record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// The record's file.
    pub path: PathBuf,
    /// The problem in it.
    pub problem: RecordProblem,
}

/// A problem of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordProblem {
    /// A value that does not parse.
    Value {
        /// Its key.
        key: String,
        /// The value, or its beginning.
        value: String,
        /// The kind that belongs there, with an article.
        expected: &'static str,
    },
    /// A newer version has written it.
    Newer {
        /// Its format.
        format: String,
    },
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            RecordProblem::Value { key, value, expected } => write!(
                f,
                "`{key}` in {path} is {value:?} and not {expected}; a further line `{key}=` there \
                 forgets it"
            ),
            RecordProblem::Newer { format } => write!(
                f,
                "{path} is of format {format:?}, and this version of aq reads {FORMAT}: use a newer one"
            ),
        }
    }
}

/// The first value of a record that is not what its key is for.
pub(crate) fn record_fault(path: &Path, meta: &Meta) -> Option<RecordFault> {
    let problem = match meta.get("format") {
        Some(format) if format != FORMAT => {
            RecordProblem::Newer { format: format.chars().take(SHOWN).collect() }
        }
        _ => meta.values().find_map(|(key, value)| {
            let expected = misfit(key, value)?;
            let value = value.chars().take(SHOWN).collect();
            Some(RecordProblem::Value { key: key.to_owned(), value, expected })
        })?,
    };
    Some(RecordFault { path: path.to_owned(), problem })
}

/// The kind that belongs in the place of a value that does not parse. Keys of texts, and keys that this
/// version does not know, take any value.
fn misfit(key: &str, value: &str) -> Option<&'static str> {
    fn is<T: std::str::FromStr>(value: &str) -> bool {
        value.parse::<T>().is_ok()
    }
    let (fits, expected) = match key {
        "added_at" | "launched_at" | "started_at" | "ended_at" | "next_eligible"
        | "verified_at" | "shipped_at" | "ship_tried_at" | "spent_at" => {
            (is::<Timestamp>(value), "a time")
        }
        "attempt" | "attempts" | "recoveries" | "retry_max" | "place_moves" | "pid" => {
            (is::<u32>(value), "a number")
        }
        "fleet_job_id" => (is::<aq_fleet::protocol::FleetJobId>(value), "the id of a fleet's job"),
        "pidstart"
        | "files_changed"
        | "lines_added"
        | "lines_deleted"
        | "permission_denials"
        | "input_tokens"
        | "cached_tokens"
        | "cache_write_tokens"
        | "output_tokens"
        | "reasoning_tokens"
        | "total_input_tokens"
        | "total_cached_tokens"
        | "total_cache_write_tokens"
        | "total_output_tokens"
        | "total_reasoning_tokens"
        | "fleet_lease_epoch"
        | "fleet_reports" => (is::<u64>(value), "a number"),
        "duration_s" | "total_duration_s" | "cost_usd" | "total_cost_usd" => {
            (value.parse::<f64>().is_ok_and(f64::is_finite), "a number")
        }
        "setup_done" | "usage_estimated" => (value == "1", "`1`"),
        "verified" => (matches!(value, "0" | "1"), "`0` or `1`"),
        "priority" => (is::<Priority>(value), "a priority"),
        "deps_mode" => (is::<DepsMode>(value), "`hard` or `soft`"),
        "review_policy" => (is::<ReviewPolicy>(value), "`auto` or `human`"),
        "isolation" => (is::<Isolation>(value), "`worktree` or `in-place`"),
        "moved_to" => (is::<Stage>(value), "a folder of jobs"),
        "result" => (is::<Outcome>(value), "a result"),
        "failure_class" => (is::<FailureClass>(value), "a class of failures"),
        "capabilities" => {
            let are = super::meta::split_list(value).iter().all(|one| is::<Requirement>(one));
            (are, "a list of requirements")
        }
        "wip_base" | "resume_commit" | "pushed_commit" => {
            let is_digits = value.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_digits && matches!(value.len(), 40 | 64), "the name of a commit")
        }
        "target" | "added_on" => (value.starts_with("refs/"), "the full name of a branch"),
        "cwd" | "checkout" | "added_from" | "repository_lock" => {
            (value.starts_with('/'), "an absolute path")
        }
        _ => return None,
    };
    (!fits).then_some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key that has a kind, with values that fit and one that does not.
    const KINDS: &[(&[&str], &[&str], &str)] = &[
        (
            &[
                "added_at",
                "launched_at",
                "started_at",
                "ended_at",
                "next_eligible",
                "verified_at",
                "shipped_at",
                "ship_tried_at",
                "spent_at",
            ],
            &["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.123456789Z"],
            "yesterday",
        ),
        (
            &["attempt", "attempts", "recoveries", "retry_max", "place_moves", "pid"],
            &["0", "7"],
            "-1",
        ),
        (
            &[
                "pidstart",
                "files_changed",
                "lines_added",
                "lines_deleted",
                "permission_denials",
                "input_tokens",
                "cached_tokens",
                "cache_write_tokens",
                "output_tokens",
                "reasoning_tokens",
                "total_input_tokens",
                "total_cached_tokens",
                "total_cache_write_tokens",
                "total_output_tokens",
                "total_reasoning_tokens",
                "fleet_lease_epoch",
                "fleet_reports",
            ],
            &["0", "5000000000"],
            "many",
        ),
        (&["fleet_job_id"], &["01890a5d-ac96-774b-bcce-b302099a8057"], "7"),
        (&["duration_s", "total_duration_s", "cost_usd", "total_cost_usd"], &["0.003", "2"], "NaN"),
        (&["setup_done", "usage_estimated"], &["1"], "yes"),
        (&["verified"], &["0", "1"], "true"),
        (&["priority"], &["critical", "high", "medium", "low"], "urgent"),
        (&["deps_mode"], &["hard", "soft"], "firm"),
        (&["review_policy"], &["auto", "human"], "team"),
        (&["isolation"], &["worktree", "in-place"], "box"),
        (&["moved_to"], &["inbox", "building", "quarantine"], "moon"),
        (&["result"], &["success", "verify_failed", "fenced"], "unanswered-2"),
        (&["failure_class"], &["crash", "timeout", "verify_failed"], "weather"),
        (&["capabilities"], &["os:any", "os:any,node>=20 | !x"], ">=<"),
        (
            &["wip_base", "resume_commit", "pushed_commit"],
            &["0123456789abcdef0123456789abcdef01234567"],
            "main",
        ),
        (&["target", "added_on"], &["refs/heads/main"], "main"),
        (&["cwd", "checkout", "added_from", "repository_lock"], &["/home/ada"], "home"),
    ];

    fn fault(text: &str) -> Option<RecordProblem> {
        record_fault(Path::new("a.meta"), &Meta::parse(text)).map(|fault| fault.problem)
    }

    #[test]
    fn each_kind_of_value_is_checked() {
        for (keys, good, bad) in KINDS {
            for key in *keys {
                for value in *good {
                    assert_eq!(fault(&format!("{key}={value}\n")), None, "{key}={value}");
                }
                // The last one counts, and an empty one is none.
                assert_eq!(fault(&format!("{key}={bad}\n{key}=\n")), None, "{key}");
                assert!(
                    matches!(
                        fault(&format!("{key}={bad}\n")),
                        Some(RecordProblem::Value { key: found, value, .. })
                            if found == *key && value == *bad
                    ),
                    "{key}={bad}"
                );
            }
        }
    }

    #[test]
    fn only_a_newer_format_is_refused() {
        assert_eq!(fault("format=1\nsomething_new=x\nmessage=\\0\n"), None);
        let newer = RecordProblem::Newer { format: "2".to_owned() };
        assert_eq!(fault("attempts=x\nformat=2\n"), Some(newer));
    }

    #[test]
    fn the_message_names_file_value_and_mend() {
        let meta = Meta::parse("attempts=many\n");
        let fault = record_fault(Path::new("/q/.state/meta/a.meta"), &meta).unwrap();
        assert_eq!(
            fault.to_string(),
            "`attempts` in /q/.state/meta/a.meta is \"many\" and not a number; a further line \
             `attempts=` there forgets it"
        );
    }
}
