//! Which session the next attempt goes on with.

use super::fault::ErrorClass;
use super::verdict::{EndedBy, RunVerdict};

/// The session that the next attempt **on the same engine and in the same directory** goes on with,
/// after a run that was to go on with `resumed` and ended by `ended`. `None`: a fresh one.
///
/// A fresh one follows a session that has outgrown its model, one that the engine does not know,
/// and a resumed run that failed by itself in a way that nobody explains before it named its
/// session: the same would happen again.
pub fn next_session(resumed: Option<&str>, verdict: &RunVerdict, ended: EndedBy) -> Option<String> {
    let class = verdict.error.as_ref().map(|error| error.class);
    if verdict.session_gone || class == Some(ErrorClass::ContextOverflow) {
        return None;
    }
    let explained = class.is_some_and(|class| class != ErrorClass::Unknown);
    let kept = resumed.filter(|_| ended == EndedBy::Aq || verdict.success || explained);
    verdict.session_id.as_deref().or(kept).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ProcessExit;
    use crate::engine::testing::{judged, judged_with};

    #[test]
    fn a_session_goes_on_unless_it_cannot() {
        let named = r#"{"type":"thread.started","thread_id":"0a-1b"}"#;
        let failed = |words: &str| {
            let stdout = format!(
                "{named}\n{{\"type\":\"turn.failed\",\"error\":{{\"message\":\"{words}\"}}}}\n"
            );
            next_session(None, &judged("codex", &stdout, ProcessExit::Code(1)), EndedBy::Engine)
        };
        assert_eq!(failed("You've hit your usage limit.").as_deref(), Some("0a-1b"));
        assert_eq!(failed("whatever").as_deref(), Some("0a-1b"));
        assert_eq!(failed("Codex ran out of room in the model's context window."), None);
    }

    #[test]
    fn blameless_session_is_kept() {
        let next = |stderr: &str, ended| {
            let verdict = judged_with("codex", "", stderr, ProcessExit::Code(1), ended);
            next_session(Some("0a-1b"), &verdict, ended)
        };
        let kept = Some("0a-1b".to_owned());
        assert_eq!(next("", EndedBy::Aq), kept);
        assert_eq!(next("Error: not logged in", EndedBy::Engine), kept);
        assert_eq!(next("Error: no rollout found for thread id 0a-1b", EndedBy::Engine), None);
        assert_eq!(next("Error: boom", EndedBy::Engine), None);
    }
}
