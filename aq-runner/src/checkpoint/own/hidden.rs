//! Files that the agent's git passes over by the agent's own rules: flags in its index, sparse
//! rules, and what it excludes. A checkpoint goes by none of them, and reports them.
//!
//! Files that sparse rules have taken out of the checkout are not deleted: the agent's git says
//! that they are unchanged. So they are put back before a checkpoint looks at what is there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::checkout::JobCheckout;
use super::super::error::Result;
use super::super::files;
use super::super::nested::shown;
use super::super::wip::{JobBranch, WorkIsolation};
use super::{OwnPlace, OwnRepository};

const SPARSE: &str = "info/sparse-checkout";

/// So many hidden files are named.
const NAMED: usize = 5;

/// The mark of a file that is not to be in the checkout; in lower case it is one as unchanged, too.
const SKIPPED: u8 = b'S';

/// The digits at the end of an index, which follow from all of it.
const CHECKSUM: i64 = 20;

impl JobBranch {
    /// Puts back what is gone and marked as skipped in the agent's index. Answers where the agent's
    /// rules for hiding are other ones than the user's, for people.
    pub(in super::super) fn restore_hidden(&self, checkout: &JobCheckout) -> Result<Vec<String>> {
        let (WorkIsolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) else {
            return Ok(Vec::new());
        };
        let mut rules = Vec::new();
        for name in ["info/exclude", "info/attributes"] {
            if !is_same(&own.dir().join(name), &self.repo.common_dir().join(name)) {
                rules.push(format!("its .git/{name} is not yours"));
            }
        }
        if !is_same(&own.dir().join(SPARSE), &place.control.join(SPARSE)) {
            rules.push(format!("its .git/{SPARSE} is not yours"));
        }
        rules.extend(self.restore_flagged(checkout, place, own)?);
        Ok(rules)
    }

    fn restore_flagged(
        &self,
        checkout: &JobCheckout,
        place: &OwnPlace,
        own: &OwnRepository,
    ) -> Result<Option<String>> {
        let index = own.dir().join("index");
        // Git would wait for a pipe in its place.
        if files::open(&index).is_err() {
            return Ok(None);
        }
        if checksum(&index).is_some_and(|sum| Some(sum) == checksum(&place.index())) {
            return Ok(None);
        }
        let flagged = self.flagged(checkout, &index)?;
        if flagged.is_empty() {
            return Ok(None);
        }
        let known = self.flagged(checkout, &place.index())?;
        let new: Vec<&FlaggedFile> = flagged.difference(&known).collect();
        let is_gone = |path: &OsStr| {
            let path = checkout.root.join(path);
            path.symlink_metadata().is_err_and(|e| files::is_absent(&e))
        };
        // A mark as unchanged takes nothing out of a checkout: such a file was deleted.
        let skipped = new.iter().filter(|one| one.tag.eq_ignore_ascii_case(&SKIPPED));
        let skipped = skipped.map(|one| OsStr::from_bytes(&one.path));
        let gone: Vec<&[u8]> = skipped.filter(|path| is_gone(path)).map(OsStr::as_bytes).collect();
        if !gone.is_empty() {
            let call = checkout.call(self.repo.git(), "checkout-index");
            let call = call.args(["-q", "-u", "-z", "--stdin"]);
            // Some may not be in aq's index; the others are back all the same.
            call.text(&gone.join(&0))?.slow().output()?;
        }
        Ok(names(&new))
    }

    /// The files that an index marks as skipped or as unchanged. One that cannot be read hides
    /// nothing.
    fn flagged(&self, checkout: &JobCheckout, index: &Path) -> Result<BTreeSet<FlaggedFile>> {
        let list = checkout.call(self.repo.git(), "ls-files").args(["-v", "-z"]);
        let list = list.env("GIT_INDEX_FILE", index).slow().output()?.stdout;
        let flagged = list.split(|&byte| byte == 0).filter_map(|line| {
            let (&[tag, b' '], path) = line.split_first_chunk::<2>()? else { return None };
            let is_flagged = tag.is_ascii_lowercase() || tag == SKIPPED;
            is_flagged.then(|| FlaggedFile { path: path.to_vec(), tag })
        });
        Ok(flagged.collect())
    }
}

/// A file and its mark, as `git ls-files -v` prints it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FlaggedFile {
    path: Vec<u8>,
    tag: u8,
}

fn names(flagged: &[&FlaggedFile]) -> Option<String> {
    let named = flagged.iter().take(NAMED).map(|one| shown(OsStr::from_bytes(&one.path)));
    let named: Vec<String> = named.collect();
    let more = flagged.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty())
        .then(|| format!("its index marks {}{more} as unchanged or skipped", named.join(", ")))
}

/// Two small files with the same text, or both not there.
fn is_same(one: &Path, other: &Path) -> bool {
    let text = |path: &Path| files::read_bytes(path).ok().flatten().unwrap_or_default();
    text(one) == text(other)
}

fn checksum(index: &Path) -> Option<Vec<u8>> {
    let mut file = files::open(index).ok()?;
    file.seek(SeekFrom::End(-CHECKSUM)).ok()?;
    let mut sum = Vec::new();
    file.read_to_end(&mut sum).ok()?;
    // Git has a setting to leave it out.
    sum.iter().any(|&byte| byte != 0).then_some(sum)
}
