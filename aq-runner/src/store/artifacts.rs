//! The files that were kept of a job, to look at.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use aq_manifest::JobId;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::error::{Result, StoreIo};
use super::queue_dir::QueueDir;

/// One kept file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptArtifact {
    /// Below the job's folder of artifacts. What is no UTF-8 in a name is left out of the list.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The kept files of a job, sorted by path, and whether there are more than `most`. Links are not
/// among them.
///
/// # Errors
/// When a folder cannot be read.
pub fn artifacts(queue: &QueueDir, id: &JobId, most: usize) -> Result<(Vec<KeptArtifact>, bool)> {
    let root = queue.artifacts(id);
    let mut found = Vec::new();
    let mut open = VecDeque::from([PathBuf::new()]);
    while let Some(dir) = open.pop_front() {
        let full = root.join(&dir);
        let entries = match std::fs::read_dir(&full) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.at("list", &full)?,
        };
        for entry in entries {
            let entry = entry.at("list", &full)?;
            let path = dir.join(entry.file_name());
            // Of the entry itself, not of what a link leads to.
            let about = entry.metadata().at("look at", &full)?;
            if about.is_dir() {
                open.push_back(path);
            } else if let (true, Some(path)) = (about.is_file(), path.to_str()) {
                if found.len() == most {
                    found.sort();
                    return Ok((found, true));
                }
                found.push(KeptArtifact { path: path.to_owned(), bytes: about.len() });
            }
        }
    }
    found.sort();
    Ok((found, false))
}

/// Opens a kept file. No step of the path may be a link or lead upwards, whatever somebody changes
/// meanwhile: each folder is opened from the one before it. `None`: there is no such file.
///
/// # Errors
/// When it is there and cannot be opened.
pub fn open_artifact(queue: &QueueDir, id: &JobId, path: &str) -> Result<Option<(File, u64)>> {
    let root = queue.artifacts(id);
    let Some(names) = names(Path::new(path)) else { return Ok(None) };
    let Some((file, dirs)) = names.split_last() else { return Ok(None) };
    let opened = (|| -> rustix::io::Result<OwnedFd> {
        let dir = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at = openat(CWD, &root, dir, Mode::empty())?;
        for name in dirs {
            at = openat(at.as_fd(), *name, dir, Mode::empty())?;
        }
        // A pipe in the place of the file must not block.
        let plain = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(at.as_fd(), *file, plain, Mode::empty())
    })();
    let full = root.join(path);
    let file = match opened {
        Ok(file) => File::from(file),
        // Names with NUL bytes, and longer ones than there can be, are among those that are not
        // there.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NAMETOOLONG) => {
            return Ok(None);
        }
        Err(e) => return Err(io::Error::from(e)).at("open", &full),
    };
    let about = file.metadata().at("look at", &full)?;
    Ok(about.is_file().then_some((file, about.len())))
}

/// The names of a path that only goes downwards.
fn names(path: &Path) -> Option<Vec<&std::ffi::OsStr>> {
    let name = |part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    };
    path.components().map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn files_are_listed_and_opened_and_nothing_outside() {
        let (queue, job) = (TestQueue::new(), id("a"));
        assert_eq!(artifacts(&queue, &job, 9).unwrap(), (Vec::new(), false));
        let root = queue.artifacts(&job);
        std::fs::create_dir_all(root.join("sub/deep")).unwrap();
        std::fs::write(root.join("sub/deep/b.txt"), "inside").unwrap();
        std::fs::write(root.join("a <b>.txt"), "").unwrap();
        std::fs::write(queue.root().join("secret"), "outside").unwrap();
        symlink(queue.root(), root.join("out")).unwrap();
        symlink(queue.root().join("secret"), root.join("link")).unwrap();
        let (found, more) = artifacts(&queue, &job, 9).unwrap();
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!((&paths[..], more), (&["a <b>.txt", "sub/deep/b.txt"][..], false));
        assert!(artifacts(&queue, &job, 1).unwrap().1);

        let (mut file, bytes) = open_artifact(&queue, &job, "sub/deep/b.txt").unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), bytes), ("inside", 6));
        let secret = queue.root().join("secret");
        for outside in
            ["../../secret", "sub/../../../secret", "out/secret", "link", "sub", "", "no", "."]
        {
            assert!(open_artifact(&queue, &job, outside).unwrap().is_none(), "{outside}");
        }
        assert!(open_artifact(&queue, &job, secret.to_str().unwrap()).unwrap().is_none());
    }
}
