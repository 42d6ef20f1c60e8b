//! Checkouts that are ready for an attempt.

use std::path::Path;

use aq_manifest::{Isolation, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Notes the job's branch, and forgets what was said of the checkout before.
#[derive(Clone, Copy, Debug)]
pub struct NoteCheckout<'a> {
    /// The job's branch.
    pub branch: &'a str,
    /// The commit that the job's own work is on top of.
    pub base: &'a str,
    /// The commit of the target that is in it.
    pub target: &'a str,
    /// The work of other jobs that is in it, each as `<job>@<commit>`.
    pub deps: &'a [String],
    /// The isolation of the job.
    pub isolation: Isolation,
    /// The directory of its own checkout, where that is one of this version.
    pub checkout: Option<&'a Path>,
    /// It was made just now, and `setup` has not seen it.
    pub is_fresh: bool,
}

/// Keys about the work of the attempt that is being made.
const WORK_KEYS: &[RecordKey] =
    &[RecordKey::ScopeWarning, RecordKey::LeftOut, RecordKey::LeftOutWhy];

impl JobStep for NoteCheckout<'_> {
    const NAME: StepName = StepName::NoteCheckout;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::WipBranch, self.branch)
            .set(RecordKey::WipBase, self.base)
            .set(RecordKey::WipTarget, self.target)
            .set_list(RecordKey::WipDeps, self.deps)
            .set(RecordKey::Isolation, self.isolation.as_str())
            .set_some(RecordKey::Checkout, self.checkout.map(Path::display))
            .clear(&[RecordKey::CheckpointError]);
        let update = if self.is_fresh { update.clear(&[RecordKey::SetupDone]) } else { update };
        Ok(StepWrites::note(match row.stage {
            Stage::Building => update.clear(WORK_KEYS),
            // Only `verify` is still to come: these are of the attempt that it judges.
            _ => update,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn verify_keeps_the_warnings() {
        let note = NoteCheckout {
            branch: "aq/wip/a",
            base: "c",
            target: "t",
            deps: &["schema@d".to_owned()],
            isolation: Isolation::Worktree,
            checkout: Some(Path::new("/w")),
            is_fresh: true,
        };
        let before = "checkpoint_error=x\nsetup_done=1\nscope_warning=y\nleft_out=z\n";
        let text = "wip_branch=aq/wip/a\nwip_base=c\nwip_target=t\nwip_deps=schema@d\n\
                    isolation=worktree\ncheckout=/w\ncheckpoint_error=\nsetup_done=\n";
        assert_eq!(written(&note, Stage::Review, before), Ok((None, text.to_owned())));
        let building = format!("{text}scope_warning=\nleft_out=\n");
        assert_eq!(written(&note, Stage::Building, before), Ok((None, building)));
        let isolation = Isolation::InPlace;
        let seen = NoteCheckout { deps: &[], isolation, checkout: None, is_fresh: false, ..note };
        let text = "wip_branch=aq/wip/a\nwip_base=c\nwip_target=t\nwip_deps=\n\
                    isolation=in-place\ncheckpoint_error=\n";
        let before = format!("wip_deps=schema@d\n{before}");
        assert_eq!(written(&seen, Stage::Review, &before), Ok((None, text.to_owned())));
        assert_eq!(stages_of(&note), [Stage::Building, Stage::Review]);
    }
}
