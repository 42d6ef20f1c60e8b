//! The documents name what there is.

use std::fs;
use std::path::Path;

use crate::sandbox::Sandbox;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn each_command_and_option_is_documented() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["--help"]);
    let commands = help.split_once("First steps:\n").unwrap().1.split_once("Options:\n").unwrap().0;
    let text = document("commands.md");
    let mut count = 0;
    let is_verb = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    for line in commands.lines().filter(is_verb) {
        let name = line.split_whitespace().next().unwrap();
        if name == "help" {
            continue;
        }
        let heading = format!("\n### `aq {name}");
        let Some((_, section)) = text.split_once(&heading) else {
            panic!("docs/commands.md has no section `aq {name}`");
        };
        let section = section.split("\n##").next().unwrap();
        let help = sandbox.ok(&[name, "--help"]);
        assert!(help.contains("Example"), "`aq {name} --help` has no example");
        // An option's own line starts with it; others mention it.
        let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
        let words = lines.flat_map(|line| line.split([' ', ',', '=']));
        for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
            if !["--help", "--queue", "--version"].contains(&option) {
                assert!(section.contains(option), "`aq {name}`: {option} is not documented");
            }
        }
        count += 1;
    }
    assert!(count >= 20, "{commands}");
}

#[test]
fn each_key_of_a_record_is_documented() {
    let text = document("on-disk-format.md");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../aq-runner/src");
    let mut files = vec![];
    rust_files(&src.join("store"), &mut files);
    rust_files(&src.join("run"), &mut files);
    let mut seen = 0;
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for setter in [".set(", ".set_some(", ".set_list("] {
            for call in source.split(setter).skip(1) {
                let Some(rest) = call.trim_start().strip_prefix('"') else { continue };
                let key = rest.split('"').next().unwrap();
                assert!(
                    text.contains(&format!("`{key}`")),
                    "{}: the key {key} is not in docs/on-disk-format.md",
                    file.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

fn rust_files(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}
