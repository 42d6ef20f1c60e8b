//! Work that is pushed for other hosts.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Notes the result of a push. The last push that went well stays on record.
#[derive(Clone, Copy, Debug)]
pub enum NotePush<'a> {
    /// It went well.
    Pushed {
        /// The branch there.
        branch: &'a str,
        /// The commit.
        commit: &'a str,
        /// The remote, as others may see it.
        remote: &'a str,
        /// The host and path of its address.
        repository: Option<&'a str>,
    },
    /// There was nothing to push.
    Unchanged,
    /// It failed.
    Failed {
        /// The reason, for people.
        why: &'a str,
    },
}

impl JobStep for NotePush<'_> {
    const NAME: StepName = StepName::NotePush;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let error = &[RecordKey::PushError];
        Ok(StepWrites::note(match *self {
            Self::Pushed { branch, commit, remote, repository } => RecordUpdate::new()
                .set(RecordKey::PushedBranch, branch)
                .set(RecordKey::PushedCommit, commit)
                .set(RecordKey::PushedTo, remote)
                .set_some(RecordKey::PushedRepository, repository)
                .clear(error),
            Self::Unchanged => RecordUpdate::new().clear(error),
            Self::Failed { why } => RecordUpdate::new().set(RecordKey::PushError, why),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn good_pushes_forget_errors() {
        let repository = Some("git.example/app");
        let pushed = NotePush::Pushed { branch: "b", commit: "c", remote: "origin", repository };
        let text = "pushed_branch=b\npushed_commit=c\npushed_to=origin\n\
                    pushed_repository=git.example/app\npush_error=\n";
        let note = |note, before| written(&note, Stage::Building, before);
        assert_eq!(note(pushed, "push_error=x\n"), Ok((None, text.to_owned())));
        assert_eq!(note(NotePush::Unchanged, ""), Ok((None, String::new())));
        let cleared = "push_error=\n".to_owned();
        assert_eq!(note(NotePush::Unchanged, "push_error=x\n"), Ok((None, cleared)));
        let failed = NotePush::Failed { why: "y" };
        assert_eq!(note(failed, text), Ok((None, "push_error=y\n".to_owned())));
        assert_eq!(stages_of(&pushed), [Stage::Building, Stage::Review]);
    }
}
