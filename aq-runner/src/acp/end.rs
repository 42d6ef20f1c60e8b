//! The end of a prompt turn: whether the work is done.

use serde_json::Value;

use super::event::{self, clip};
use super::turn::PromptTurn;

/// The judgement on an answer to `session/prompt`.
#[derive(Debug, PartialEq)]
pub(super) struct TurnEnd {
    pub(super) success: bool,
    /// The last events, the result among them.
    pub(super) events: Vec<Value>,
}

/// Judges an answer with a stop reason. The turn's last words are among the events.
pub(super) fn judge_turn(answer: &Value, turn: &mut PromptTurn, usage: Option<Value>) -> TurnEnd {
    let stop = answer["stopReason"].as_str().unwrap_or_default();
    // Models that begin an answer with this word have counted tokens for it.
    let may_be_error = stop == "end_turn" && answer["usage"].is_null();
    let error = may_be_error.then(|| turn.take_error());
    turn.end();
    let mut events = turn.take_events();
    events.extend(usage);
    let reason = match (error.flatten(), stop) {
        (Some(error), _) => {
            events.push(event::error(&error, None, None));
            Some(error)
        }
        (None, "end_turn") if !turn.spoke && !turn.called => {
            Some("it ended its turn without a word and without calling a tool".to_owned())
        }
        (None, "end_turn") => turn.refused.take().map(|tool| {
            format!(
                "it stopped when it was not allowed to use a tool ({tool}); `yolo: true` allows it"
            )
        }),
        (None, "max_tokens") => Some("it stopped at the limit of tokens (max_tokens)".to_owned()),
        (None, "max_turn_requests") => {
            Some("it stopped at its limit of model calls (max_turn_requests)".to_owned())
        }
        (None, "refusal") => Some("the model refused to go on (refusal)".to_owned()),
        (None, "cancelled") => Some("its turn was cancelled (cancelled)".to_owned()),
        (None, "") => Some("it ended its turn without a stop reason".to_owned()),
        (None, other) => {
            Some(format!("it stopped for a reason that is not known here: {}", clip(other, 100)))
        }
    };
    let success = reason.is_none();
    let stop = Some(stop).filter(|stop| !stop.is_empty());
    events.push(event::result(success, stop, reason.as_deref()));
    TurnEnd { success, events }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(words: &[&str]) -> PromptTurn {
        let mut turn = PromptTurn::default();
        for text in words {
            let content = json!({"text": text});
            turn.update(&json!({"sessionUpdate": "agent_message_chunk", "content": content}));
        }
        turn
    }

    fn result(stop: &str, mut turn: PromptTurn) -> (bool, String) {
        let end = judge_turn(&json!({"stopReason": stop}), &mut turn, None);
        let last = end.events.last().unwrap();
        assert_eq!((&last["type"], &last["success"]), (&json!("result"), &json!(end.success)));
        (end.success, last["text"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn success_needs_turn_with_work() {
        assert_eq!(result("end_turn", turn(&["done"])), (true, String::new()));
        for stop in ["max_tokens", "max_turn_requests", "refusal", "cancelled", "odd"] {
            let (success, text) = result(stop, turn(&["done"]));
            assert!(!success && text.contains(stop), "{text}");
        }
        assert!(result("", turn(&["done"])).1.contains("without a stop reason"));
        assert!(result("end_turn", turn(&[])).1.contains("without a word"));
    }

    #[test]
    fn a_turn_that_a_refusal_ended_is_no_success() {
        let refused = |then: &[&str]| {
            let mut turn = turn(&["I begin."]);
            turn.refused = Some("rm".to_owned());
            for text in then {
                let content = json!({"text": text});
                turn.update(&json!({"sessionUpdate": "agent_message_chunk", "content": content}));
            }
            result("end_turn", turn)
        };
        assert!(
            refused(&["Info: Operation cancelled by user"])
                .1
                .contains("allowed to use a tool (rm)")
        );
        assert!(!refused(&[]).0 && refused(&["Then without it."]).0);
    }

    #[test]
    fn an_error_among_the_words_is_one_without_usage() {
        let error = "Error: Authentication failed (HTTP 401).";
        let (success, text) = result("end_turn", turn(&["Info: again.", error]));
        assert_eq!((success, text.as_str()), (false, error));
        let usage = json!({"stopReason": "end_turn", "usage": {"inputTokens": 5}});
        assert!(judge_turn(&usage, &mut turn(&[error]), None).success);
        let mut worked = turn(&[]);
        worked.update(&json!({"sessionUpdate": "tool_call", "toolCallId": "1"}));
        let content = json!({"text": "Error: none was found, so all is well"});
        worked.update(&json!({"sessionUpdate": "agent_message_chunk", "content": content}));
        assert!(result("end_turn", worked).0);
    }
}
