//! Changes of paths as `git diff-tree --raw -z` and `git diff-index --raw -z` print them.

/// Mode and object of a path; mode `000000` for none.
pub(super) type PathState = (String, String);

/// A changed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathChange {
    pub(super) path: Vec<u8>,
    pub(super) before: PathState,
    pub(super) now: PathState,
}

impl PathChange {
    /// Tests for a path that was not there before.
    pub(super) fn is_new(&self) -> bool {
        self.before.0 == NO_MODE
    }

    /// Tests for a path that is there no more.
    pub(super) fn is_gone(&self) -> bool {
        self.now.0 == NO_MODE
    }

    /// Tests for a repository inside, whose files are nobody's business here.
    pub(super) fn is_gitlink(&self) -> bool {
        [&self.before.0, &self.now.0].iter().all(|mode| *mode == GITLINK || *mode == NO_MODE)
    }
}

const NO_MODE: &str = "000000";
const GITLINK: &str = "160000";

/// Reads the output of such a command, with full names of objects and without renames.
pub(super) fn parse_raw(output: &[u8]) -> Vec<PathChange> {
    let mut fields = output.split(|&byte| byte == 0);
    let mut changes = Vec::new();
    while let (Some(states), Some(path)) = (fields.next(), fields.next()) {
        // `:100644 100755 1234... 5678... M`
        let states = String::from_utf8_lossy(states);
        let mut words = states.trim_start_matches(':').split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (before, now, old, new) = (word(), word(), word(), word());
        changes.push(PathChange { path: path.to_vec(), before: (before, old), now: (now, new) });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_lines_are_read() {
        let output = b":000000 100644 0000 1111 A\0a b\0:160000 160000 2222 3333 M\0lib\0";
        let changes = parse_raw(output);
        assert_eq!(changes.len(), 2);
        assert!(changes[0].is_new() && !changes[0].is_gone() && !changes[0].is_gitlink());
        assert_eq!((changes[0].path.as_slice(), changes[0].now.1.as_str()), (&b"a b"[..], "1111"));
        assert!(changes[1].is_gitlink() && !changes[1].is_new());
    }
}
