//! Reading what became of a job whose worker has ended.

use aq_ledger::RecordKey;
use aq_manifest::JobId;
use jiff::Timestamp;

use super::EffectPerformer;
use crate::run::host_lack::{ENGINE, recorded_lack};
use crate::run::queue::reading::resting_state;
use crate::run::run_loop::context::PendingWork;
use crate::run::run_loop::loop_core::{LoopEvent, RunLack};
use crate::store::JobRecord;

impl EffectPerformer<'_> {
    pub(super) fn read_run(&self, id: JobId, out: &mut Vec<PendingWork>) {
        let queue = self.context.queue;
        let Some(stage) = queue.find(&id) else { return };
        let Ok(record) = JobRecord::read(queue, stage, id) else { return };
        // A damaged record was reported when the model took the job in.
        let Ok(row) = record.sound(queue) else { return };
        let state = resting_state(row, Timestamp::now());
        let lack = match record.meta.get(RecordKey::HostLacks) {
            Some(code) if code == ENGINE => Some(RunLack::Engine),
            _ => recorded_lack(&record.meta).map(RunLack::Host),
        };
        out.push(LoopEvent::RunRead { record: Box::new(record), state, lack }.into());
    }
}
