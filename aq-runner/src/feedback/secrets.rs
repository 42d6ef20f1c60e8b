//! Values that stay out of feedback.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::clean::clean;

/// The shortest value of a job's `env` that is masked, in bytes: a `1` or a `true` would be taken
/// out of every text.
const LEAST_OF_JOB: usize = 6;

/// The shortest value of a variable that is named as a secret, in bytes.
const LEAST_OF_SECRET: usize = 4;

/// The text in the place of a value.
const MASK: &str = "***";

/// Ends of names of variables with secrets in them.
const SECRET_NAMES: [&str; 4] = ["_TOKEN", "_KEY", "_SECRET", "_PASSWORD"];

/// The values that are masked.
#[derive(Debug, Default)]
pub(crate) struct MaskedValues {
    /// Cleaned as the text is, the longest first.
    values: Vec<String>,
}

impl MaskedValues {
    /// The secrets among the variables of a job's programs, of which the job's `env` has set some.
    pub(crate) fn of(env: &[(OsString, OsString)], of_job: &BTreeMap<String, String>) -> Self {
        let mut values = Vec::new();
        for (name, value) in env {
            let least = if is_secret(name) {
                LEAST_OF_SECRET
            } else if name.to_str().is_some_and(|name| of_job.contains_key(name)) {
                LEAST_OF_JOB
            } else {
                continue;
            };
            let value = clean(value.as_bytes());
            let value = value.trim();
            // Of a value of several lines, each is one, as programs print some of them.
            let lines = value.lines().map(str::trim).filter(|_| value.contains('\n'));
            let found = lines.chain([value]).filter(|text| text.len() >= least);
            values.extend(found.map(str::to_owned));
        }
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values }
    }

    /// Bytes of the longest of them.
    pub(super) fn longest(&self) -> usize {
        self.values.first().map_or(0, String::len)
    }

    /// The text without them.
    pub(super) fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for value in &self.values {
            if masked.contains(value) {
                masked = masked.replace(value, MASK);
            }
        }
        masked
    }
}

fn is_secret(name: &OsStr) -> bool {
    let name = name.as_bytes();
    SECRET_NAMES.iter().any(|end| name.to_ascii_uppercase().ends_with(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(env: &[(&str, &str)], of_job: &[&str]) -> MaskedValues {
        let env: Vec<(OsString, OsString)> =
            env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let of_job = of_job.iter().map(|&name| (name.to_owned(), String::new())).collect();
        MaskedValues::of(&env, &of_job)
    }

    #[test]
    fn values_of_the_job_and_secrets_are_masked() {
        let env = [
            ("MODE", "production"),
            ("GITHUB_TOKEN", "gh-1"),
            ("my_key", "key-of-mine"),
            ("HOME", "/home/me"),
            ("DEPTH", "1"),
            ("SHORT_KEY", "abc"),
        ];
        let found = secrets(&env, &["MODE", "DEPTH"]);
        let text = "production gh-1 key-of-mine /home/me 1 abc";
        assert_eq!(found.mask(text), "*** *** *** /home/me 1 abc");
        assert_eq!(found.longest(), "key-of-mine".len());
    }

    #[test]
    fn the_longer_value_goes_first() {
        let found = secrets(&[("A_KEY", "abcd"), ("B_KEY", "abcdef")], &[]);
        assert_eq!(found.mask("abcdef abcd"), "*** ***");
    }

    #[test]
    fn each_line_of_a_value_is_masked() {
        let found = secrets(&[("PEM_KEY", "-----BEGIN-----\nMIIB1234\n}\n")], &[]);
        assert_eq!(found.mask("x MIIB1234 y } -----BEGIN-----"), "x *** y } ***");
    }
}
