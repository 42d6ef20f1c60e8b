//! Facts about the settings of engines.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::syntax::SettingsSyntax;

const TEXTS: [(&str, &str); 4] = [
    ("claude", include_str!("claude.yaml")),
    ("codex", include_str!("codex.yaml")),
    ("gemini", include_str!("gemini.yaml")),
    ("opencode", include_str!("opencode.yaml")),
];

/// All that is known of one engine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct EngineFacts {
    pub(super) settings: Vec<SettingsFacts>,
    pub(super) directories: Vec<ProgramDirectory>,
    pub(super) variables: Vec<VariableFacts>,
}

/// Files of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SettingsFacts {
    #[serde(default)]
    pub(super) user: Vec<UserPlace>,
    /// Paths in a repository.
    #[serde(default)]
    pub(super) repository: Vec<String>,
    pub(super) syntax: SettingsSyntax,
    /// The consequence of a file that cannot be parsed.
    #[serde(default)]
    pub(super) broken: Option<PitfallAdvice>,
    pub(super) rules: Vec<SettingsRule>,
}

/// A place of the user or the host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[derive(Default)]
pub(super) struct UserPlace {
    /// The variable that names the directory.
    pub(super) variable: Option<String>,
    /// The directory below the home directory, without that.
    pub(super) home: Option<String>,
    /// The path below the directory; absolute where there is none.
    pub(super) file: String,
}

/// An effect, and what to do about it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PitfallAdvice {
    pub(super) effect: String,
    pub(super) mend: String,
}

/// A key that is worth a warning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SettingsRule {
    /// Keys with dots between them; `*` is any key.
    pub(super) key: String,
    /// The values that count. Default: any but null, false, 0 and what is empty.
    #[serde(default)]
    pub(super) is: Option<Vec<Value>>,
    /// A key at the top that, when true, makes this one harmless.
    #[serde(default)]
    pub(super) unless: Option<String>,
    pub(super) effect: String,
    pub(super) mend: String,
}

/// A directory in which files are programs that the engine loads.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProgramDirectory {
    #[serde(default)]
    pub(super) user: Vec<UserPlace>,
    #[serde(default)]
    pub(super) repository: Vec<String>,
    pub(super) endings: Vec<String>,
    pub(super) effect: String,
    pub(super) mend: String,
}

/// A variable that is worth a warning when it is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariableFacts {
    pub(super) name: String,
    pub(super) effect: String,
    pub(super) mend: String,
}

/// Those of a built-in engine.
pub(super) fn facts(engine: &str) -> Option<&'static EngineFacts> {
    static FACTS: LazyLock<BTreeMap<&str, EngineFacts>> = LazyLock::new(|| {
        let read = |(engine, text): &(&'static str, &str)| {
            (*engine, serde_yaml::from_str(text).unwrap_or_default())
        };
        TEXTS.iter().map(read).collect()
    });
    FACTS.get(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_read() {
        for (engine, text) in TEXTS {
            let facts: Result<EngineFacts, _> = serde_yaml::from_str(text);
            assert!(!facts.unwrap().settings.is_empty(), "{engine}");
        }
    }
}
