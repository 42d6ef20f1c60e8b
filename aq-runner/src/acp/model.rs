//! The models that an agent offers with a session.

use serde_json::{Value, json};

use super::event::title;

/// How many names of models are listed in words.
const LISTED: usize = 12;

/// Ids that leave the choice to the agent, and name no model.
const NO_MODELS: [&str; 2] = ["default", "auto"];

/// One choice of models, and how to make it.
#[derive(Debug, PartialEq)]
pub(super) struct ModelChoice {
    /// Of `session/set_config_option`; `None`: `session/set_model`.
    config: Option<String>,
    pub(super) current: Option<String>,
    /// Id and name.
    models: Vec<(String, String)>,
}

/// The call that chooses a model.
#[derive(Debug, PartialEq)]
pub(super) struct ModelCall {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

impl ModelChoice {
    /// The choice that the answer to `session/new` and its like offers.
    pub(super) fn of(answer: &Value) -> Option<Self> {
        let options = answer["configOptions"].as_array().map_or(&[][..], Vec::as_slice);
        let is_model = |option: &&Value| option["category"] == "model" || option["id"] == "model";
        if let Some(option) = options.iter().find(is_model) {
            let entries = option["options"].as_array().map_or(&[][..], Vec::as_slice);
            // Entries can be groups of entries.
            let flat = entries.iter().flat_map(|entry| match entry["options"].as_array() {
                Some(group) => group.iter().collect(),
                None => vec![entry],
            });
            let models = flat.filter_map(|entry| named(&entry["value"], &entry["name"]));
            return Some(Self {
                config: Some(title(&option["id"]).to_owned()),
                current: named(&option["currentValue"], &Value::Null).map(|(id, _)| id),
                models: models.collect(),
            });
        }
        let models = answer["models"]["availableModels"].as_array()?.iter();
        Some(Self {
            config: None,
            current: named(&answer["models"]["currentModelId"], &Value::Null).map(|(id, _)| id),
            models: models.filter_map(|model| named(&model["modelId"], &model["name"])).collect(),
        })
    }

    /// The id of the model that is called `wanted`, by its id or, whatever the case, by its name.
    pub(super) fn find(&self, wanted: &str) -> Option<&str> {
        let by_id = self.models.iter().find(|(id, _)| id == wanted);
        let by_name = || self.models.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted));
        by_id.or_else(by_name).map(|(id, _)| id.as_str())
    }

    /// The model that is current, as it can be recorded: its id, or its name where the id is made up
    /// of more.
    pub(super) fn recorded(&self) -> Option<&str> {
        let current = self.current.as_deref().filter(|id| !NO_MODELS.contains(id))?;
        if !current.contains(['|', '$', '{', ' ']) {
            return Some(current);
        }
        let (_, name) = self.models.iter().find(|(id, _)| id == current)?;
        Some(name.as_str()).filter(|name| !name.is_empty())
    }

    /// The first models, in words.
    pub(super) fn listed(&self) -> String {
        let mut listed: Vec<&str> =
            self.models.iter().take(LISTED).map(|(id, _)| id.as_str()).collect();
        if self.models.len() > LISTED {
            listed.push("...");
        }
        listed.join(", ")
    }

    /// The call that chooses `model` for a session.
    pub(super) fn call(&self, session: &str, model: &str) -> ModelCall {
        match &self.config {
            Some(config) => ModelCall {
                method: "session/set_config_option",
                params: json!({"sessionId": session, "configId": config, "value": model}),
            },
            None => ModelCall {
                method: "session/set_model",
                params: json!({"sessionId": session, "modelId": model}),
            },
        }
    }
}

fn named(id: &Value, name: &Value) -> Option<(String, String)> {
    let id = Some(title(id)).filter(|id| !id.is_empty())?;
    Some((id.to_owned(), title(name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_option_offers_models_also_in_groups() {
        let answer = json!({"configOptions": [
            {"id": "mode", "category": "mode", "options": [{"value": "plan"}]},
            {"id": "m", "category": "model", "currentValue": "a/1", "options": [
                {"value": "a/1", "name": "One"},
                {"group": "b", "options": [{"value": "b/2", "name": "Two"}, {"name": "none"}]},
            ]},
        ]});
        let choice = ModelChoice::of(&answer).unwrap();
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
        let choice = ModelChoice::of(&json!({"models": models})).unwrap();
        assert_eq!(choice.call("s", "x").method, "session/set_model");
        assert_eq!(choice.current.as_deref(), Some("x"));
        for none in [json!({}), json!({"models": {}}), json!({"configOptions": 7}), json!(null)] {
            assert_eq!(ModelChoice::of(&none), None, "{none}");
        }
    }

    #[test]
    fn a_current_model_is_recorded_by_what_names_it() {
        let recorded = |id: &str| {
            let models = json!([{"modelId": id, "name": "Big"}]);
            let answer = json!({"models": {"currentModelId": id, "availableModels": models}});
            ModelChoice::of(&answer).unwrap().recorded().unwrap_or_default().to_owned()
        };
        assert_eq!(recorded("a/b:c-1.5"), "a/b:c-1.5");
        assert_eq!(recorded("$runtime|openai|big(openai)"), "Big");
        assert_eq!((recorded("default"), recorded("auto")), (String::new(), String::new()));
    }

    #[test]
    fn long_lists_are_cut_in_words() {
        let models: Vec<Value> = (0..500).map(|n| json!({"modelId": format!("m{n}")})).collect();
        let answer = json!({"models": {"availableModels": models}});
        assert!(ModelChoice::of(&answer).unwrap().listed().ends_with("m11, ..."));
    }
}
