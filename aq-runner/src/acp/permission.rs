//! Answers to an agent that asks for permission.

use serde_json::{Value, json};

/// The answer to one request.
#[derive(Debug, PartialEq)]
pub(super) struct PermissionAnswer {
    pub(super) allowed: bool,
    pub(super) outcome: Value,
}

/// Chooses among the options of `params`. "Once" comes before "always": what is allowed or refused
/// for always is written into the agent's own settings, and would hold after the job.
pub(super) fn permission(params: &Value, yolo: bool) -> PermissionAnswer {
    let options = params["options"].as_array().map_or(&[][..], Vec::as_slice);
    let find = |kind: &str| {
        let found = options.iter().find(|option| option["kind"] == kind)?;
        found["optionId"].as_str()
    };
    let wanted =
        if yolo { ["allow_once", "allow_always"] } else { ["reject_once", "reject_always"] };
    match wanted.into_iter().find_map(find) {
        Some(id) => PermissionAnswer {
            allowed: yolo,
            outcome: json!({"outcome": {"outcome": "selected", "optionId": id}}),
        },
        None => PermissionAnswer { allowed: false, outcome: cancelled() },
    }
}

/// The answer while a turn is being cancelled, and where no option fits.
pub(super) fn cancelled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(kinds: &[&str], yolo: bool) -> (bool, String) {
        let options: Vec<Value> = kinds
            .iter()
            .enumerate()
            .map(|(n, kind)| json!({"optionId": format!("{n}-{kind}"), "name": "x", "kind": kind}))
            .collect();
        let answer = permission(&json!({"options": options}), yolo);
        let id = answer.outcome["outcome"]["optionId"].as_str().unwrap_or("cancelled");
        (answer.allowed, id.to_owned())
    }

    #[test]
    fn once_comes_before_always() {
        let all = ["allow_always", "allow_once", "reject_always", "reject_once"];
        assert_eq!(chosen(&all, true), (true, "1-allow_once".to_owned()));
        assert_eq!(chosen(&all, false), (false, "3-reject_once".to_owned()));
        assert_eq!(chosen(&["allow_always", "reject_once"], true).1, "0-allow_always");
        assert_eq!(chosen(&["allow_once", "reject_always"], false).1, "1-reject_always");
    }

    #[test]
    fn without_a_fitting_option_it_is_cancelled() {
        assert_eq!(chosen(&["reject_once"], true), (false, "cancelled".to_owned()));
        assert_eq!(chosen(&["allow_once"], false), (false, "cancelled".to_owned()));
        assert_eq!(chosen(&["maybe"], true), (false, "cancelled".to_owned()));
        assert!(!permission(&json!({"options": 5}), true).allowed);
    }
}
