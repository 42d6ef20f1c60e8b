//! The feedback that an attempt gets, and the one that it leaves for the next. The order of the steps
//! is in `store/feedback_file.rs`.

use std::path::Path;

use aq_ledger::RecordKey;
use aq_manifest::{FeedbackMode, JobSpec};

use crate::feedback::{FailureReport, OutputSource, OutputTail, Secrets, failure_text};
use crate::process::Status;
use crate::store::FeedbackFile;

use super::super::feedback::{AttemptFeedback, attempt_feedback, random_word};
use super::{Failure, Work};

/// The end of one command.
#[derive(Debug, Default)]
pub(super) struct LastCommand {
    source: OutputSource,
    output: OutputTail,
    /// Its exit code, or its signal.
    exit: Option<String>,
    /// Its session is not known to its engine, which is no failure of the attempt.
    pub(super) lacked_session: bool,
}

impl LastCommand {
    pub(super) fn new(source: OutputSource, output: OutputTail, status: Option<Status>) -> Self {
        let exit = status.map(|status| match status {
            Status::Exited(code) => code.to_string(),
            Status::Signaled(signal) => format!("signal {signal}"),
        });
        Self { source, output, exit, lacked_session: false }
    }
}

impl Work<'_> {
    /// The feedback of this attempt.
    pub(super) fn next_feedback(
        &self,
        spec: &JobSpec,
        engine: &str,
    ) -> Result<AttemptFeedback, Failure> {
        let session = self.resumable(engine);
        let resumes = self.settings.engines.resumed(engine, session.as_deref()).is_some();
        let state = FeedbackFile::of(self.queue, self.job.id()).read();
        let state = state.map_err(|e| Failure::NotCounted(e.to_string()))?;
        Ok(attempt_feedback(state, self.job.meta(), resumes, spec.feedback))
    }

    /// Writes down that the attempt begins with this feedback.
    pub(super) fn deliver(&mut self, feedback: &AttemptFeedback) -> Result<(), Failure> {
        let Some(text) = &feedback.text else { return Ok(()) };
        self.note("feedback for the agent:");
        let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
        self.log.raw(quoted.as_bytes());
        if feedback.seen.is_empty() {
            return Ok(());
        }
        let file = FeedbackFile::of(self.queue, self.job.id());
        let done = self.retry_on_full_disk(|_| file.deliver(&feedback.seen));
        done.map_err(|e| Failure::NotCounted(e.to_string()))
    }

    /// Keeps how the attempt failed for the next one.
    pub(super) fn keep_failure(&mut self, spec: Option<&JobSpec>, class: &str, why: &str) {
        let Some(spec) = spec.filter(|spec| spec.feedback == FeedbackMode::On) else { return };
        let LastCommand { source, output, exit, lacked_session } =
            std::mem::take(&mut self.last_command);
        if lacked_session {
            return;
        }
        let engine = self.job.meta().get(RecordKey::Engine).unwrap_or_default();
        let has_records =
            source == OutputSource::Engine && self.settings.engines.prints_records(engine);
        // Where a variable is missing, nothing has run that could have printed its value.
        let env = self.env(spec, &[], Path::new("/")).unwrap_or_default();
        let report = FailureReport {
            class,
            attempt: self.attempt,
            exit: exit.as_deref(),
            reason: why,
            source,
            output: if has_records { output.without_records() } else { output },
            files: &self.changed,
            template: spec.feedback_template.as_ref(),
        };
        let text = failure_text(&report, &Secrets::of(&env, &spec.env), &mut random_word);
        let file = FeedbackFile::of(self.queue, self.job.id());
        // The next attempt is worth more than its feedback.
        if let Err(e) = file.put_failure(random_word(), text) {
            self.note(&format!("warning: no feedback for the next attempt: {e}"));
        }
    }

    /// Drops the failures of earlier attempts when the work is accepted, and not the words of people.
    pub(super) fn forget_failures(&mut self) {
        match FeedbackFile::of(self.queue, self.job.id()).forget_failures() {
            Ok(false) => {}
            Ok(true) => self.note(
                "what a person said while it ran waits for another attempt, as a reply starts one",
            ),
            Err(e) => self.note(&format!("warning: {e}")),
        }
    }
}
