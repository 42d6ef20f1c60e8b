//! Problems of a record, because of which its job is neither run nor shipped.

use crate::content::RecordContent;
use crate::table::RecordKey;

/// Format of the records that this version reads. One without the key is of this format, too.
pub const READ_FORMAT: &str = "1";

/// Characters of a value that a message shows.
const SHOWN: usize = 40;

/// A problem of a record. Nothing is guessed in the place of a value, since a guess may run a job
/// once more, or ship it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// A value that does not parse.
    #[error("`{}` is {value:?} and not {expected}", crate::KeyName::text(*key))]
    Value {
        /// Its key.
        key: RecordKey,
        /// Its line in the file, from 1, where that is known.
        line: Option<usize>,
        /// The value, or its beginning.
        value: String,
        /// The type that belongs there, with an article.
        expected: &'static str,
    },
    /// A newer version has written it.
    #[error("it is of format {format:?}, and this version of aq reads {READ_FORMAT}")]
    Newer {
        /// Its format.
        format: String,
        /// The line that says so, where that is known.
        line: Option<usize>,
    },
}

impl RecordProblem {
    /// Its code, one word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Value { .. } => "record_value",
            Self::Newer { .. } => "record_newer",
        }
    }

    /// The line of the file that has it, from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Value { line, .. } | Self::Newer { line, .. } => *line,
        }
    }

    /// The first problem of a record, in the order of the keys.
    pub fn of(content: &RecordContent) -> Option<Self> {
        let start = |value: &str| value.chars().take(SHOWN).collect();
        match content.get(RecordKey::Format) {
            Some(format) if format != READ_FORMAT => {
                let line = content.line(RecordKey::Format);
                Some(Self::Newer { format: start(format), line })
            }
            _ => content.known().find_map(|(key, value)| {
                let expected = key.misfit(value)?;
                let line = content.line(key);
                Some(Self::Value { key, line, value: start(value), expected })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_name::KeyName;

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
            &[
                "attempt",
                "attempts",
                "train_tries",
                "recoveries",
                "retry_max",
                "place_moves",
                "pid",
                "host_tries",
                "resume_attempts",
            ],
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
                "resume_files_changed",
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
        (
            &["setup_done", "rebase", "usage_estimated", "pull_request_open", "fleet_ships"],
            &["1"],
            "yes",
        ),
        (&["verified"], &["0", "1"], "true"),
        (&["priority"], &["critical", "high", "medium", "low"], "urgent"),
        (&["deps_mode"], &["hard", "soft"], "firm"),
        (&["review_policy"], &["auto", "human"], "team"),
        (&["isolation"], &["worktree", "in-place"], "box"),
        (&["ship"], &["accept", "merge", "pr"], "push"),
        (&["moved_to"], &["inbox", "building", "quarantine"], "moon"),
        (&["result"], &["success", "verify_failed", "fenced"], "unanswered-2"),
        (&["failure_class"], &["crash", "timeout", "verify_failed", "conflict"], "weather"),
        (&["capabilities"], &["os:any", "os:any,node>=20 | !x"], ">=<"),
        (
            &[
                "wip_base",
                "wip_target",
                "merged_commit",
                "resume_commit",
                "pushed_commit",
                "pull_request_commit",
            ],
            &["0123456789abcdef0123456789abcdef01234567"],
            "main",
        ),
        (
            &["landing"],
            &["refs/heads/main - 0123456789abcdef0123456789abcdef01234567"],
            "refs/heads/main",
        ),
        (&["target", "added_on"], &["refs/heads/main"], "main"),
        (&["cwd", "checkout", "added_from", "repository_lock"], &["/home/ada"], "home"),
    ];

    fn problem(text: &str) -> Option<RecordProblem> {
        RecordProblem::of(&RecordContent::parse(text))
    }

    #[test]
    fn each_kind_of_value_is_checked() {
        for (keys, good, bad) in KINDS {
            for key in *keys {
                for value in *good {
                    assert_eq!(problem(&format!("{key}={value}\n")), None, "{key}={value}");
                }
                // The last one counts, and an empty one is none.
                assert_eq!(problem(&format!("{key}={bad}\n{key}=\n")), None, "{key}");
                let found = problem(&format!("message=x\n{key}={bad}\n"));
                assert_eq!(found.as_ref().map(RecordProblem::code), Some("record_value"));
                let Some(RecordProblem::Value { key: found, line, value, .. }) = found else {
                    panic!("{key}={bad}")
                };
                assert_eq!((found.text(), line, value.as_str()), (*key, Some(2), *bad));
            }
        }
    }

    #[test]
    fn every_checked_key_is_tried() {
        let tried = |text: &str| KINDS.iter().any(|(keys, ..)| keys.contains(&text));
        for key in RecordKey::ALL {
            let takes_all = matches!(key.type_name(), "text" | "list");
            assert!(takes_all || tried(key.text()), "{} has no case", key.text());
        }
    }

    #[test]
    fn only_newer_formats_are_refused() {
        assert_eq!(problem("format=1\nsomething_new=x\nmessage=\\0\n"), None);
        let newer = RecordProblem::Newer { format: "2".to_owned(), line: Some(2) };
        assert_eq!((newer.line(), newer.code()), (Some(2), "record_newer"));
        assert_eq!(problem("attempts=x\nformat=2\n"), Some(newer));
    }

    #[test]
    fn long_values_are_shown_in_part() {
        let found = problem(&format!("attempts={}\n", "é".repeat(99)));
        let Some(RecordProblem::Value { value, .. }) = found else { panic!("it is no number") };
        assert_eq!(value, "é".repeat(SHOWN));
    }
}
