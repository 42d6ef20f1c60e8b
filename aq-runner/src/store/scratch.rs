//! The `TMPDIR` of a job. Directories are used again: a few empty ones wait under names that no
//! job can have.
//!
//! An inode that was deleted costs those who make the next ones: ext4 without a journal does not
//! give it out again for some seconds, and looks at each such inode to see that. A short job spent
//! a quarter of its time there. So a job's directory, and the file that its prompt was in, pass to
//! the next job; whatever else is in it is removed.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aq_manifest::JobId;

use super::durable::rename_new;
use super::queue_dir::QueueDir;

/// Empty directories that are kept; about as many as jobs run at once.
const SPARES: u32 = 8;

/// The only mode that such a directory has: what agents put there is nobody else's business.
const PRIVATE: u32 = 0o700;

/// Makes the job's `TMPDIR`, empty but for a file `keep` of one byte that may be there.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_scratch(queue: &QueueDir, id: &JobId) -> io::Result<PathBuf> {
    remove_scratch(queue, id);
    let scratch = queue.scratch(id);
    for n in 0..SPARES {
        if std::fs::rename(spare(queue, n), &scratch).is_ok() {
            return Ok(scratch);
        }
    }
    DirBuilder::new().mode(PRIVATE).create(&scratch)?;
    Ok(scratch)
}

/// Takes the job's `TMPDIR` away, if it is there, with all that the job left in it. `keep` is the
/// name of the file that is written for every job.
pub(crate) fn put_scratch_away(queue: &QueueDir, id: &JobId, keep: &str) {
    let scratch = queue.scratch(id);
    let emptied = empty(&scratch, keep);
    if emptied.is_ok() && (0..SPARES).any(|n| rename_new(&scratch, &spare(queue, n)).is_ok()) {
        return;
    }
    remove_scratch(queue, id);
}

/// Removes the job's `TMPDIR`, if it is there.
pub(crate) fn remove_scratch(queue: &QueueDir, id: &JobId) {
    // One that cannot be removed is empty, or was made unreadable by the job: it harms nobody.
    let _ = std::fs::remove_dir_all(queue.scratch(id));
}

/// Writes a private file in a `TMPDIR`, over one that an earlier job's prompt was in.
pub(crate) fn write_private(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use io::Write;
    let mut file = open(path, true, mode)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_len(content.len() as u64)?;
    file.write_all(content)
}

fn empty(scratch: &Path, keep: &str) -> io::Result<()> {
    if !scratch.symlink_metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    std::fs::set_permissions(scratch, Permissions::from_mode(PRIVATE))?;
    for entry in std::fs::read_dir(scratch)? {
        let path = entry?.path();
        let about = path.symlink_metadata()?;
        if path.file_name().is_some_and(|name| name == keep)
            && about.is_file()
            && about.nlink() == 1
        {
            // Not to nothing: ext4 takes that, and a write later, for the replacement of a file,
            // and writes it to the disk at once.
            let file = open(&path, false, 0)?;
            file.set_len(1)?;
            // Not even its first byte is the next job's business.
            std::os::unix::fs::FileExt::write_all_at(&file, b"\n", 0)?;
        } else if about.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn open(path: &Path, create: bool, mode: u32) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW;
    OpenOptions::new().write(true).create(create).mode(mode).custom_flags(flags).open(path)
}

fn spare(queue: &QueueDir, n: u32) -> PathBuf {
    queue.state().join(format!("tmp/.spare-{n}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_job_sees_nothing_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(dir.path()).unwrap();
        let (one, two) = (JobId::new("one").unwrap(), JobId::new("two").unwrap());
        let scratch = make_scratch(&queue, &one).unwrap();
        write_private(&scratch.join("prompt"), b"a long secret", 0o700).unwrap();
        std::fs::create_dir_all(scratch.join("a/b")).unwrap();
        std::fs::write(scratch.join("a/b/c"), "x").unwrap();
        std::os::unix::fs::symlink("/", scratch.join("link")).unwrap();
        std::fs::set_permissions(&scratch, Permissions::from_mode(0o777)).unwrap();
        let inode = scratch.metadata().unwrap().ino();
        put_scratch_away(&queue, &one, "prompt");
        assert!(!scratch.exists());

        let scratch = make_scratch(&queue, &two).unwrap();
        assert_eq!(scratch.metadata().unwrap().ino(), inode, "it is the same directory");
        assert_eq!(scratch.metadata().unwrap().mode() & 0o777, PRIVATE);
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 1);
        assert_eq!(std::fs::read(scratch.join("prompt")).unwrap(), b"\n");
        write_private(&scratch.join("prompt"), b"short", 0o600).unwrap();
        assert_eq!(std::fs::read(scratch.join("prompt")).unwrap(), b"short");
        assert_eq!(scratch.join("prompt").metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_in_its_place_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let id = JobId::new("job").unwrap();
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("file"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, queue.scratch(&id)).unwrap();
        put_scratch_away(&queue, &id, "prompt");
        assert!(outside.join("file").exists());
        assert!(queue.scratch(&id).symlink_metadata().is_err());
    }

    #[test]
    fn a_kept_file_with_a_second_name_is_not_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let id = JobId::new("job").unwrap();
        let scratch = make_scratch(&queue, &id).unwrap();
        write_private(&scratch.join("prompt"), b"text", 0o600).unwrap();
        std::fs::hard_link(scratch.join("prompt"), dir.path().join("other")).unwrap();
        put_scratch_away(&queue, &id, "prompt");
        let scratch = make_scratch(&queue, &id).unwrap();
        assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
    }
}
