//! The reason why a job waits, as a coordinator gives it: a code with fields, and a text beside it.

use aq_reasons::GivenReason;

use super::job::JobView;
use super::version_0_1;

impl JobView {
    /// The reason why it waits; `None` when it does not, or when that is not known.
    pub fn waits(&self) -> Option<GivenReason> {
        match (&self.waiting_reason, &self.waiting) {
            (Some(reason), Some(text)) => {
                Some(GivenReason { reason: reason.clone(), text: text.clone() })
            }
            (Some(reason), None) => Some(reason.clone().into()),
            (None, text) => text.as_deref().map(version_0_1::reason_of),
        }
    }
}

/// The schema of a reason. Its fields are those of its code, so that it is open.
#[cfg(feature = "openapi")]
pub(super) fn schema() -> utoipa::openapi::Object {
    use aq_reasons::WaitCode;
    use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};

    let known = WaitCode::ALL.iter().map(|code| code.as_str());
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What a program compares; later versions have more."))
        .examples(known);
    ObjectBuilder::new()
        .description(Some("Why the job waits: a code, and the fields of that code."))
        .property("code", code)
        .required("code")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

#[cfg(test)]
mod tests {
    use aq_reasons::{WaitCode, WaitReason};
    use serde_json::{Value, json};

    use super::*;

    fn view(waiting: &Value, reason: &Value) -> JobView {
        serde_json::from_value(json!({
            "jobId": "01890a5d-ac96-774b-bcce-b302099a8057", "key": "k", "name": "n",
            "stage": "inbox", "priority": "low", "epoch": 0, "attempts": 0, "ageMs": 0,
            "grants": [], "reports": [], "waiting": waiting, "waitingReason": reason,
        }))
        .unwrap()
    }

    #[test]
    fn codes_go_before_texts() {
        let held = json!({ "code": "lock_held", "job": "a" });
        for text in ["lock held by a", "somebody has its lock", "waiting on b", ""] {
            let given = view(&json!(text), &held).waits().unwrap();
            assert_eq!(given.reason, WaitReason::LockHeld { job: "a".parse().unwrap() });
            assert_eq!((given.to_string().as_str(), given.text.as_str()), ("lock held by a", text));
        }
        let bare = view(&Value::Null, &held).waits().unwrap();
        assert_eq!(bare.text, "lock held by a");
        let later = json!({ "code": "moon", "place": 3 });
        let given = view(&json!("third from the moon"), &later).waits().unwrap();
        assert_eq!((given.reason.code(), given.reason.code_text()), (None, "moon"));
        assert_eq!(given.to_string(), "third from the moon");
        assert_eq!(view(&Value::Null, &Value::Null).waits(), None);
    }

    #[test]
    fn texts_alone_are_those_of_version_0_1() {
        let given = view(&json!("waiting on a, b (failed)"), &Value::Null).waits().unwrap();
        assert_eq!(given.reason.code(), Some(WaitCode::WaitingOn));
        assert_eq!(given.to_string(), "waiting on a, b (failed)");
    }
}
