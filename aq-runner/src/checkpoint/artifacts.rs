//! Files that are kept when a job ends well.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use aq_manifest::ScopeSet;

use super::checkout::remove;
use super::error::{CheckpointError, HeadState, Result};

const MAX_FILES: u64 = 10_000;
const MAX_BYTES: u64 = 4 << 30;
const MAX_VISITED: u64 = 2_000_000;

/// What was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectedFiles {
    /// How many files.
    pub files: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
}

/// Copies the files below `from` that a glob matches to the same places below `to`, which is
/// emptied first. Globs are relative to `from`. Links are neither followed nor copied, and
/// repositories (`.git`) and the folder that holds `to` are left out.
///
/// # Errors
/// When a glob is malformed, a file cannot be copied, or there are more than 10,000 files or 4 GiB.
pub fn collect(globs: &[String], from: &Path, to: &Path) -> Result<CollectedFiles> {
    remove(to)?;
    let mut walk = ArtifactWalk {
        scope: ScopeSet::new(globs)?,
        from,
        to,
        visited: 0,
        done: CollectedFiles::default(),
    };
    let mut starts: Vec<PathBuf> = globs.iter().map(|glob| literal_part(glob)).collect();
    starts.sort();
    // A part inside another one would be walked twice.
    starts.dedup_by(|later, earlier| later.starts_with(earlier));
    for start in starts {
        if !walk.leads_through_link(&start)? {
            walk.visit(&start)?;
        }
    }
    Ok(walk.done)
}

struct ArtifactWalk<'a> {
    scope: ScopeSet,
    from: &'a Path,
    to: &'a Path,
    visited: u64,
    done: CollectedFiles,
}

impl ArtifactWalk<'_> {
    fn visit(&mut self, start: &Path) -> Result<()> {
        let mut open = vec![start.to_owned()];
        while let Some(path) = open.pop() {
            self.visited += 1;
            if self.visited > MAX_VISITED {
                return Err(CheckpointError::TooManyArtifacts("2,000,000 files to look at"));
            }
            let full = self.from.join(&path);
            let Some(data) = look_at(&full)? else { continue };
            if self.is_foreign(&path) {
                continue;
            }
            if data.is_dir() {
                for entry in std::fs::read_dir(&full).at("list", &full)? {
                    open.push(path.join(entry.at("list", &full)?.file_name()));
                }
            } else if data.is_file() && self.scope.matches(&path.to_string_lossy()) {
                self.copy(&path, &full)?;
            }
        }
        Ok(())
    }

    fn is_foreign(&self, path: &Path) -> bool {
        let queue = !path.as_os_str().is_empty() && self.to.starts_with(self.from.join(path));
        queue || path.file_name().is_some_and(|name| name == ".git")
    }

    /// Whether a directory on the way is a link, or is not there.
    fn leads_through_link(&self, path: &Path) -> Result<bool> {
        let mut at = self.from.to_owned();
        for part in path.components() {
            at.push(part);
            match look_at(&at)? {
                Some(data) if !data.is_symlink() => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn copy(&mut self, path: &Path, full: &Path) -> Result<()> {
        // A pipe in the place of the file must not block, a link must not lead elsewhere.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut source =
            OpenOptions::new().read(true).custom_flags(flags).open(full).at("open", full)?;
        let data = source.metadata().at("look at", full)?;
        self.done.files += 1;
        self.done.bytes += data.len();
        if self.done.files > MAX_FILES {
            return Err(CheckpointError::TooManyArtifacts("10,000 files"));
        }
        if self.done.bytes > MAX_BYTES {
            return Err(CheckpointError::TooManyArtifacts("4 GiB"));
        }
        let target = self.to.join(path);
        if let Some(dir) = target.parent() {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let mut copy = File::create_new(&target).at("create", &target)?;
        io::copy(&mut io::Read::take(&mut source, data.len()), &mut copy).at("copy", full)?;
        copy.set_permissions(data.permissions()).at("set the mode of", &target)
    }
}

fn look_at(path: &Path) -> Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(data) => Ok(Some(data)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(e).at("look at", path),
    }
}

/// The leading parts of a glob in which every character stands for itself.
fn literal_part(glob: &str) -> PathBuf {
    Path::new(glob)
        .components()
        .filter(|part| *part != Component::CurDir)
        .take_while(|part| {
            part.as_os_str().to_str().is_some_and(|part| !part.contains(['*', '?', '[', '{', '\\']))
        })
        .collect()
}
