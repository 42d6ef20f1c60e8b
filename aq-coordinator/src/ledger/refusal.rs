//! Refusals of a call.

use aq_fleet::protocol::{Epoch, FactoryId};
use aq_manifest::Stage;

use super::{FleetJob, LeaseEnd, LeaseStatus};

/// 409 `…/fenced`: the caller no longer owns the job and must stop it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FencedCall {
    /// The job's epoch now.
    pub current: Epoch,
    /// The host that holds it, when one does.
    pub holder: Option<FactoryId>,
}

impl FencedCall {
    pub(crate) fn by(job: &FleetJob) -> Self {
        Self { current: job.epoch, holder: job.holder().cloned() }
    }
}

/// A call that changes nothing because of where the job is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LedgerRefusal {
    /// The caller no longer owns the job.
    #[error(
        "the job is not the caller's under this epoch: it is at epoch {}; stop working on it",
        .0.current
    )]
    Fenced(FencedCall),
    /// An operator's wish that does not fit where the job is.
    #[error("the job is in {stage}: {wish}")]
    WrongStage {
        /// Where it is.
        stage: Stage,
        /// The possible wish.
        wish: &'static str,
    },
    /// A report of a stage that a grant cannot bring a job to.
    #[error("a report cannot bring a job from {from} to {to}: {mend}")]
    NotReportable {
        /// Where it is.
        from: Stage,
        /// Where the report says it is.
        to: Stage,
        /// The value to send instead.
        mend: &'static str,
    },
}

impl FleetJob {
    /// Tests for the caller's own latest grant, which nobody has taken away.
    pub(crate) fn is_tenant(&self, factory: &FactoryId, epoch: Epoch) -> bool {
        self.epoch == epoch
            && self.tenure.as_ref().is_some_and(|tenure| {
                tenure.factory == *factory && tenure.hold != LeaseStatus::Ended(LeaseEnd::Lost)
            })
    }

    /// The check that every write of a holder passes first.
    pub(crate) fn fence(&self, factory: &FactoryId, epoch: Epoch) -> Result<(), FencedCall> {
        if self.is_tenant(factory, epoch) && self.held_by().is_some() {
            Ok(())
        } else {
            Err(FencedCall::by(self))
        }
    }
}

impl From<FencedCall> for LedgerRefusal {
    fn from(fenced: FencedCall) -> Self {
        Self::Fenced(fenced)
    }
}
