//! Repositories inside a checkout: submodules, and clones that an agent made. A commit of the outer one
//! says which commit is checked out there, and nothing of what is not committed in them.

use std::io::Read;

use super::checkout::Checkout;
use super::error::{At, Result, list};
use super::files;
use super::wip::Wip;

/// The kind of a repository inside, as an index has it: `160000` in octal digits.
const GITLINK: [u8; 4] = 0o160_000_u32.to_be_bytes();
/// How much of an index is read at a time, in bytes.
const PIECE: usize = 64 << 10;

impl Wip {
    /// What is not committed in the repositories inside, in words. All that is new is in the checkout's
    /// temporary index by now. Where `ignore` of a submodule is configured, that is followed.
    ///
    /// Git is asked only where there may be one.
    pub(super) fn left_inside(&self, checkout: &Checkout) -> Result<Option<String>> {
        if !may_have_inner(checkout)? {
            return Ok(None);
        }
        let call = checkout.call(self.repo.git(), "status");
        let call = call.env("GIT_INDEX_FILE", checkout.temporary_index()).read_only();
        // Without files that it does not know, git would not look for those of the inner ones either.
        let call = call.args(["--porcelain=v2", "-z", "--no-renames", "--untracked-files=normal"]);
        let output = call.args(checkout.pathspec()).slow().output()?;
        if output.code() != Some(0) {
            return Ok(Some(output.failure().to_string()));
        }
        let paths: Vec<String> = output.fields().filter_map(|line| changed_inside(&line)).collect();
        let words = "repositories inside have changes that are not committed in them: ";
        Ok((!paths.is_empty()).then(|| format!("{words}{}", list(&paths))))
    }
}

/// The path of a line of the status, if it is that of a repository with changes, or with files that it does
/// not know: `1 .M S.MU ` and five more words before it.
fn changed_inside(line: &str) -> Option<String> {
    let mut words = line.splitn(9, ' ');
    let (kind, state, path) = (words.next()?, words.nth(1)?, words.nth(5)?);
    let changed = state.starts_with('S') && state.contains(['M', 'U']);
    (kind == "1" && changed).then(|| path.to_owned())
}

/// Whether a repository may be inside. The same four bytes in the index can be something else, too, which
/// costs a run of git.
fn may_have_inner(checkout: &Checkout) -> Result<bool> {
    // Also where git keeps the index in two files.
    if checkout.root.join(".gitmodules").symlink_metadata().is_ok() {
        return Ok(true);
    }
    let path = checkout.temporary_index();
    has_gitlink(files::open(&path).at("open", &path)?).at("read", &path)
}

fn has_gitlink(mut index: impl Read) -> std::io::Result<bool> {
    let mut buffer = vec![0; PIECE];
    // The last bytes of the piece before come first.
    let mut filled = 0;
    loop {
        match index.read(&mut buffer[filled..])? {
            0 => return Ok(false),
            more => filled += more,
        }
        if buffer[..filled].windows(GITLINK.len()).any(|bytes| bytes == GITLINK) {
            return Ok(true);
        }
        let kept = filled.min(GITLINK.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
        filled = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gitlink_is_seen_wherever_a_piece_ends() {
        for before in PIECE - 5..PIECE + 2 {
            let mut index = vec![0x11; before];
            assert!(!has_gitlink(&index[..]).unwrap());
            index.extend(GITLINK);
            assert!(has_gitlink(&index[..]).unwrap(), "{before}");
            // However little comes at a time.
            let (one, other) = index.split_at(before + 2);
            assert!(has_gitlink(one.chain(other)).unwrap(), "{before}");
        }
    }

    #[test]
    fn only_what_is_not_committed_inside_is_named() {
        let line = |state: &str| format!("1 .M {state} 160000 160000 160000 0 0 a b");
        for (state, changed) in
            [("SC..", false), ("S.M.", true), ("S..U", true), ("SCMU", true), ("N...", false)]
        {
            assert_eq!(changed_inside(&line(state)).is_some(), changed, "{state}");
        }
        assert_eq!(changed_inside(&line("S.M.")).as_deref(), Some("a b"));
        assert_eq!(changed_inside("? x"), None);
    }
}
