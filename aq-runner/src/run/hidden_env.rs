//! Variables that are nobody's business but the user's, or aq's own.

use crate::checkpoint::REPOSITORY_VARIABLES;
use crate::engine::FEEDBACK_VARIABLE;

/// With [`REPOSITORY_VARIABLES`], all that `git rev-parse --local-env-vars` prints (git 2.38 to
/// 2.51).
/// An alias or a hook exports them.
const ALSO_OF_A_REPOSITORY: [&str; 4] =
    ["GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_INTERNAL_SUPER_PREFIX"];

/// The pairs that `GIT_CONFIG_COUNT` counts. `GIT_TRACE*` stays: only a person sets it, and it says
/// what git prints, not where it works.
const GIT_CONFIG_PAIRS: [&str; 2] = ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// Where this process speaks to systemd, which takes the word of any process for it.
const NOTIFY_SOCKET: &[u8] = b"NOTIFY_SOCKET";

/// No editor and no prompt: nobody is there to answer. `true` ends at once, and git takes the empty
/// message that it leaves for a refusal.
pub(crate) const UNATTENDED: [(&str, &str); 7] = [
    ("GIT_EDITOR", "true"),
    ("GIT_SEQUENCE_EDITOR", "true"),
    ("EDITOR", "true"),
    ("VISUAL", "true"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("SSH_ASKPASS_REQUIRE", "never"),
];

/// Tests for a variable whose value only this process may know: `AQ_*TOKEN*`, but not the path of a
/// file that holds one, and `AQ_DATABASE`, which can hold a password.
pub(crate) fn is_secret(name: &[u8]) -> bool {
    name == b"AQ_DATABASE" || (names_a_token(name) && !name.ends_with(b"_FILE"))
}

/// Tests for a variable that no program of a job gets, whatever its engine, and no probe.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    let is_of_a_repository = REPOSITORY_VARIABLES
        .iter()
        .chain(&ALSO_OF_A_REPOSITORY)
        .any(|known| known.as_bytes() == name)
        || GIT_CONFIG_PAIRS.iter().any(|start| name.starts_with(start.as_bytes()));
    // That of an outer job is none of this one.
    let is_of_a_job = name == FEEDBACK_VARIABLE.as_bytes();
    is_of_a_repository
        || is_of_a_job
        || name == NOTIFY_SOCKET
        || is_secret(name)
        || names_a_token(name)
        || name.starts_with(b"AQ_TRACKER_")
}

fn names_a_token(name: &[u8]) -> bool {
    name.starts_with(b"AQ_") && name.windows(5).any(|part| part == b"TOKEN")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn git_names_no_variable_unknown_here() {
        let printed = Command::new("git").args(["rev-parse", "--local-env-vars"]).output().unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert!(printed.contains("GIT_DIR\n"), "{printed}");
        let unknown: Vec<&str> = printed.lines().filter(|n| !is_hidden(n.as_bytes())).collect();
        assert_eq!(unknown, [""; 0]);
    }

    #[test]
    fn values_of_tokens_are_secret_and_their_files_hidden() {
        for (name, secret, hidden) in [
            ("AQ_FLEET_TOKEN", true, true),
            ("AQ_GITHUB_TOKEN", true, true),
            ("AQ_TOKENS", true, true),
            ("AQ_DATABASE", true, true),
            ("AQ_FLEET_TOKEN_FILE", false, true),
            ("AQ_TRACKER_URL", false, true),
            ("GIT_CONFIG_KEY_12", false, true),
            ("GIT_CONFIG_GLOBAL", false, false),
            ("GIT_TRACE", false, false),
            ("AQ_FEEDBACK", false, true),
            ("NOTIFY_SOCKET", false, true),
            ("AQ_FLEET_URL", false, false),
            ("GITHUB_TOKEN", false, false),
            ("PGPASSWORD", false, false),
            ("MY_AQ_TOKEN", false, false),
        ] {
            let found = (is_secret(name.as_bytes()), is_hidden(name.as_bytes()));
            assert_eq!(found, (secret, hidden), "{name}");
        }
    }
}
