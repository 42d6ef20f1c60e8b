//! The paths that a box may write, read or not see, as plain data: built and checked without a
//! kernel, a file or a process.

mod secrets;
mod variables;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use secrets::{SECRET_PLACES, secret_places};
pub use variables::looks_secret;

/// Access to a path and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathAccess {
    /// Writes there are for good.
    Write,
    /// It is read, and not written, also within something that is written or hidden.
    Read,
    /// Nothing of it is seen.
    Hidden,
}

/// An access to a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRule {
    /// An absolute path.
    pub path: PathBuf,
    /// The access to it.
    pub access: PathAccess,
}

/// The fate of an access to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathReach {
    /// As the rule says that is nearest.
    Ruled(PathAccess),
    /// A place of the box's own, which goes with it.
    Private,
    /// Below the home: what is written goes to a layer.
    Layer,
    /// No rule is about it: it is read.
    Open,
}

/// Directories that are the box's own: what is there outside is not seen inside.
pub(crate) const PRIVATE: [&str; 6] = ["/tmp", "/var/tmp", "/run", "/dev", "/proc", "/dev/shm"];

/// Directories no box may be given to write: the kernel's, and those of all programs.
const NEVER_WRITTEN: [&str; 9] =
    ["/", "/proc", "/sys", "/dev", "/run", "/etc", "/usr", "/var", "/tmp"];

/// A rule that would make the box no box.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It depends on where somebody is.
    #[error("{} is no absolute path", .0.display())]
    NotAbsolute(PathBuf),
    /// It is or contains the home or the system.
    #[error(
        "{} is too much to be written from a box, as it is or has in it the home or a directory of \
         the system; name a folder in it",
        .0.display()
    )]
    TooWide(PathBuf),
    /// A path to be written that is not there.
    #[error("{} is to be written from the box, but cannot be used: {problem}", path.display())]
    Unusable {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        problem: String,
    },
}

/// Rules about paths; the nearest one to a path decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPolicy {
    rules: Vec<PathRule>,
    home: Option<PathBuf>,
}

impl PathPolicy {
    /// A policy in which everything is read and nothing written. Below `home`, programs seem to
    /// write, and do so in a layer.
    pub fn new(home: Option<PathBuf>) -> Self {
        // A home that is everything, as daemons have it, is none.
        Self { rules: Vec::new(), home: home.filter(|home| home.parent().is_some()) }
    }

    /// The same with one more rule.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, access: PathAccess) -> Self {
        self.rules.push(PathRule { path: path.into(), access });
        self
    }

    /// The same with one access to many paths.
    #[must_use]
    pub fn with_all<P: Into<PathBuf>>(
        self,
        paths: impl IntoIterator<Item = P>,
        access: PathAccess,
    ) -> Self {
        paths.into_iter().fold(self, |policy, path| policy.with(path, access))
    }

    /// The home.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The rules, those about paths that contain others first; of two about one path, the last
    /// that was given.
    ///
    /// # Errors
    /// A path is relative, or too much is to be written.
    pub fn checked(&self) -> Result<Vec<PathRule>, PolicyError> {
        let mut rules: Vec<PathRule> = Vec::new();
        for rule in &self.rules {
            if !rule.path.is_absolute() {
                return Err(PolicyError::NotAbsolute(rule.path.clone()));
            }
            let is_home = self.home.as_ref().is_some_and(|home| home.starts_with(&rule.path));
            let is_system = NEVER_WRITTEN.iter().any(|path| Path::new(path) == rule.path);
            if rule.access == PathAccess::Write && (is_home || is_system) {
                return Err(PolicyError::TooWide(rule.path.clone()));
            }
            rules.retain(|known| known.path != rule.path);
            rules.push(rule.clone());
        }
        rules.sort_by_key(|rule| rule.path.components().count());
        Ok(rules)
    }
}

/// The reach of a path under rules that are sorted as [`PathPolicy::checked`] does.
pub(crate) fn reach(rules: &[PathRule], home: Option<&Path>, path: &Path) -> PathReach {
    let nearest = rules.iter().rev().find(|rule| path.starts_with(&rule.path));
    let depth = |path: &Path| path.components().count();
    let ruled = nearest.map_or(0, |rule| depth(&rule.path));
    let private = PRIVATE.iter().map(Path::new).filter(|place| path.starts_with(place));
    let private = private.map(depth).max().unwrap_or(0);
    let layer = home.filter(|home| path.starts_with(home)).map_or(0, depth);
    match nearest {
        Some(rule) if ruled >= private.max(layer) => PathReach::Ruled(rule.access),
        _ if layer > private => PathReach::Layer,
        _ if private > 0 => PathReach::Private,
        _ => PathReach::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathAccess::{Hidden, Read, Write};

    fn policy() -> PathPolicy {
        PathPolicy::new(Some("/home/ada".into()))
            .with("/home/ada/src/app", Write)
            .with("/home/ada/src/app/.git/hooks", Read)
            .with("/home/ada/.ssh", Hidden)
            .with("/srv/queue", Hidden)
            .with("/srv/queue/checkouts/one", Write)
            .with("/tmp/shared", Write)
    }

    #[test]
    fn the_nearest_rule_decides() {
        let policy = policy();
        let rules = policy.checked().unwrap();
        for (path, expected) in [
            ("/home/ada/src/app/main.rs", PathReach::Ruled(Write)),
            ("/home/ada/src/app/.git/hooks/pre-commit", PathReach::Ruled(Read)),
            ("/home/ada/src/apple", PathReach::Layer),
            ("/home/ada/.ssh/id", PathReach::Ruled(Hidden)),
            ("/srv/queue/checkouts/two", PathReach::Ruled(Hidden)),
            ("/srv/queue/checkouts/one/x", PathReach::Ruled(Write)),
            ("/tmp/shared/x", PathReach::Ruled(Write)),
            ("/tmp/other", PathReach::Private),
            ("/run/docker.sock", PathReach::Private),
            ("/usr/bin/env", PathReach::Open),
            ("/", PathReach::Open),
        ] {
            assert_eq!(reach(&rules, policy.home(), Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        for path in ["/", "/home", "/home/ada", "/etc", "/tmp"] {
            let error = policy().with(path, Write).checked().unwrap_err();
            assert_eq!(error, PolicyError::TooWide(path.into()));
        }
        let error = policy().with("src", Read).checked().unwrap_err();
        assert_eq!(error, PolicyError::NotAbsolute("src".into()));
        assert!(policy().with("/home", Read).checked().is_ok());
    }

    #[test]
    fn the_last_of_two_rules_holds() {
        let rules = policy().with("/srv/queue", Read).checked().unwrap();
        let about: Vec<_> =
            rules.iter().filter(|rule| rule.path == Path::new("/srv/queue")).collect();
        assert_eq!(about.len(), 1);
        assert_eq!(about[0].access, Read);
    }

    #[test]
    fn a_root_home_is_none() {
        assert_eq!(PathPolicy::new(Some("/".into())).home(), None);
    }
}
