//! Variables that hold secrets, by their names.

/// Variables that lead to what signs, decrypts or acts for the user.
const LEAD_TO_AGENTS: [&str; 7] = [
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GPG_AGENT_INFO",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNOME_KEYRING_CONTROL",
    "DOCKER_HOST",
    "XAUTHORITY",
];

/// Parts of a name, between underscores, of a variable with a secret.
const SECRET_PARTS: [&str; 15] = [
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PAT",
    "CREDENTIAL",
    "CREDENTIALS",
    "APIKEY",
    "AUTH",
    "KEY",
    "PWD",
];

/// Endings of a name with no underscore before them.
const SECRET_ENDS: [&str; 5] = ["TOKEN", "SECRET", "PASSWORD", "APIKEY", "PASSWD"];

/// Tests for a variable that looks as if it held a secret, or leads to who has one. A guess by the
/// name: one that is needed inside is named.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // The shell's own, which is no `MYSQL_PWD`.
    if name == "PWD" {
        return false;
    }
    LEAD_TO_AGENTS.contains(&name.as_str())
        || name.split(['_', '-', '.']).any(|part| SECRET_PARTS.contains(&part))
        || SECRET_ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_names() {
        for (name, expected) in [
            ("GITHUB_TOKEN", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("ANTHROPIC_API_KEY", true),
            ("SSH_AUTH_SOCK", true),
            ("npm_config__auth", true),
            ("MYSQL_PWD", true),
            ("DbPassword", true),
            ("PATH", false),
            ("PWD", false),
            ("OLDPWD", false),
            ("HOME", false),
            ("KEYMAP", false),
            ("MONKEY", false),
            ("TERM", false),
            ("COMPASS", false),
        ] {
            assert_eq!(looks_secret(name), expected, "{name}");
        }
    }
}
