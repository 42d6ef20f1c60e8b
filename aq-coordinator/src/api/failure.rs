//! The errors of a store, for a client.

use aq_fleet::protocol::ProblemKind;

use super::refusal::ApiRefusal;
use crate::ledger;
use crate::store::StoreError;

impl From<StoreError> for ApiRefusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchJob(_) | StoreError::NoSuchFactory(_) => {
                Self::new(ProblemKind::NotFound, error.to_string())
            }
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::TooNew { .. } | StoreError::TooOld { .. } => {
                Self::unavailable(error.to_string())
            }
            StoreError::Settles => Self::unavailable(error.to_string()),
            StoreError::DiskFull => Self::unavailable("the coordinator's disk is full"),
            StoreError::Gone { what } => {
                Self::unavailable(format!("the coordinator's database was replaced: {what}"))
            }
            // What a database says of itself stays in the log: it may name hosts and users.
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "no answer from the database");
                Self::unavailable("the database cannot be reached; try it again")
            }
            StoreError::Broken(_) => {
                tracing::error!(%error, "the database cannot be used");
                Self::new(ProblemKind::Internal, "the database cannot be used; see the log")
            }
        }
    }
}

impl From<ledger::LedgerRefusal> for ApiRefusal {
    fn from(refusal: ledger::LedgerRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ledger::LedgerRefusal::Fenced(fenced) => {
                let mut refusal = Self::new(ProblemKind::Fenced, detail);
                refusal.problem.current_epoch = Some(fenced.current);
                refusal.problem.holder = fenced.holder;
                refusal
            }
            ledger::LedgerRefusal::WrongStage { stage, .. } => {
                let mut refusal = Self::new(ProblemKind::WrongStage, detail);
                refusal.problem.stage = Some(stage);
                refusal
            }
            ledger::LedgerRefusal::NotReportable { .. } => Self::invalid("stage", detail),
        }
    }
}
