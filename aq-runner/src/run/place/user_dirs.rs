//! The directories of one user: where his queues are, and what he trusts.

use std::path::PathBuf;

use super::super::environment::ProcessEnvironment;
use super::error::PlaceError;

/// Directories that aq uses outside of any queue. All are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDirs {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// Parent of the queues of repositories.
    pub aq_home: Option<PathBuf>,
    /// The queue that is used where there is no project.
    pub data: Option<PathBuf>,
    /// Memory about queues: the trusted ones, and those that were named.
    pub state: Option<PathBuf>,
}

impl UserDirs {
    /// Reads `AQ_HOME`, `HOME`, `XDG_DATA_HOME` and `XDG_STATE_HOME`.
    ///
    /// # Errors
    /// When `AQ_HOME` is relative.
    pub fn new(environment: &ProcessEnvironment) -> Result<Self, PlaceError> {
        let aq_home = environment.aq_home();
        match aq_home {
            Some(dir) if !dir.is_absolute() && environment.path("AQ_HOME").is_some() => {
                Err(PlaceError::RelativeHome(dir))
            }
            _ => Ok(Self::without_aq_home(environment, aq_home)),
        }
    }

    /// The user's own state directory of aq: `$XDG_STATE_HOME/aq`, else `~/.local/state/aq`.
    pub(super) fn state_of(environment: &ProcessEnvironment) -> Option<PathBuf> {
        Self::without_aq_home(environment, None).state
    }

    fn without_aq_home(environment: &ProcessEnvironment, aq_home: Option<PathBuf>) -> Self {
        let absolute = |dir: &PathBuf| dir.is_absolute();
        let home = environment.path("HOME").filter(absolute);
        // The XDG specification has relative paths ignored.
        let base = |variable: &str, default: &str| {
            let named = environment.path(variable).filter(absolute);
            Some(named.or_else(|| Some(home.as_ref()?.join(default)))?.join("aq"))
        };
        Self {
            data: base("XDG_DATA_HOME", ".local/share"),
            state: base("XDG_STATE_HOME", ".local/state"),
            aq_home: aq_home.filter(absolute),
            home,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(variables: &[(&str, &str)]) -> Result<UserDirs, PlaceError> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        UserDirs::new(&ProcessEnvironment::new(variables))
    }

    #[test]
    fn home_gives_every_default() {
        let found = dirs(&[("HOME", "/h")]).unwrap();
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(found.aq_home, path("/h/aq-work"));
        assert_eq!(found.data, path("/h/.local/share/aq"));
        assert_eq!(found.state, path("/h/.local/state/aq"));
        assert_eq!(dirs(&[]).unwrap(), UserDirs::default());
    }

    #[test]
    fn variables_win_unless_relative() {
        let found = dirs(&[
            ("HOME", "/h"),
            ("AQ_HOME", "/w"),
            ("XDG_DATA_HOME", "d"),
            ("XDG_STATE_HOME", "/s"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.aq_home, Some("/w".into()));
        assert_eq!(found.data, Some("/h/.local/share/aq".into()));
        assert_eq!(found.state, Some("/s/aq".into()));
        let refused = dirs(&[("HOME", "/h"), ("AQ_HOME", "w")]).unwrap_err();
        assert!(refused.to_string().contains("absolute path"), "{refused}");
    }
}
