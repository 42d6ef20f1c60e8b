//! The places where engines keep the login of their account.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::definition::EngineDefinition;

/// Places of one engine's login.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LoginFacts {
    /// Variable that names the directory of `files`, when it is set.
    pub dir_variable: String,
    /// The engine's directory below the home directory.
    pub dir: String,
    /// Files in that directory, any of which says that somebody has signed in.
    pub files: Vec<String>,
    /// The same below the home directory.
    pub home_files: Vec<String>,
    /// Variables with a key, beside those that choose the account.
    pub keys: Vec<String>,
}

/// Signs that somebody has signed in to an engine: one of these is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginPlaces {
    /// Files.
    pub files: Vec<PathBuf>,
    /// Variables.
    pub variables: Vec<String>,
}

/// The places of an engine; `None` when nothing is known of its login.
pub(super) fn login_places(
    definition: &EngineDefinition,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Option<LoginPlaces> {
    let login = definition.login.as_ref()?;
    let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = path("HOME")?;
    let dir = path(&login.dir_variable).unwrap_or_else(|| home.join(&login.dir));
    let below = |dir: &Path, files: &[String]| -> Vec<PathBuf> {
        files.iter().map(|file| dir.join(file)).collect()
    };
    let files = [below(&dir, &login.files), below(&home, &login.home_files)].concat();
    let account = definition.account_env.iter().filter(|name| **name != login.dir_variable);
    let keys = login.keys.iter().cloned();
    Some(LoginPlaces { files, variables: account.cloned().chain(keys).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineConfig, EngineRegistry};

    #[test]
    fn places_follow_home_and_variables() {
        let engines = EngineRegistry::new(&EngineConfig::default(), &|_| None).unwrap();
        let at = |variables: &'static [(&str, &str)]| {
            let env = move |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            engines.login_places("codex", &env).unwrap()
        };
        let home = at(&[("HOME", "/h")]);
        assert_eq!(home.files, [PathBuf::from("/h/.codex/auth.json")]);
        assert!(home.variables.contains(&"OPENAI_API_KEY".to_owned()), "{home:?}");
        let moved = at(&[("HOME", "/h"), ("CODEX_HOME", "/c")]);
        assert_eq!(moved.files, [PathBuf::from("/c/auth.json")]);
        assert!(!moved.variables.contains(&"CODEX_HOME".to_owned()), "{moved:?}");
        assert_eq!(engines.login_places("shell", &|_| Some("/h".into())), None);
        assert_eq!(engines.login_places("nobody", &|_| Some("/h".into())), None);
    }
}
