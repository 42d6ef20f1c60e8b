//! Texts that people write: of a bounded size, and never taken in the middle of being saved.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The largest job file, in bytes (docs/job-file.md): one of this size or more is refused.
pub const MAX_JOB_FILE: u64 = 1 << 20;

/// A file that has not changed for this long is not being written any more.
pub(super) const REST: Duration = Duration::from_millis(500);

/// Interval of looks at a file that may still be being saved.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A file that never comes to rest is taken as it is after so many looks: some two seconds.
const LOOKS: u32 = 100;

/// Where a job file was found to be no readable job file.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableJob {
    /// A link, a pipe, a device or a folder: never opened, because it may block or lead outside.
    #[error("it is no regular file")]
    NotAFile,
    /// 1 MiB or more.
    #[error("it has {0} bytes; expected less than {MAX_JOB_FILE}")]
    TooLarge(u64),
    /// Not text.
    #[error("it is not UTF-8 text: byte {0} is wrong")]
    NotUtf8(usize),
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl UnreadableJob {
    /// Tests for a file that is not there at all.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(e) if e.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a text file of a bounded size, never following a link, never waiting for a pipe.
///
/// # Errors
/// Says why not.
pub fn read_text(path: &Path) -> Result<String, UnreadableJob> {
    read_bounded(&open(path)?)
}

/// As [`read_text`], for settings and profiles. Many editors empty a file before they write it
/// anew, and who reads it at that moment finds nothing, or half of it: good order, and other rules.
/// So a file that is empty or ends within a line counts only when it has not changed for [`REST`].
///
/// # Errors
/// Says why not.
pub(crate) fn read_saved(path: &Path) -> Result<String, UnreadableJob> {
    read_at_rest(path, || std::thread::sleep(LOOK_AGAIN))
}

fn read_at_rest(path: &Path, mut pause: impl FnMut()) -> Result<String, UnreadableJob> {
    for _ in 0..LOOKS {
        let file = open(path)?;
        let changed = file.metadata()?.modified().ok();
        // A time that is still to come says nothing.
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        let text = read_bounded(&file)?;
        let rests = age.is_none_or(|age| age >= REST);
        if text.ends_with('\n') || rests && file.metadata()?.modified().ok() == changed {
            return Ok(text);
        }
        pause();
    }
    read_text(path)
}

fn open(path: &Path) -> Result<File, UnreadableJob> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(file),
        Err(e) if matches!(e.raw_os_error(), Some(nix::libc::ELOOP | nix::libc::ENXIO)) => {
            Err(UnreadableJob::NotAFile)
        }
        Err(e) => Err(e.into()),
    }
}

fn read_bounded(file: &File) -> Result<String, UnreadableJob> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(UnreadableJob::NotAFile);
    }
    if about.len() >= MAX_JOB_FILE {
        return Err(UnreadableJob::TooLarge(about.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0) + 1);
    file.take(MAX_JOB_FILE).read_to_end(&mut bytes)?;
    if bytes.len() as u64 >= MAX_JOB_FILE {
        return Err(UnreadableJob::TooLarge(bytes.len() as u64));
    }
    String::from_utf8(bytes).map_err(|e| UnreadableJob::NotUtf8(e.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "max: 2\nenv-deny: [A]\n";

    #[test]
    fn half_saved_file_is_awaited() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        for half in ["", "max: 2\nenv-d"] {
            let mut pauses = 0;
            // Once more when this process stood still for longer than a file has to rest.
            while pauses == 0 {
                std::fs::write(&path, half).unwrap();
                let read = read_at_rest(&path, || {
                    pauses += 1;
                    std::fs::write(&path, WHOLE).unwrap();
                });
                assert!(pauses == 0 || read.unwrap() == WHOLE);
            }
            assert_eq!(pauses, 1);
        }
    }

    #[test]
    fn restless_file_is_read_late() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        let now = SystemTime::now();
        for (text, changed) in
            [("", now - REST), ("max: 2", now - REST), ("max: 2", now + REST * 99)]
        {
            std::fs::write(&path, text).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
            assert_eq!(read_at_rest(&path, || panic!("it rests")).unwrap(), text);
        }
        std::fs::write(&path, WHOLE).unwrap();
        assert_eq!(read_at_rest(&path, || panic!("it is whole")).unwrap(), WHOLE);
        let mut looks = 0;
        std::fs::write(&path, "").unwrap();
        let read = read_at_rest(&path, || {
            looks += 1;
            std::fs::write(&path, format!("max: {looks}")).unwrap();
        });
        assert_eq!(read.unwrap(), format!("max: {looks}"));
        let missing = read_at_rest(&dir.path().join("none"), || panic!("it is not there"));
        assert!(missing.unwrap_err().is_not_found());
    }
}
