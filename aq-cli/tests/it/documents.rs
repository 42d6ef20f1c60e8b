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
        let about: Vec<&str> = line.split_whitespace().skip(1).take(4).collect();
        let first: Vec<&str> = help.split_whitespace().take(about.len()).collect();
        assert_eq!(about, first, "`aq {name} --help` begins with other words");
        // An option's own line starts with it; others mention it.
        let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
        let words = lines.flat_map(|line| line.split([' ', ',', '=', '[']));
        for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
            if !["--help", "--queue", "--version"].contains(&option) {
                assert!(section.contains(option), "`aq {name}`: {option} is not documented");
            }
        }
        count += 1;
    }
    assert!(count >= 20, "{commands}");
}
