//! The entries of a tree that cannot be removed, each with its path and the reason.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

/// Paths that are named; the others are counted.
const NAMED: usize = 3;

/// The longest path that is written out, in characters: trees can be deeper than anybody reads.
const LONGEST: usize = 300;

/// Error of a removal: the entries that stay.
#[derive(Debug, Default)]
pub(crate) struct RemovalError {
    named: Vec<(PathBuf, String)>,
    others: usize,
    first: Option<Errno>,
}

impl RemovalError {
    /// Adds an entry that the system refused to remove. Its path and the reason are asked for only
    /// when it is named.
    pub(super) fn add(&mut self, error: Errno, words: impl FnOnce() -> (PathBuf, String)) {
        self.first.get_or_insert(error);
        if self.named.len() < NAMED {
            self.named.push(words());
        } else {
            self.others += 1;
        }
    }

    /// Answers whether something is left.
    pub(super) fn into_result(self) -> io::Result<()> {
        match self.first {
            None => Ok(()),
            Some(first) => Err(io::Error::new(io::Error::from(first).kind(), self)),
        }
    }
}

impl fmt::Display for RemovalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (path, why)) in self.named.iter().enumerate() {
            let path = path.to_string_lossy();
            let shown: String = path.chars().take(LONGEST).collect();
            let cut = if shown.len() < path.len() { "..." } else { "" };
            write!(f, "{}{shown}{cut}: {why}", if n == 0 { "" } else { "; " })?;
        }
        match self.others {
            0 => Ok(()),
            others => write!(f, "; and {others} more"),
        }
    }
}

impl std::error::Error for RemovalError {}

/// The reason for a refusal, as far as the entry and its directory show one.
pub(super) fn reason(dir: impl AsFd, name: &CStr, user: u32, error: Errno) -> String {
    let dir = dir.as_fd();
    match error {
        Errno::BUSY => "is a mount point, or in use".to_owned(),
        Errno::PERM | Errno::ACCESS => {
            if is_protected(dir, name) || is_protected(dir, c".") {
                return "is immutable or append-only (`lsattr` shows it, `chattr -i -a` ends it)"
                    .to_owned();
            }
            let owner = |name: &CStr| {
                let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                Some(found.st_uid).filter(|&owner| owner != user)
            };
            match owner(name).or_else(|| owner(c".")) {
                Some(owner) => format!("belongs to another user ({owner})"),
                None => io::Error::from(error).to_string(),
            }
        }
        _ => io::Error::from(error).to_string(),
    }
}

#[cfg(target_os = "linux")]
fn is_protected(dir: impl AsFd, name: &CStr) -> bool {
    use rustix::fs::{StatxAttributes, StatxFlags, statx};
    let wanted = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
    statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.intersects(wanted))
}

#[cfg(not(target_os = "linux"))]
fn is_protected(_dir: impl AsFd, _name: &CStr) -> bool {
    false
}
