//! Other users who could change a queue, by the owners and modes of the directories that it is in.
//!
//! Access control lists are not read: one that lets another user write shows in the mode as the
//! group's write permission, which counts.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

/// The parts of a queue that decide about what is run.
const INNER: [&str; 4] = ["inbox", "profiles", ".state", "config.yaml"];

/// A directory as far as its permissions go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirectoryAccess {
    pub(super) path: PathBuf,
    pub(super) owner: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
}

impl DirectoryAccess {
    fn is_private_of(&self, caller: u32) -> bool {
        self.owner == caller && self.mode & 0o077 == 0
    }
}

/// A directory, or a file, that another user can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedPlace {
    /// Its path.
    pub path: PathBuf,
    /// Those who can.
    pub writers: PlaceWriters,
}

/// Others who can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceWriters {
    /// Its owner, who is neither the caller nor root.
    Owner(u32),
    /// A group that is not the caller's own.
    Group(u32),
    /// Everybody.
    Everybody,
}

impl fmt::Display for ExposedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.writers {
            PlaceWriters::Owner(owner) => write!(
                f,
                "{path} belongs to user {owner}, who could change the queue; use a queue in a \
                 directory of your own, or AQ_TRUST where you have to trust that user"
            ),
            PlaceWriters::Group(group) => write!(
                f,
                "{path} can be written by group {group}, which could change the queue; \
                 `chmod g-w {path}`"
            ),
            PlaceWriters::Everybody => write!(
                f,
                "{path} can be written by every user, who could change the queue; \
                 `chmod go-w {path}`"
            ),
        }
    }
}

/// The first place, from the outside in, where another user than `caller` and root can change what
/// the last directory is or holds. What is below a private directory of the caller's is not asked
/// about.
pub(super) fn exposed_in(
    chain: &[DirectoryAccess],
    caller: u32,
    is_own_group: &dyn Fn(u32) -> bool,
) -> ExposureVerdict {
    for (n, dir) in chain.iter().enumerate() {
        let exposed =
            |writers| ExposureVerdict::Exposed(ExposedPlace { path: dir.path.clone(), writers });
        if dir.owner != 0 && dir.owner != caller {
            return exposed(PlaceWriters::Owner(dir.owner));
        }
        // What the user owns in a sticky directory nobody else can rename or remove; that he owns
        // it is looked at with the next one.
        let is_protected = dir.mode & 0o1000 != 0 && n + 1 < chain.len();
        if dir.mode & 0o002 != 0 && !is_protected {
            return exposed(PlaceWriters::Everybody);
        }
        if dir.mode & 0o020 != 0 && !is_protected && !is_own_group(dir.group) {
            return exposed(PlaceWriters::Group(dir.group));
        }
        if dir.is_private_of(caller) {
            return ExposureVerdict::Private;
        }
    }
    ExposureVerdict::Visible
}

/// Verdict about the directories of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExposureVerdict {
    /// Nobody else can even look into it.
    Private,
    /// Others may look, and none can write.
    Visible,
    Exposed(ExposedPlace),
}

/// The place where another user could change a queue, which is given without symbolic links;
/// `None` when there is none.
///
/// # Errors
/// When a directory cannot be looked at.
pub fn exposed_place(queue: &Path) -> io::Result<Option<ExposedPlace>> {
    let caller = geteuid();
    let is_own_group = |group: u32| is_named_after(caller, group);
    let mut chain = Vec::new();
    let mut above: Vec<&Path> = queue.ancestors().collect();
    above.reverse();
    for dir in above {
        let dir = facts(dir)?;
        let is_private = dir.is_private_of(caller.as_raw());
        chain.push(dir);
        // Most homes are private, and then this is all.
        if is_private {
            break;
        }
    }
    match exposed_in(&chain, caller.as_raw(), &is_own_group) {
        ExposureVerdict::Private => return Ok(None),
        ExposureVerdict::Exposed(found) => return Ok(Some(found)),
        ExposureVerdict::Visible => {}
    }
    for name in INNER {
        let inner = match facts(&queue.join(name)) {
            Ok(inner) => inner,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        if let ExposureVerdict::Exposed(found) =
            exposed_in(&[inner], caller.as_raw(), &is_own_group)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn facts(path: &Path) -> io::Result<DirectoryAccess> {
    let about = path.metadata()?;
    Ok(DirectoryAccess {
        path: path.to_owned(),
        owner: about.uid(),
        group: about.gid(),
        mode: about.mode(),
    })
}

/// Many systems give each user a group of his own, by his name, in which nobody else is.
fn is_named_after(user: Uid, group: u32) -> bool {
    let user = User::from_uid(user).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    match (user, group) {
        (Some(user), Some(group)) => {
            group.name == user.name && group.mem.iter().all(|member| *member == user.name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ME: u32 = 1000;
    const OWN: u32 = 1000;

    /// `/`, then directories as `owner:group:mode`.
    fn judge(dirs: &str) -> String {
        let mut path = PathBuf::from("/");
        let mut chain =
            vec![DirectoryAccess { path: path.clone(), owner: 0, group: 0, mode: 0o755 }];
        for (n, word) in dirs.split_whitespace().enumerate() {
            path.push(n.to_string());
            let parts: Vec<&str> = word.split(':').collect();
            chain.push(DirectoryAccess {
                path: path.clone(),
                owner: parts[0].parse().unwrap(),
                group: parts[1].parse().unwrap(),
                mode: u32::from_str_radix(parts[2], 8).unwrap(),
            });
        }
        match exposed_in(&chain, ME, &|group| group == OWN) {
            ExposureVerdict::Private => "private".to_owned(),
            ExposureVerdict::Visible => "visible".to_owned(),
            ExposureVerdict::Exposed(ExposedPlace { path, writers }) => {
                format!("{} {writers:?}", path.display())
            }
        }
    }

    #[test]
    fn places_are_judged_from_the_outside_in() {
        for (dirs, verdict) in [
            ("0:0:755 1000:1000:755 1000:1000:755", "visible"),
            // The user's home shields what is in it.
            ("0:0:755 1000:1000:700 1000:1000:777", "private"),
            ("0:0:755 1000:100:700 1001:100:777", "private"),
            // But a private directory below an open one can be replaced.
            ("0:0:777 1000:1000:700", "/0 Everybody"),
            ("0:0:755 1001:1001:755 1000:1000:700", "/0/1 Owner(1001)"),
            ("0:0:755 1000:100:775 1000:1000:755", "/0/1 Group(100)"),
            ("0:0:755 1000:1000:775 1000:1000:755", "visible"),
            ("0:0:755 1000:1000:755 1000:1000:757", "/0/1/2 Everybody"),
            // Sticky directories protect what the user owns.
            ("0:0:1777 1000:1000:755", "visible"),
            ("0:0:1777 1001:1001:755", "/0/1 Owner(1001)"),
            ("0:0:1777 1000:1000:700", "private"),
            ("0:0:755 1000:1000:1777", "/0/1 Everybody"),
            ("0:0:755 0:50:2775 1000:1000:755", "/0/1 Group(50)"),
        ] {
            assert_eq!(judge(dirs), verdict, "{dirs}");
        }
    }

    #[test]
    fn messages_name_the_mend() {
        let said = |writers| ExposedPlace { path: "/q".into(), writers }.to_string();
        assert!(said(PlaceWriters::Group(5)).contains("`chmod g-w /q`"));
        assert!(said(PlaceWriters::Everybody).contains("`chmod go-w /q`"));
        assert!(said(PlaceWriters::Owner(5)).contains("AQ_TRUST"));
    }

    #[test]
    fn a_private_directory_of_ones_own_is_safe() {
        let dir = tempfile::tempdir().unwrap();
        let queue = dir.path().canonicalize().unwrap().join("q");
        std::fs::create_dir(&queue).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        set(&queue, 0o777);
        set(dir.path(), 0o700);
        assert_eq!(exposed_place(&queue).unwrap(), None);
        set(dir.path(), 0o755);
        let found = exposed_place(&queue).unwrap().unwrap();
        assert_eq!((&found.path, found.writers), (&queue, PlaceWriters::Everybody));
        // What decides about what is run is looked at, too.
        set(&queue, 0o755);
        std::fs::write(queue.join("config.yaml"), "").unwrap();
        set(&queue.join("config.yaml"), 0o666);
        let found = exposed_place(&queue).unwrap().unwrap();
        assert_eq!(found.path, queue.join("config.yaml"));
    }
}
