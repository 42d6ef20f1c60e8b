//! The JSON Schema of the front matter, from the table that the parser uses.

use serde_json::{Map, Value as Json, json};

use crate::keys::KEYS;

/// The JSON Schema (draft 2020-12) of a job file's front matter, for editors and other programs.
///
/// It describes types, words and bounds. What it cannot say (the grammar of requirements and
/// globs, a job that depends on itself) only [`parse`](crate::parse) checks. Unknown keys pass, as
/// they do there.
pub fn schema() -> Json {
    let properties: Map<String, Json> = KEYS
        .iter()
        .map(|key| {
            let mut schema = (key.schema)();
            schema["description"] = Json::from(key.about.trim());
            if let Some(default) = key.default {
                // What is no JSON by itself (`false` is) is a word.
                schema["default"] =
                    serde_json::from_str(default).unwrap_or_else(|_| Json::from(default));
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aq job file: front matter",
        "description": "Keys between the `---` lines of a job file. Every key is optional.",
        "type": "object",
        "properties": properties,
        "additionalProperties": true
    })
}
