//! What programs of engines have answered when they were asked for their versions: a file of the
//! queue.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::{EngineRegistry, ProgramStamp, VersionAnswer, VersionQuestion};
use crate::store::{QueueDir, read_text};

/// Lifetime of an answer: behind the unchanged shim of a version manager the program can change.
const ANSWER_HOLDS: SignedDuration = SignedDuration::from_hours(24);
/// Lifetime of a failure: a program that hangs costs its time limit no more often than this.
const FAILURE_HOLDS: SignedDuration = SignedDuration::from_mins(10);
/// The most answers in the file.
pub(crate) const ENTRIES_MAX: usize = 200;

/// An answer of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KnownAnswer {
    #[serde(flatten)]
    pub(crate) answer: VersionAnswer,
    pub(crate) asked_at: Timestamp,
}

impl KnownAnswer {
    /// Tests whether it still answers the question.
    pub(crate) fn holds(&self, question: &VersionQuestion, now: Timestamp) -> bool {
        let age = now.duration_since(self.asked_at);
        let limit = if self.answer.output.is_empty() { FAILURE_HOLDS } else { ANSWER_HOLDS };
        self.is_of_same_file(question) && !age.is_negative() && age < limit
    }

    /// Tests whether the program is the file that it was.
    pub(crate) fn is_of_same_file(&self, question: &VersionQuestion) -> bool {
        self.answer.is_to(question)
            && ProgramStamp::of(&question.program) == Some(self.answer.stamp)
    }
}

/// The answers in a queue's file. One that cannot be read says nothing.
pub(crate) fn known_answers(queue: &QueueDir) -> Vec<KnownAnswer> {
    let text = read_text(&queue.engine_versions()).ok();
    let mut known: Vec<KnownAnswer> =
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    known.truncate(ENTRIES_MAX);
    known
}

/// Lets the engines know what their programs have answered before. Starts nothing.
pub(crate) fn recall_versions(queue: &QueueDir, engines: &EngineRegistry) {
    for known in known_answers(queue) {
        engines.note_answer(known.answer);
    }
}
