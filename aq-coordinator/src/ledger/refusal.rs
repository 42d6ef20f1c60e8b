//! Refusals of a call.

use aq_fleet::protocol::{Epoch, FactoryId};
use aq_manifest::Stage;

use super::{End, Hold, Job};

/// 409 `…/fenced`: the caller no longer owns the job and must stop it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fenced {
    /// The job's epoch now.
    pub current: Epoch,
    /// The host that holds it, when one does.
    pub holder: Option<FactoryId>,
}

impl Fenced {
    pub(crate) fn by(job: &Job) -> Self {
        Self { current: job.epoch, holder: job.holder().cloned() }
    }
}

/// A call that changes nothing because of where the job is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The caller no longer owns the job.
    #[error(
        "the job is not the caller's under this epoch: it is at epoch {}; stop working on it",
        .0.current
    )]
    Fenced(Fenced),
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

impl Job {
    /// Tests for the caller's own latest grant, which nobody has taken away.
    pub(crate) fn is_tenant(&self, factory: &FactoryId, epoch: Epoch) -> bool {
        self.epoch == epoch
            && self.tenure.as_ref().is_some_and(|tenure| {
                tenure.factory == *factory && tenure.hold != Hold::Ended(End::Lost)
            })
    }

    /// The check that every write of a holder passes first.
    pub(crate) fn fence(&self, factory: &FactoryId, epoch: Epoch) -> Result<(), Fenced> {
        if self.is_tenant(factory, epoch) && self.held_by().is_some() {
            Ok(())
        } else {
            Err(Fenced::by(self))
        }
    }
}

impl From<Fenced> for Refusal {
    fn from(fenced: Fenced) -> Self {
        Self::Fenced(fenced)
    }
}
