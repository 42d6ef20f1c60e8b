//! The note of a rebase, beside the job's branch: all that is needed to finish it after a kill, and
//! the conflicts that it leaves to the next attempt.

use super::base::WorkBase;
use super::error::{CheckpointError, Result};
use super::repository::CommitId;
use super::wip::JobBranch;

/// A move of a job's branch to a new base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RebaseNote {
    /// False once all of it is done.
    pub(super) is_moving: bool,
    /// The branch before.
    pub(super) from: CommitId,
    /// The branch after.
    pub(super) to: CommitId,
    /// The base after.
    pub(super) ground: WorkBase,
    /// The commits that markers of conflicts name: the job's side, and the other one.
    pub(super) sides: [CommitId; 2],
    /// The files in conflict.
    pub(super) conflicts: Vec<String>,
}

/// The line before the ground.
const GROUND: &str = "ground";
/// The line after it.
const CONFLICTS: &str = "conflicts";

impl RebaseNote {
    fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.split_once(&format!("{GROUND}\n"))?;
        let (ground, conflicts) = rest.split_once(CONFLICTS)?;
        let mut lines = head.lines().map(|line| line.split_once(' '));
        let mut word = |name: &str| match lines.next()?? {
            (key, value) if key == name => Some(value),
            _ => None,
        };
        let is_moving = word("moving")? == "true";
        let mut commit = |name: &str| CommitId::parse(word(name)?);
        Some(Self {
            is_moving,
            from: commit("from")?,
            to: commit("to")?,
            sides: [commit("own")?, commit("other")?],
            ground: WorkBase::parse(ground)?,
            conflicts: conflicts.lines().skip(1).map(str::to_owned).collect(),
        })
    }

    fn text(&self) -> String {
        let Self { is_moving, from, to, ground, sides: [own, other], conflicts } = self;
        // A line break in a path is not worth a format of its own: people read them.
        let paths = conflicts.iter().map(|path| format!("\n{}", path.replace('\n', "?")));
        format!(
            "moving {is_moving}\nfrom {from}\nto {to}\nown {own}\nother {other}\n{GROUND}\n{}\n\
             {CONFLICTS}{}",
            ground.text(),
            paths.collect::<String>()
        )
    }
}

impl JobBranch {
    pub(super) fn rebase_note(&self) -> Result<Option<RebaseNote>> {
        let Some(bytes) = self.notes.rebase()? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        RebaseNote::parse(&text).map(Some).ok_or_else(|| CheckpointError::Nonsense {
            source_name: format!("the note of the rebase of {}", self.name),
            answer: text,
            expected: "lines of `moving`, `from`, `to` and so on",
        })
    }

    pub(super) fn note_rebase(&self, note: &RebaseNote) -> Result<()> {
        self.notes.set_rebase(&note.text())
    }
}

#[cfg(test)]
mod tests {
    use super::super::base::DepTip;
    use super::*;

    #[test]
    fn notes_are_read_as_written() {
        let commit = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
        let deps = vec![DepTip { job: "a".to_owned(), tip: commit("5") }];
        let ground = WorkBase { target: commit("6"), deps, base: commit("7") };
        let mut note = RebaseNote {
            is_moving: true,
            from: commit("1"),
            to: commit("2"),
            ground,
            sides: [commit("3"), commit("4")],
            conflicts: vec!["a b".to_owned(), "ü/conflicts".to_owned()],
        };
        assert_eq!(RebaseNote::parse(&note.text()), Some(note.clone()));
        let text = note.text();
        for end in 1..text.len() - 20 {
            assert!(RebaseNote::parse(&text[..end]).is_none_or(|cut| cut.to == note.to));
        }
        (note.is_moving, note.conflicts) = (false, Vec::new());
        assert_eq!(RebaseNote::parse(&note.text()), Some(note));
    }
}
