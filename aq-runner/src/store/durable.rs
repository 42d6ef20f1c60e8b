//! Files that survive power loss, and renames that never overwrite.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::disk;

use super::error::{Result, StoreIo};

/// Bytes of stack for a thread that makes one system call.
const SYNC_STACK: usize = 64 << 10;

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).at("sync the directory", dir)
}

/// An open file or directory that is to be made durable, with its path for messages.
pub(crate) type UnsyncedFile = (File, PathBuf);

/// Opens a directory whose entries are to be made durable.
pub(crate) fn unsynced_dir(dir: PathBuf) -> Result<UnsyncedFile> {
    Ok((File::open(&dir).at("sync the directory", &dir)?, dir))
}

/// Makes several files and directories durable side by side, which takes a disk about as long as
/// one of them.
pub(crate) fn sync_together(files: &[UnsyncedFile]) -> Result<()> {
    let sync = |(file, path): &UnsyncedFile| file.sync_all().at("sync", path);
    let Some((own, others)) = files.split_first() else { return Ok(()) };
    std::thread::scope(|scope| {
        let start = |one| {
            let thread = std::thread::Builder::new().stack_size(SYNC_STACK);
            // Where there can be no more threads, one comes after the other.
            (one, thread.spawn_scoped(scope, move || sync(one)).ok())
        };
        let others: Vec<_> = others.iter().map(start).collect();
        let mut synced = sync(own);
        for (one, thread) in others {
            let other = match thread {
                Some(thread) => {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
                None => sync(one),
            };
            synced = synced.and(other);
        }
        synced
    })
}

/// Makes the content of a file durable, whoever wrote it.
pub(crate) fn sync_file(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).at("sync", path)
}

/// Makes everything on the file system of `dir` durable: one call for many files.
pub(crate) fn sync_file_system(dir: &Path) -> Result<()> {
    disk::sync_file_system(dir).at("sync the file system of", dir)
}

/// Tests that an open file is still the one that has this name: another may have taken its place,
/// or nobody.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (here.dev(), here.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Writes a new file, private to the user. `sync` makes its content durable, but not its name.
pub(crate) fn write_new(path: &Path, content: &[u8], sync: bool) -> Result<()> {
    let file = create(path, content)?;
    if sync {
        // A failed sync is never tried again: the kernel may have dropped the pages already.
        file.sync_all().at("sync", path)?;
    }
    Ok(())
}

/// As [`write_new`], of a file that is synced later.
pub(crate) fn write_unsynced(path: PathBuf, content: &[u8]) -> Result<UnsyncedFile> {
    Ok((create(&path, content)?, path))
}

fn create(path: &Path, content: &[u8]) -> Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .at("create", path)?;
    file.write_all(content).at("write", path)?;
    Ok(file)
}

/// Explains the error of opening a link (`O_NOFOLLOW`), or a pipe or a socket (`O_NONBLOCK`).
pub(crate) fn not_opened(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(nix::libc::ELOOP | nix::libc::ENXIO) => io::Error::other("it is no regular file"),
        _ => error,
    }
}

/// Adds to a file that is private to the user, making it when it is not there.
pub(crate) fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).custom_flags(flags).open(path);
    file.map_err(not_opened)?.write_all(text)
}

/// Renames without ever overwriting: an existing target is an `AlreadyExists` error.
#[cfg(target_os = "linux")]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Some network file systems do not know the flag.
        Err(Errno::EINVAL | Errno::ENOSYS) => rename_checked(from, to),
        other => other.map_err(io::Error::from),
    }
}

/// Renames without overwriting, as far as this system lets us.
#[cfg(not(target_os = "linux"))]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_checked(from, to)
}

fn rename_checked(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// As [`replace`], and also after power loss it has the old content or the new one. `through` is
/// the new file's name until then; who writes it is alone.
pub(crate) fn replace_durably(path: &Path, through: &Path, content: &[u8]) -> Result<()> {
    write_new(through, content, !content.is_empty())?;
    std::fs::rename(through, path).at("replace", path)
}

/// Replaces a small file whole: a reader sees the old content or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).at("create a file in", dir)?;
    file.write_all(content).at("write", file.path())?;
    file.persist(path).map_err(|e| e.error).at("replace", path)?;
    Ok(())
}
