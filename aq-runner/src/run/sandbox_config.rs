//! The `sandbox` section of the config.

use std::path::{Path, PathBuf};

use aq_sandbox::HostList;
use serde::Deserialize;

/// The `sandbox` section of `config.yaml`: beside what every box has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SandboxConfig {
    /// Paths that are seen although they would be hidden, and only read; `~` is the home.
    pub read: Vec<PathBuf>,
    /// Paths that are written.
    pub write: Vec<PathBuf>,
    /// Paths that are not seen.
    pub hide: Vec<PathBuf>,
    /// Hosts that a strict box reaches: `name`, `*.name`, `name:port`, `127.0.0.1:port`.
    pub allow_hosts: Vec<String>,
}

impl SandboxConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// Names the key, and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (key, paths) in [("read", &self.read), ("write", &self.write), ("hide", &self.hide)] {
            let relative = paths.iter().find(|path| !path.is_absolute() && !path.starts_with("~"));
            if let Some(path) = relative {
                let shown = path.display();
                return Err(format!("sandbox.{key}: {shown:?} is no absolute path, nor below `~`"));
            }
        }
        HostList::parse(&self.allow_hosts)
            .map(drop)
            .map_err(|error| format!("sandbox.allow-hosts: {error}"))
    }
}

/// A path with `~` replaced; without a home, a path below it is nowhere.
pub(crate) fn in_home(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(below) => home.map(|home| home.join(below)),
        Err(_) => Some(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let check = |yaml: &str| {
            serde_yaml::from_str::<SandboxConfig>(yaml).unwrap().check().err().unwrap_or_default()
        };
        assert_eq!(check("{write: [/srv/cache, ~/.cargo], allow-hosts: ['*.example.org']}"), "");
        assert_eq!(check("hide: [x]"), "sandbox.hide: \"x\" is no absolute path, nor below `~`");
        assert!(check("allow-hosts: ['a b']").starts_with("sandbox.allow-hosts: `a b` names no"));
        assert!(serde_yaml::from_str::<SandboxConfig>("reads: []").is_err());
    }

    #[test]
    fn the_home_is_filled_in() {
        let home = Path::new("/home/ada");
        let found = |path: &str, home| in_home(Path::new(path), home);
        assert_eq!(found("~/.ssh", Some(home)), Some("/home/ada/.ssh".into()));
        assert_eq!(found("/etc", None), Some("/etc".into()));
        assert_eq!(found("~", None), None);
    }
}
