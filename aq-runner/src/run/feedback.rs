//! The prompt and the feedback of a job's next attempt.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{FeedbackMode, JobId};
use aq_scheduler::EngineState;
use jiff::Timestamp;

use crate::engine::{EngineInvocation, NoCandidates, NoSuchEngine};
use crate::feedback::{GO_ON, handed_over_text, join};
use crate::store::{
    FeedbackFile, FeedbackState, InvalidJobFile, JobFeedback, JobRecord, QueueDir, StoreError, load,
};

use super::settings::QueueSettings;
use crate::run::engines::availability::{self, KnownEngines};

/// The feedback of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AttemptFeedback {
    /// The text.
    pub(crate) text: Option<String>,
    /// The part that has waited until now.
    pub(crate) seen: JobFeedback,
    /// The id of all that a session with this feedback knows.
    pub(crate) id: Option<String>,
}

/// Chooses the feedback of an attempt: the part that its session lacks, and everything for a fresh
/// one.
pub(crate) fn attempt_feedback(
    state: FeedbackState,
    meta: &RecordContent,
    resumes: bool,
    mode: FeedbackMode,
) -> AttemptFeedback {
    let FeedbackState { waiting, delivered } = state;
    let is_known =
        delivered.is_empty() || meta.get(RecordKey::SessionFeedback) == Some(&delivered.id);
    let (earlier, known_words, known_failure) = match (resumes, is_known) {
        (true, true) => ("", "", ""),
        (true, false) => ("", delivered.words.as_str(), delivered.failure.as_str()),
        (false, _) => {
            (delivered.earlier.as_str(), delivered.words.as_str(), delivered.failure.as_str())
        }
    };
    let failure = if waiting.failure.is_empty() { known_failure } else { &waiting.failure };
    let failure = if mode == FeedbackMode::On { failure } else { "" };
    let is_handed_over = !resumes && meta.get(RecordKey::ResumeCommit).is_some();
    let begun = match is_handed_over && mode == FeedbackMode::On {
        true => handed_over_text(
            // What is no class that this version knows says nothing.
            meta.parsed(RecordKey::ResumeFailureClass),
            meta.parsed(RecordKey::ResumeAttempts),
            meta.parsed(RecordKey::ResumeFilesChanged),
        ),
        false => String::new(),
    };
    let text = join([begun.as_str(), earlier, known_words, failure, &waiting.words]);
    let text = match text.is_empty() {
        // It knows its prompt, and has to get something.
        true if resumes && mode == FeedbackMode::On => Some(GO_ON.to_owned()),
        true => None,
        false => Some(text),
    };
    let id = [&waiting.id, &delivered.id].into_iter().find(|id| !id.is_empty()).cloned();
    AttemptFeedback { text, seen: waiting, id }
}

/// A word that nobody can know beforehand.
pub(crate) fn random_word() -> String {
    // The keys of the hash come from the operating system.
    format!("aq-{:016x}", RandomState::new().build_hasher().finish())
}

/// The prompt of a job's next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPrompt {
    /// The engine that would run it now.
    pub engine: String,
    /// The whole prompt, byte for byte.
    pub prompt: String,
    /// The feedback in it.
    pub feedback: Option<String>,
    /// The prompt is a script, and the feedback in a file of its own.
    pub is_script: bool,
    /// The session that goes on.
    pub session: Option<String>,
}

/// A job whose next prompt cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job's file.
    #[error(transparent)]
    Invalid(#[from] InvalidJobFile),
    /// Its engine, or class of engines, is none.
    #[error(transparent)]
    NoCandidates(#[from] NoCandidates),
    /// As [`Self::NoCandidates`].
    #[error(transparent)]
    NoSuchEngine(#[from] NoSuchEngine),
}

/// Makes the prompt that the next attempt of a job would get, were it to start now.
///
/// # Errors
/// When its files cannot be read, or it has no engine.
pub fn next_prompt(
    queue: &QueueDir,
    settings: &QueueSettings,
    id: &JobId,
    now: Timestamp,
) -> Result<NextPrompt, PromptError> {
    let stage = queue.expect(id)?;
    let path = queue.job_file(stage, id).display().to_string();
    let text = queue.read_job(stage, id).map_err(|e| InvalidJobFile::whole(&path, e))?;
    let file = load(queue.profiles(), &path, &text, false)?;
    let spec = &file.spec;
    let meta = JobRecord::read(queue, stage, id.clone())?.meta;
    let candidates = settings.engines.candidates(
        spec.engine.as_deref(),
        &spec.engine_class,
        &spec.prefers_engine,
    )?;
    let engine = next_engine(queue, settings, &candidates, now).unwrap_or_default();
    let own = meta
        .get(RecordKey::SessionId)
        .filter(|_| meta.get(RecordKey::SessionEngine) == Some(&engine));
    let session = settings.engines.resumed(&engine, own).map(str::to_owned);
    let state = FeedbackFile::of(queue, id).read()?;
    let feedback = attempt_feedback(state, &meta, session.is_some(), spec.feedback).text;
    let invocation = EngineInvocation {
        prompt: &file.body,
        persona: spec.persona.as_deref(),
        feedback: feedback.as_deref(),
        model: None,
        args: &[],
        yolo: spec.yolo,
        session: session.as_deref(),
        scratch: Path::new("/"),
        is_root: false,
    };
    let prompt = settings.engines.prompt(&engine, &invocation)?;
    let is_script = settings.engines.runs_scripts(&engine);
    Ok(NextPrompt { engine, prompt, feedback, is_script, session })
}

/// The engine that would be taken now: the first one that can be used, else one that is installed,
/// else the first.
fn next_engine(
    queue: &QueueDir,
    settings: &QueueSettings,
    candidates: &[String],
    now: Timestamp,
) -> Option<String> {
    let known = KnownEngines::read(queue);
    let state = |name: &String| availability::state(&known, settings, name, now);
    let ready = candidates.iter().find(|name| matches!(state(name), EngineState::Ready { .. }));
    let is_gone = |state| matches!(state, EngineState::Missing | EngineState::Absent { .. });
    let there = || candidates.iter().find(|name| !is_gone(state(name)));
    ready.or_else(there).or(candidates.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback(id: &str, earlier: &str, failure: &str, words: &str) -> JobFeedback {
        let [id, earlier, failure, words] = [id, earlier, failure, words].map(str::to_owned);
        JobFeedback { id, earlier, failure, words }
    }

    fn chosen(waiting: &JobFeedback, known: &str, resumes: bool) -> String {
        let before = feedback("t", "w0\n", "f1\n", "w1\n");
        let state = FeedbackState { waiting: waiting.clone(), delivered: before };
        let meta = RecordContent::parse(&format!("session_feedback={known}\n"));
        let found = attempt_feedback(state, &meta, resumes, FeedbackMode::On);
        found.text.unwrap_or_default().replace("\n\n", " ")
    }

    #[test]
    fn session_gets_what_it_lacks() {
        let new = feedback("n", "", "f2\n", "w2\n");
        assert_eq!(chosen(&new, "t", true), "f2 w2\n");
        assert_eq!(chosen(&new, "", true), "w1 f2 w2\n");
        assert_eq!(chosen(&new, "t", false), "w0 w1 f2 w2\n");
        let nothing = JobFeedback::default();
        assert_eq!(chosen(&nothing, "t", true), GO_ON);
        assert_eq!(chosen(&nothing, "other", true), "w1 f1\n");
        assert_eq!(chosen(&nothing, "t", false), "w0 w1 f1\n");
    }

    #[test]
    fn work_of_another_host_is_named() {
        let choose = |resumes| {
            let last = "resume_failure_class=verify_failed\nresume_attempts=2\n";
            let meta = RecordContent::parse(&format!("resume_commit=c\n{last}"));
            attempt_feedback(FeedbackState::default(), &meta, resumes, FeedbackMode::On).text
        };
        let text = choose(false).unwrap();
        assert!(text.ends_with("attempt (attempts: 2) did not succeed there: verify_failed.\n"));
        assert_eq!(choose(true).as_deref(), Some(GO_ON));
    }

    #[test]
    fn failures_can_be_switched_off() {
        let state =
            FeedbackState { waiting: feedback("n", "", "f\n", "w\n"), ..Default::default() };
        let tell = |state: FeedbackState, resumes| {
            attempt_feedback(state, &RecordContent::default(), resumes, FeedbackMode::Off)
        };
        let found = tell(state, true);
        assert_eq!((found.text.as_deref(), found.id.as_deref()), (Some("w\n"), Some("n")));
        assert_eq!(tell(FeedbackState::default(), true), AttemptFeedback::default());
    }

    #[test]
    fn words_differ() {
        assert_ne!(random_word(), random_word());
        assert_eq!(random_word().len(), 19);
    }
}
