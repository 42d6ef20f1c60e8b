//! The feedback that an attempt gets, and the one that it leaves for the next. The order of the
//! steps is in `store/feedback_file.rs`.

use std::path::Path;

use aq_ledger::RecordKey;
use aq_manifest::{FeedbackMode, JobSpec};

use crate::feedback::{FailureReport, MaskedValues, OutputSource, OutputTail, failure_text};
use crate::process::ExitReport;
use crate::store::FeedbackFile;

use super::super::feedback::{AttemptFeedback, attempt_feedback, random_word};
use super::JobAttempt;
use super::failure::AttemptFailure;
use super::ground::environment;
use super::usage::resumable;

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
    pub(super) fn new(
        source: OutputSource,
        output: OutputTail,
        status: Option<ExitReport>,
    ) -> Self {
        let exit = status.map(|status| match status {
            ExitReport::Exited(code) => code.to_string(),
            ExitReport::Signaled(signal) => format!("signal {signal}"),
        });
        Self { source, output, exit, lacked_session: false }
    }
}

/// The feedback of this attempt.
pub(super) fn next_feedback(
    attempt: &JobAttempt<'_>,
    spec: &JobSpec,
    engine: &str,
) -> Result<AttemptFeedback, AttemptFailure> {
    let JobAttempt { queue, settings, record, .. } = attempt;
    let session = resumable(record.content(), engine);
    let resumes = settings.engines.resumed(engine, session.as_deref()).is_some();
    let state = FeedbackFile::of(queue, record.id()).read();
    let state = state.map_err(|e| AttemptFailure::NotCounted(e.to_string()))?;
    Ok(attempt_feedback(state, record.content(), resumes, spec.feedback))
}

/// Writes down that the attempt begins with this feedback.
pub(super) fn deliver(
    attempt: &mut JobAttempt<'_>,
    feedback: &AttemptFeedback,
) -> Result<(), AttemptFailure> {
    let Some(text) = &feedback.text else { return Ok(()) };
    let record = &mut attempt.record;
    record.note("feedback for the agent:");
    let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
    record.log().raw(quoted.as_bytes());
    if feedback.seen.is_empty() {
        return Ok(());
    }
    let file = FeedbackFile::of(attempt.queue, record.id());
    let done = record.with_room(|_| file.deliver(&feedback.seen));
    done.map_err(|e| AttemptFailure::NotCounted(e.to_string()))
}

/// Keeps how the attempt failed for the next one.
pub(super) fn keep_failure(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    class: &str,
    why: &str,
) {
    let Some(spec) = spec.filter(|spec| spec.feedback == FeedbackMode::On) else { return };
    let LastCommand { source, output, exit, lacked_session } =
        std::mem::take(&mut attempt.commands.last);
    if lacked_session {
        return;
    }
    // Where a variable is missing, nothing has run that could have printed its value.
    let env = environment(attempt, spec, &[], Path::new("/")).unwrap_or_default();
    let JobAttempt { queue, settings, record, number, ground, .. } = attempt;
    let engine = record.content().get(RecordKey::Engine).unwrap_or_default();
    let has_records = source == OutputSource::Engine && settings.engines.prints_records(engine);
    let report = FailureReport {
        class,
        attempt: *number,
        exit: exit.as_deref(),
        reason: why,
        source,
        output: if has_records { output.without_records() } else { output },
        files: &ground.changed,
        template: spec.feedback_template.as_ref(),
    };
    let text = failure_text(&report, &MaskedValues::of(&env, &spec.env), &mut random_word);
    let file = FeedbackFile::of(queue, record.id());
    // The next attempt is worth more than its feedback.
    if let Err(e) = file.put_failure(random_word(), text) {
        record.note(&format!("warning: no feedback for the next attempt: {e}"));
    }
}

/// Drops the failures of earlier attempts when the work is accepted, and not the words of people.
pub(super) fn forget_failures(attempt: &mut JobAttempt<'_>) {
    let JobAttempt { queue, record, .. } = attempt;
    match FeedbackFile::of(queue, record.id()).forget_failures() {
        Ok(false) => {}
        Ok(true) => record.note(
            "what a person said while it ran waits for another attempt, as a reply starts one",
        ),
        Err(e) => record.note(&format!("warning: {e}")),
    }
}
