//! A list of paths in the user's state directory: one a line, only ever added to.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

use super::error::{at, is_absent};

/// The most that is read of a list, in bytes.
const MAX_LEN: u64 = 4 << 20;

/// A list of paths that belongs to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathList {
    path: PathBuf,
}

impl PathList {
    /// The list in this file, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The list's own file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the paths. Lines that are none do not count, and neither does a torn last one.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or another user could have written it.
    pub fn read(&self) -> Result<Vec<PathBuf>, StoreError> {
        match open(File::options().read(true), &self.path) {
            Ok(file) => self.read_from(&file),
            Err(e) if is_absent(&e) => Ok(Vec::new()),
            Err(e) => Err(at("open", &self.path, e)),
        }
    }

    /// Adds a path, durably; `false` when it is there already.
    ///
    /// # Errors
    /// When the file cannot be written, or another user could have.
    pub fn add(&self, path: &Path) -> Result<bool, StoreError> {
        let failed = |action| move |e| at(action, &self.path, e);
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|e| at("create", dir, e))?;
        let mut options = File::options();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = open(options, &self.path).map_err(failed("open"))?;
        file.lock().map_err(failed("lock"))?;
        if self.read_from(&file)?.iter().any(|known| known == path) {
            return Ok(false);
        }
        let mut line = if ends_in_line(&mut file).map_err(failed("read"))? {
            Vec::new()
        } else {
            // What is torn must not swallow the next line.
            vec![b'\n']
        };
        line.extend(escape(path.as_os_str().as_bytes()));
        line.push(b'\n');
        file.write_all(&line).map_err(failed("append to"))?;
        file.sync_all().map_err(failed("sync"))?;
        Ok(true)
    }

    fn read_from(&self, file: &File) -> Result<Vec<PathBuf>, StoreError> {
        let failed = |e| at("read", &self.path, e);
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(failed(io::Error::other("it is no regular file")));
        }
        if about.uid() != nix::unistd::geteuid().as_raw() || about.mode() & 0o022 != 0 {
            let why = "another user can write it; make it your own, with mode 600";
            return Err(at("believe", &self.path, io::Error::other(why)));
        }
        let mut bytes = Vec::with_capacity(4096);
        let mut file = file;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.take(MAX_LEN).read_to_end(&mut bytes).map_err(failed)?;
        Ok(parse(&bytes))
    }
}

/// Never follows a link, and waits for no pipe.
fn open(options: &mut std::fs::OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)
}

fn ends_in_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn parse(bytes: &[u8]) -> Vec<PathBuf> {
    let end = bytes.iter().rposition(|&b| b == b'\n').unwrap_or(0);
    let lines = bytes[..end].split(|&b| b == b'\n');
    let paths = lines.filter_map(unescape).map(|path| PathBuf::from(OsString::from_vec(path)));
    paths.filter(|path| path.is_absolute()).collect()
}

/// As values of records, for any bytes.
fn escape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            byte => out.push(byte),
        }
    }
    out
}

/// `None`: nobody wrote this line as a path.
fn unescape(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len());
    let mut bytes = line.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            0 | b'\r' => return None,
            byte => byte,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn list() -> (tempfile::TempDir, PathList) {
        let dir = tempfile::tempdir().unwrap();
        let list = PathList::new(dir.path().join("state/aq/queues"));
        (dir, list)
    }

    #[test]
    fn paths_are_listed_once_and_privately() {
        let (_dir, list) = list();
        assert!(list.read().unwrap().is_empty());
        let odd = PathBuf::from(OsString::from_vec(b"/a\n\\b\xff".to_vec()));
        assert!(list.add(&odd).unwrap());
        assert!(list.add(Path::new("/b")).unwrap());
        assert!(!list.add(&odd).unwrap());
        assert_eq!(list.read().unwrap(), [odd, "/b".into()]);
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode(list.path()), 0o600);
        assert_eq!(mode(list.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn bad_lines_harm_no_others() {
        let (_dir, list) = list();
        list.add(Path::new("/a")).unwrap();
        let torn = b"relative\n/a\\x\n\0\0\n\n/good\n/to";
        let mut file = File::options().append(true).open(list.path()).unwrap();
        file.write_all(torn).unwrap();
        let shown = |list: &PathList| list.read().unwrap();
        assert_eq!(shown(&list), [PathBuf::from("/a"), "/good".into()]);
        list.add(Path::new("/next")).unwrap();
        assert_eq!(
            shown(&list),
            [PathBuf::from("/a"), "/good".into(), "/to".into(), "/next".into()]
        );
    }

    #[test]
    fn lists_that_others_can_write_are_refused() {
        let (_dir, list) = list();
        list.add(Path::new("/a")).unwrap();
        std::fs::set_permissions(list.path(), Permissions::from_mode(0o620)).unwrap();
        let refused = list.read().unwrap_err().to_string();
        assert!(refused.contains("with mode 600"), "{refused}");
        list.add(Path::new("/b")).unwrap_err();
    }

    #[test]
    fn concurrent_adds_lose_nothing() {
        let (_dir, list) = list();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let list = &list;
                scope.spawn(move || list.add(Path::new(&format!("/{}", n % 4))).unwrap());
            }
        });
        let mut all = list.read().unwrap();
        all.sort();
        assert_eq!(all, ["/0", "/1", "/2", "/3"].map(PathBuf::from));
    }

    proptest! {
        #[test]
        fn any_path_survives(bytes in proptest::collection::vec(1..=255_u8, 1..40)) {
            let line = escape(&bytes);
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(unescape(&line), Some(bytes));
        }
    }
}
