//! What `setup` made is not the agent's: as long as the agent leaves it as it is, it is in no
//! commit.
//!
//! aq's index knows these files from the end of `setup` on. `setup` may have put secrets there, so
//! from then on what is added goes aside, and the user's repository gets what commits lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::checkout::JobCheckout;
use super::error::{HeadState, Result};
use super::files;
use super::left::LeftOut;
use super::own::{OwnPlace, OwnRepository};
use super::raw_changes::{PathChange, PathState, parse_raw};
use super::repository::CommitId;
use super::wip::{JobBranch, WorkIsolation};

/// Files of the control directory: what `setup` has made, and what of it is in no commit anyway.
const MADE: &str = "setup";
const LEFT: &str = "setup-left";
/// Where the contents of all files go that are added from then on.
const OBJECTS: &str = "setup-objects";
/// From so many new files on, the agent's git does not get a rule to pass over them.
const MOST_HIDDEN: usize = 1000;

impl JobBranch {
    /// Notes what is in the checkout at the end of `setup`. Only in a checkout of the job's own:
    /// what `setup` makes in the user's has to go when it is given back.
    ///
    /// # Errors
    /// When git fails; then all that `setup` made counts as the agent's.
    pub fn note_setup(&self) -> Result<()> {
        let Some(checkout) = self.checkout()? else { return Ok(()) };
        let (WorkIsolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) else {
            return Ok(());
        };
        let tip = place.given()?.unwrap_or_else(|| self.base().clone());
        checkout.clear_locks()?;
        let objects = place.control.join(OBJECTS);
        std::fs::create_dir_all(&objects).at("create", &objects)?;
        let aside = JobCheckout { objects: Some(objects), ..checkout.clone() };
        let index = place.index();
        let left = self.add_all(&aside, &index)?;
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        files::put(&place.control.join(LEFT), (left.join("\n") + "\n").as_bytes())?;
        let changes = self.changes_of_index(&aside, &index, &tip)?;
        hide(own, &changes)?;
        let lines: Vec<u8> = changes.iter().flat_map(|one| line(&one.now, &one.path)).collect();
        files::put(&place.control.join(MADE), &lines)
    }

    /// Takes out of an index what `setup` has made and nobody has changed since.
    pub(super) fn without_setup(
        &self,
        place: &OwnPlace,
        checkout: &JobCheckout,
        index: &Path,
        tip: &CommitId,
    ) -> Result<()> {
        let made = made(place)?;
        let changes = self.changes_of_index(checkout, index, tip)?;
        let undone = changes.iter().filter(|one| made.get(&one.path) == Some(&one.now));
        let lines: Vec<u8> = undone.flat_map(|one| line(&one.before, &one.path)).collect();
        self.change_index(checkout, index, &lines)
    }

    /// The checkout, with new objects aside where `setup` has made something.
    pub(super) fn aside(&self, checkout: &JobCheckout) -> JobCheckout {
        let objects = match &self.isolation {
            WorkIsolation::Own(place) if checkout.own.is_some() && has_setup(place) => {
                Some(place.control.join(OBJECTS))
            }
            _ => None,
        };
        JobCheckout { objects, ..checkout.clone() }
    }

    /// Makes a commit of a tree that may be aside.
    pub(super) fn commit_aside(
        &self,
        checkout: &JobCheckout,
        tree: &str,
        parents: &[CommitId],
        message: &str,
    ) -> Result<CommitId> {
        let call = || match &checkout.objects {
            Some(_) => checkout.call(self.repo.git(), "commit-tree"),
            None => self.repo.call("commit-tree"),
        };
        let commit = self.repo.commit_tree_by(call, tree, parents, message)?;
        if let Some(objects) = &checkout.objects {
            self.bring_into(self.repo.common_dir(), objects, &commit, parents)?;
        }
        Ok(commit)
    }

    fn changes_of_index(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        tip: &CommitId,
    ) -> Result<Vec<PathChange>> {
        let call = checkout.call(self.repo.git(), "diff-index").env("GIT_INDEX_FILE", index);
        let call = call.args(["--cached", "--raw", "-z", "--no-renames", "--no-abbrev"]);
        let output = call.args(["--ignore-submodules=all", tip.as_str(), "--"]).slow().run()?;
        Ok(parse_raw(&output.stdout))
    }
}

/// Whether `setup` has made something that is to stay out of commits.
pub(super) fn has_setup(place: &OwnPlace) -> bool {
    place.control.join(MADE).metadata().is_ok_and(|about| about.len() > 0)
}

/// What of all that is left out was there before the agent came.
pub(super) fn left_by_setup(place: &OwnPlace) -> Result<BTreeSet<String>> {
    let path = place.control.join(LEFT);
    let text = match std::fs::read_to_string(&path) {
        Err(e) if files::is_absent(&e) => String::new(),
        text => text.at("read", &path)?,
    };
    Ok(text.lines().map(str::to_owned).collect())
}

/// Those that the agent has left, not `setup`.
pub(super) fn of_the_agent(place: &OwnPlace, left: Vec<LeftOut>) -> Result<Vec<LeftOut>> {
    if left.is_empty() {
        return Ok(left);
    }
    let before = left_by_setup(place)?;
    Ok(left.into_iter().filter(|one| !before.contains(&one.to_string())).collect())
}

fn made(place: &OwnPlace) -> Result<BTreeMap<Vec<u8>, PathState>> {
    let path = place.control.join(MADE);
    let text = match std::fs::read(&path) {
        Err(e) if files::is_absent(&e) => return Ok(BTreeMap::new()),
        text => text.at("read", &path)?,
    };
    let entries = text.split(|&byte| byte == 0).filter_map(|line| {
        let at = line.iter().position(|&byte| byte == b'\t')?;
        let (mode, object) = str::from_utf8(&line[..at]).ok()?.split_once(' ')?;
        Some((line[at + 1..].to_vec(), (mode.to_owned(), object.to_owned())))
    });
    Ok(entries.collect())
}

/// A line of `update-index --index-info -z`; mode 0 is no entry.
fn line((mode, object): &PathState, path: &[u8]) -> Vec<u8> {
    [format!("{mode} {object}\t").as_bytes(), path, b"\0"].concat()
}

/// Makes the agent's git pass over new files of `setup`, as it does over what is ignored.
fn hide(own: &OwnRepository, changes: &[PathChange]) -> Result<()> {
    let new: Vec<&PathChange> = changes.iter().filter(|one| one.is_new()).collect();
    if new.is_empty() || new.len() > MOST_HIDDEN {
        return Ok(());
    }
    let file = own.dir().join("info/exclude");
    let mut text = files::read_bytes(&file).at("read", &file)?.unwrap_or_default();
    text.extend(b"\n# Made by `setup`:\n");
    text.extend(new.iter().flat_map(|one| pattern(&one.path)));
    files::put(&file, &text)
}

/// A rule of `info/exclude` for this path and no other.
fn pattern(path: &[u8]) -> Vec<u8> {
    if path.contains(&b'\n') {
        return Vec::new();
    }
    let mut rule = vec![b'/'];
    for &byte in path {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\' | b' ') {
            rule.push(b'\\');
        }
        rule.push(byte);
    }
    rule.push(b'\n');
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_is_for_one_path() {
        assert_eq!(pattern(b"a/[b] *"), b"/a/\\[b]\\ \\*\n");
        assert_eq!(pattern(b"a\nb"), b"");
    }
}
