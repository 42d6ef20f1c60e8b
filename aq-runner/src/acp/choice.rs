//! The models and modes that an agent offers with a session.

use serde_json::{Value, json};

use super::event::title;

/// Names that are listed in words.
const LISTED: usize = 12;

/// Ids that leave the choice to the agent, and name no model.
const NO_MODELS: [&str; 2] = ["default", "auto"];

/// A thing of which a session has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChoiceKind {
    /// The model.
    Model,
    /// The manner in which it works and asks permission: every agent has modes of its own.
    Mode,
}

impl ChoiceKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Mode => "mode",
        }
    }
}

/// One choice that an agent offers, and how to make it.
#[derive(Debug, PartialEq)]
pub(super) struct SessionChoice {
    pub(super) kind: ChoiceKind,
    /// Of `session/set_config_option`; `None`: `session/set_model` or `session/set_mode`.
    config: Option<String>,
    pub(super) current: Option<String>,
    /// Id and name.
    entries: Vec<(String, String)>,
}

/// The call that makes a choice.
#[derive(Debug, PartialEq)]
pub(super) struct ChoiceCall {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

impl SessionChoice {
    /// The choice that the answer to `session/new` and its like offers.
    pub(super) fn of(answer: &Value, kind: ChoiceKind) -> Option<Self> {
        let name = kind.name();
        let options = answer["configOptions"].as_array().map_or(&[][..], Vec::as_slice);
        let is_it = |option: &&Value| option["category"] == name || option["id"] == name;
        if let Some(option) = options.iter().find(is_it) {
            let entries = option["options"].as_array().map_or(&[][..], Vec::as_slice);
            // Entries can be groups of entries.
            let flat = entries.iter().flat_map(|entry| match entry["options"].as_array() {
                Some(group) => group.iter().collect(),
                None => vec![entry],
            });
            let entries = flat.filter_map(|entry| named(&entry["value"], &entry["name"]));
            return Some(Self {
                kind,
                config: Some(title(&option["id"]).to_owned()),
                current: named(&option["currentValue"], &Value::Null).map(|(id, _)| id),
                entries: entries.collect(),
            });
        }
        let (of, all, current, id) = match kind {
            ChoiceKind::Model => ("models", "availableModels", "currentModelId", "modelId"),
            ChoiceKind::Mode => ("modes", "availableModes", "currentModeId", "id"),
        };
        let offered = &answer[of];
        let entries = offered[all].as_array()?.iter();
        Some(Self {
            kind,
            config: None,
            current: named(&offered[current], &Value::Null).map(|(id, _)| id),
            entries: entries.filter_map(|entry| named(&entry[id], &entry["name"])).collect(),
        })
    }

    /// The id of the one that is called `wanted`, by its id or, whatever the case, by its name.
    pub(super) fn find(&self, wanted: &str) -> Option<&str> {
        let by_id = self.entries.iter().find(|(id, _)| id == wanted);
        let by_name = || self.entries.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted));
        by_id.or_else(by_name).map(|(id, _)| id.as_str())
    }

    /// A model as it can be recorded: its id, or its name where the id is made up of more; `None`
    /// where it leaves the choice to the agent.
    pub(super) fn recorded<'a>(&'a self, model: &'a str) -> Option<&'a str> {
        let id = Some(model).filter(|id| !NO_MODELS.contains(id))?;
        if !id.contains(['|', '$', '{', ' ']) {
            return Some(id);
        }
        let (_, name) = self.entries.iter().find(|(known, _)| known == id)?;
        Some(name.as_str()).filter(|name| !name.is_empty())
    }

    /// The first of them, in words.
    pub(super) fn listed(&self) -> String {
        let mut listed: Vec<&str> =
            self.entries.iter().take(LISTED).map(|(id, _)| id.as_str()).collect();
        if self.entries.len() > LISTED {
            listed.push("...");
        }
        listed.join(", ")
    }

    /// The call that chooses the one with this id for a session.
    pub(super) fn call(&self, session: &str, id: &str) -> ChoiceCall {
        let (method, params) = match (&self.config, self.kind) {
            (Some(config), _) => (
                "session/set_config_option",
                json!({"sessionId": session, "configId": config, "value": id}),
            ),
            (None, ChoiceKind::Model) => {
                ("session/set_model", json!({"sessionId": session, "modelId": id}))
            }
            (None, ChoiceKind::Mode) => {
                ("session/set_mode", json!({"sessionId": session, "modeId": id}))
            }
        };
        ChoiceCall { method, params }
    }
}

fn named(id: &Value, name: &Value) -> Option<(String, String)> {
    let id = Some(title(id)).filter(|id| !id.is_empty())?;
    Some((id.to_owned(), title(name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &Value) -> Option<SessionChoice> {
        SessionChoice::of(answer, ChoiceKind::Model)
    }

    #[test]
    fn modes_are_offered_in_both_ways() {
        let of = |answer: &Value| SessionChoice::of(answer, ChoiceKind::Mode).unwrap();
        let modes = json!({"currentModeId": "ask", "availableModes": [{"id": "yolo"}]});
        let choice = of(&json!({"modes": modes}));
        assert_eq!((choice.current.as_deref(), choice.find("yolo")), (Some("ask"), Some("yolo")));
        let call = choice.call("s", "yolo");
        assert_eq!(call.method, "session/set_mode");
        assert_eq!(call.params, json!({"sessionId": "s", "modeId": "yolo"}));
        let option = json!({"id": "m", "category": "mode", "options": [{"value": "a"}]});
        assert_eq!(of(&json!({"configOptions": [option]})).find("a"), Some("a"));
    }

    #[test]
    fn a_config_option_offers_models_also_in_groups() {
        let answer = json!({"configOptions": [
            {"id": "mode", "category": "mode", "options": [{"value": "plan"}]},
            {"id": "m", "category": "model", "currentValue": "a/1", "options": [
                {"value": "a/1", "name": "One"},
                {"group": "b", "options": [{"value": "b/2", "name": "Two"}, {"name": "none"}]},
            ]},
        ]});
        let choice = of(&answer).unwrap();
        assert_eq!(choice.current.as_deref(), Some("a/1"));
        assert_eq!((choice.find("b/2"), choice.find("two")), (Some("b/2"), Some("b/2")));
        assert_eq!((choice.find("three"), choice.listed().as_str()), (None, "a/1, b/2"));
        let call = choice.call("s", "b/2");
        assert_eq!(call.method, "session/set_config_option");
        assert_eq!(call.params, json!({"sessionId": "s", "configId": "m", "value": "b/2"}));
    }

    #[test]
    fn a_list_of_models_offers_them_too() {
        let models = json!({"currentModelId": "x", "availableModels": [{"modelId": "x"}]});
        let choice = of(&json!({"models": models})).unwrap();
        assert_eq!(choice.call("s", "x").method, "session/set_model");
        assert_eq!(choice.current.as_deref(), Some("x"));
        for none in [json!({}), json!({"models": {}}), json!({"configOptions": 7}), json!(null)] {
            assert_eq!(of(&none), None, "{none}");
        }
    }

    #[test]
    fn a_model_is_recorded_by_what_names_it() {
        let recorded = |id: &str| {
            let models = json!([{"modelId": id, "name": "Big"}]);
            let answer = json!({"models": {"currentModelId": id, "availableModels": models}});
            of(&answer).unwrap().recorded(id).unwrap_or_default().to_owned()
        };
        assert_eq!(recorded("a/b:c-1.5"), "a/b:c-1.5");
        assert_eq!(recorded("$runtime|openai|big(openai)"), "Big");
        assert_eq!((recorded("default"), recorded("auto")), (String::new(), String::new()));
    }

    #[test]
    fn long_lists_are_cut_in_words() {
        let models: Vec<Value> = (0..500).map(|n| json!({"modelId": format!("m{n}")})).collect();
        let answer = json!({"models": {"availableModels": models}});
        assert!(of(&answer).unwrap().listed().ends_with("m11, ..."));
    }
}
