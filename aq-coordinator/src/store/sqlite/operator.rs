//! What a person asks for.

use aq_fleet::protocol::FleetJobId;

use super::session::Session;
use crate::ledger::{Job, Refusal};
use crate::store::{Dated, StoreError};

impl Session<'_> {
    /// Changes a job by a rule of the ledger.
    pub(crate) fn change(
        &self,
        id: FleetJobId,
        rule: fn(&Job) -> Result<Job, Refusal>,
    ) -> Result<Dated<Job>, StoreError> {
        let job = self.load(id)?;
        let next = rule(&job)?;
        self.save(&job, &next)?;
        Ok(Dated { now: self.now, value: next })
    }
}
