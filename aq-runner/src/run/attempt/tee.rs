//! The output of a command, on its way to the log and to the engine's reader.

use aq_ledger::steps::NoteSession;
use aq_ledger::{RecordKey, RecordUpdate};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::record::AttemptRecord;
use super::usage::AgentRun;
use crate::engine::RunPhase;
use crate::feedback::OutputTail;
use crate::process::{ControlGroup, ObserverVerdict, OutputObserver, OutputStream};
use crate::run::engines::phase::RunPatience;

/// Sends what a program prints to the log and to the engine's reader, and ends a run that is over.
pub(super) struct OutputTee<'a> {
    record: &'a mut AttemptRecord,
    run: Option<&'a mut AgentRun>,
    tail: OutputTail,
    patience: RunPatience,
    session_noted: bool,
    cgroup: &'a mut Option<ControlGroup>,
}

impl<'a> OutputTee<'a> {
    pub(super) fn new(
        record: &'a mut AttemptRecord,
        run: Option<&'a mut AgentRun>,
        patience: RunPatience,
        cgroup: &'a mut Option<ControlGroup>,
    ) -> Self {
        let (tail, session_noted) = (OutputTail::default(), false);
        Self { record, run, tail, patience, session_noted, cgroup }
    }

    /// The end of the output.
    pub(super) fn into_tail(self) -> OutputTail {
        self.tail
    }
}

impl OutputObserver for OutputTee<'_> {
    fn output(&mut self, stream: OutputStream, chunk: &[u8]) -> ObserverVerdict {
        self.record.log().raw(chunk);
        self.tail.push(chunk);
        let Some(run) = self.run.as_deref_mut() else { return ObserverVerdict::Continue };
        let Some(records) = &mut run.records else { return ObserverVerdict::Continue };
        match stream {
            OutputStream::Stdout => records.stdout(chunk),
            OutputStream::Stderr => records.stderr(chunk),
        }
        if let Some(session) = records.session_id().filter(|_| !self.session_noted) {
            // A full disk is no reason to end it.
            self.session_noted = true;
            let (engine, feedback) = (run.engine.as_str(), run.feedback.as_deref());
            self.record.try_make(&NoteSession { session, engine, feedback });
        }
        if records.is_ending() {
            // A final event is its answer to that, and does not make it an end in time.
            return ObserverVerdict::Continue;
        }
        let phase =
            records.phase(self.patience.longest_wait, Timestamp::now(), &TimeZone::system());
        let changed = std::mem::replace(&mut run.phase, phase) != phase;
        let flow = if changed { self.patience.flow(phase) } else { ObserverVerdict::Continue };
        // What it has used up to its last word counts afterwards.
        let is_final = changed && matches!(phase, RunPhase::Done { .. });
        if !is_final && run.is_over_budget() { ObserverVerdict::End } else { flow }
    }

    fn ending(&mut self) {
        if let Some(records) = self.run.as_deref_mut().and_then(|run| run.records.as_mut()) {
            records.ending();
        }
    }

    fn settled(&mut self) {
        if self.cgroup.is_some() {
            return;
        }
        *self.cgroup = ControlGroup::enter(self.record.id().as_str());
        if let Some(group) = self.cgroup {
            // Not on record, it is of no use; a full disk is no reason to end the job.
            let path = RecordUpdate::new().set(RecordKey::Cgroup, group.path().display());
            self.record.try_append(&path);
        }
    }
}
