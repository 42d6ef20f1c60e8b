//! Turns the descriptions of the built-in engines from YAML into JSON, which is read many times
//! faster when aq starts.

use std::path::Path;
use std::{env, fs};

use serde_json::Value;

/// The descriptions.
const DIRECTORY: &str = "src/engine/builtin";

fn main() {
    println!("cargo::rerun-if-changed={DIRECTORY}");
    let out = env::var_os("OUT_DIR").expect("cargo names a directory for the output");
    let mut names: Vec<String> = fs::read_dir(DIRECTORY)
        .expect("the directory of the engines is there")
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .filter_map(|file| file.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    let mut rust = "&[\n".to_owned();
    for name in names {
        let path = Path::new(DIRECTORY).join(format!("{name}.yaml"));
        let text = fs::read_to_string(&path).expect("a description can be read");
        let mut engine: Value = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // The output is read only for an engine that runs.
        let output = match engine["output"] {
            Value::Object(_) => engine["output"].take(),
            _ => Value::Null,
        };
        if output.is_object() {
            engine.as_object_mut().expect("a description is a map").remove("output");
        }
        let (definition, output) = (engine.to_string(), output.to_string());
        rust.push_str(&format!(
            "BuiltinEngine {{ name: {name:?}, definition: {definition:?}, output: {output:?} }},\n"
        ));
    }
    rust.push(']');
    fs::write(Path::new(&out).join("builtin_engines.rs"), rust).expect("the output is written");
}
