//! What a person asks for.

use aq_fleet::protocol::FleetJobId;

use super::session::SqliteTransaction;
use crate::ledger::{FleetJob, LedgerRefusal, requeue};
use crate::store::{DatedAnswer, StoreError};

impl SqliteTransaction<'_> {
    /// Changes a job by a rule of the ledger.
    pub(crate) fn change(
        &self,
        id: FleetJobId,
        rule: impl Fn(&FleetJob) -> Result<FleetJob, LedgerRefusal>,
    ) -> Result<DatedAnswer<FleetJob>, StoreError> {
        let job = self.load(id)?;
        let next = rule(&job)?;
        self.save(&job, &next)?;
        Ok(DatedAnswer { now: self.now, value: next })
    }

    pub(crate) fn requeue(&self, id: FleetJobId) -> Result<DatedAnswer<FleetJob>, StoreError> {
        let mut kept = self
            .connection
            .prepare_cached("SELECT 1 FROM manifests WHERE job = ?1 AND manifest <> ''")?;
        let has_text = kept.exists([id.to_string()])?;
        self.change(id, |job| requeue(job, has_text))
    }
}
