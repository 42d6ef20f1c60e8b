//! Calls of the tool that runs commands, under the name and with the arguments that an agent
//! offers.

use serde_json::{Map, Value, json};

use super::answer::Content;

/// Names under which agents offer it, the best first.
const NAMES: [&str; 10] = [
    "exec_command",
    "shell_command",
    "run_shell_command",
    "execute_command",
    "run_commands",
    "run_command",
    "Bash",
    "bash",
    "Execute",
    "shell",
];

/// Parts of names of such tools that nobody has seen yet.
const PARTS: [&str; 5] = ["bash", "shell", "exec", "command", "terminal"];

/// `None` when no tool looks like it.
pub(super) fn run(tools: &[(&str, &Value)], command: &str, beside: bool) -> Option<Content> {
    let known = NAMES.iter().find_map(|name| tools.iter().find(|(tool, _)| tool == name));
    let similar = || {
        let looks = |name: &str| PARTS.iter().any(|part| name.to_lowercase().contains(part));
        tools.iter().find(|(name, _)| looks(name))
    };
    let (name, schema) = known.or_else(similar)?;
    let arguments = arguments(schema, command, beside);
    Some(Content::Tool { name: (*name).to_owned(), arguments })
}

fn arguments(schema: &Value, command: &str, beside: bool) -> Value {
    let properties = &schema["properties"];
    let has = |name: &str| !properties[name].is_null();
    let is_list = |name: &str| {
        properties[name]["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("array"))
    };
    let mut all = Map::new();
    let name = ["command", "cmd", "commands"].into_iter().find(|name| has(name));
    let name = name.unwrap_or("command");
    let value = match name {
        "commands" => json!([command]),
        _ if is_list(name) => json!(["bash", "-c", command]),
        _ => json!(command),
    };
    all.insert(name.to_owned(), value);
    if beside && has("run_in_background") {
        all.insert("run_in_background".to_owned(), json!(true));
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        all.entry(name).or_insert_with(|| filling(&properties[name]));
    }
    Value::Object(all)
}

/// A value that a schema takes.
fn filling(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str().unwrap_or("string").to_lowercase().as_str() {
        "number" | "integer" => json!(1),
        "boolean" => json!(false),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!("run it"),
    }
}
