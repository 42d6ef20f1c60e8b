//! The token file as the system has it: nobody else may write it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::tokens::TokenListError;

/// Permission bits of the group and of all others.
const OTHERS_WRITE: u32 = 0o022;
const OTHERS_READ: u32 = 0o044;

/// The longest file, in bytes: as many tokens as are taken, with labels and comments.
const MAX_FILE: u64 = 2 << 20;

/// Reads the text, and says whether others can read it too.
pub(super) fn read(path: &Path) -> Result<(String, bool), TokenListError> {
    let unreadable = |source: io::Error| TokenListError::Read { path: path.to_owned(), source };
    let unfit = |problem| TokenListError::Unfit { path: path.to_owned(), problem };
    // A link is followed, as secrets of containers are links; a pipe is not waited for.
    let mut options = File::options();
    let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    let file = file.map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unfit("it is no regular file"));
    }
    let own = nix::unistd::geteuid().as_raw();
    if ![own, 0].contains(&metadata.uid()) {
        return Err(unfit("it belongs to another user, who could put another token into it"));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        let problem = "others can write it, and so put a token of their own into it; `chmod 600` \
                       mends that";
        return Err(unfit(problem));
    }
    if metadata.len() > MAX_FILE {
        return Err(unfit("it has more than 2 MiB"));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
    Ok((text, metadata.mode() & OTHERS_READ != 0))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn others_may_not_write_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        fs::write(&path, "text").unwrap();
        for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o644, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap(), ("text".to_owned(), open), "{mode:o}");
        }
        for mode in [0o620, 0o602, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("others can write it"), "{error}");
        }
        assert!(read(dir.path()).unwrap_err().to_string().contains("no regular file"));
    }
}
