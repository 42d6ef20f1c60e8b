//! The keys of a job's record: what the page says of them, and where their texts may be.

use std::fs;
use std::path::{Path, PathBuf};

use aq_ledger::{KeyGroup, KeyName, RecordKey};

const PAGE: &str = "docs/on-disk-format.md";

/// Rooms that read and write records, where a text in the place of a key would go unnoticed.
const ROOMS: [&str; 5] = [
    "aq-runner/src/insights",
    "aq-runner/src/run",
    "aq-runner/src/store",
    "aq-cli/src/commands",
    "aq-cli/src/dashboard",
];

/// Files in which such a text is something else.
const OTHERS: [(&str, &str); 5] = [
    // The keys of other files.
    ("aq-runner/src/store/locks.rs", "key_names"),
    ("aq-runner/src/store/marker.rs", "key_names"),
    // Codes of warnings.
    ("aq-runner/src/store/add/warning.rs", "fn code"),
    // Names of charts, as they are in addresses.
    ("aq-cli/src/dashboard/insights/measure.rs", "Measure"),
    // Fields of an event, as they are on the wire.
    ("aq-runner/src/run/fleet/steps.rs", "EventValue"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn table(group: KeyGroup) -> String {
    let mut table =
        "| key | value | meaning | forgotten by |\n| --- | --- | --- | --- |\n".to_owned();
    for key in RecordKey::ALL.into_iter().filter(|key| key.group() == group) {
        let unit = if key.unit().is_empty() { "" } else { ", " };
        table += &format!(
            "| `{}` | {}{unit}{} | {} | {} |\n",
            key.text(),
            key.type_name(),
            key.unit(),
            key.meaning(),
            key.lifetime().forgotten_by()
        );
    }
    table
}

#[test]
fn the_page_has_the_table() {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let mut expected = page.clone();
    let groups =
        [("definition", KeyGroup::Definition), ("run", KeyGroup::Run), ("fleet", KeyGroup::Fleet)];
    for (name, group) in groups {
        let start = format!("<!-- keys: {name} -->\n");
        let (before, rest) = expected.split_once(&start).unwrap();
        let (_, after) = rest.split_once("<!-- end of keys -->").unwrap();
        expected = format!("{before}{start}{}<!-- end of keys -->{after}", table(group));
    }
    if std::env::var_os("AQ_UPDATE_KEYS").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    assert!(page == expected, "{PAGE} differs from the keys; CONTRIBUTING.md says how to write it");
}

#[test]
fn key_texts_are_in_the_table_only() {
    let texts = RecordKey::ALL.map(|key| format!("\"{}\"", key.text()));
    let mut found = Vec::new();
    for file in ROOMS.iter().flat_map(|room| rust_files(&root().join(room))) {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        if let Some((_, reason)) = OTHERS.iter().find(|(other, _)| *other == name) {
            assert!(code.contains(reason), "{name} is no exception any more");
            continue;
        }
        // One word may be anything: an engine, a field of JSON. Two are a key.
        let keys = texts.iter().filter(|text| text.contains('_') && code.contains(*text));
        found.extend(keys.map(|key| format!("{name}: {key}")));
    }
    assert_eq!(found, Vec::<String>::new(), "write a `RecordKey` there");
}

/// The folder of a job is chosen by its steps, which are in the ledger: whoever writes `moved_to`,
/// or asks for it, decides about a job's life.
#[test]
fn only_the_ledger_moves_jobs() {
    let of = |room: &str| rust_files(&root().join(room)).into_iter();
    let outside = ["aq-runner/src", "aq-cli/src"].into_iter().flat_map(of);
    let mut readers = Vec::new();
    for file in outside {
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        if code.contains("::MovedTo") || code.contains("move_to(") {
            readers.push(file.strip_prefix(root()).unwrap().display().to_string());
        }
    }
    assert_eq!(readers, Vec::<String>::new(), "write a step in aq-ledger/src/steps");
    // The test sees what it looks for.
    let ledger = fs::read_to_string(root().join("aq-ledger/src/steps/step.rs")).unwrap();
    assert!(ledger.contains("::MovedTo"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "testing");
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test {
            files.push(path);
        }
    }
    files
}
