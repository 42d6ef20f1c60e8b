//! Job files, profiles and settings that are small and mean something large.

use std::fs;

use super::surroundings::{bounded, is_well};
use crate::sandbox::Sandbox;

/// Each name is that of the bomb; then its front matter, and what a user reads.
fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let times = |text: &str, count: usize| text.repeat(count);
    let list = |items: usize, item: &dyn Fn(usize) -> String| {
        (0..items).map(item).collect::<Vec<_>>().join(",")
    };
    let mut laughs = "a0: &a0 [ha,ha,ha,ha,ha,ha,ha,ha,ha]\n".to_owned();
    for n in 1..12 {
        laughs += &format!("a{n}: &a{n} [{}]\n", list(9, &|_| format!("*a{}", n - 1)));
    }
    let aliases = list(4_000, &|_| "*a".to_owned());
    let long_alias = format!("a: &a \"{}\"\nb: [{aliases}]\n", times("x", 200_000));
    vec![
        ("laughs", laughs, "more than 5000 values, repeats included"),
        ("self", "a: &a [*a, *a]\n".to_owned(), "the alias stands inside of what it repeats"),
        ("text", long_alias, "longer than 1048576 bytes, repeats included"),
        ("merge", "a: &a {x: 1}\n<<: *a\n".to_owned(), "merge keys (`<<`) are not supported"),
        ("flow", format!("a: {}{}\n", times("[", 120_000), times("]", 120_000)), "16 deep"),
        ("maps", format!("a: {}{}\n", times("{a: ", 40_000), times("}", 40_000)), "16 deep"),
        ("block", format!("a:\n{}x\n", times("- ", 120_000)), "16 deep"),
        ("keys", (0..20_000).map(|n| format!("k{n}: 1\n")).collect(), "more than 5000 values"),
        ("bytes", format!("#{}\n", times("x", 300_000)), "the limit is 262144"),
        (
            "scalar",
            format!("lock: \"{}\"\n", times("l", 200_000)),
            "has 200000 bytes, at most 4096",
        ),
        (
            "alternatives",
            format!("capabilities: [\"{}a\"]\n", times("a|", 100_000)),
            "a requirement has at most 512 bytes",
        ),
        ("globs", format!("allowed-scope: [\"{}\"]\n", times("{a,b}", 50)), "has more than 16 `{`"),
        ("deps", format!("deps: [{}]\n", list(4_000, &|n| format!("d{n}"))), "at most 1000"),
        ("nul", "lock: \"a\\0b\"\n".to_owned(), "the text holds a NUL character"),
        ("tag", "cwd: !!python/object/apply:os.system [x]\n".to_owned(), "is a YAML tag"),
        ("time", "timeout: 99999999999999999999d\n".to_owned(), "the duration is too long"),
    ]
}

/// Those that would do harm in any YAML.
const EXPLODING: [&str; 8] = ["laughs", "self", "text", "merge", "flow", "maps", "block", "keys"];

#[test]
fn yaml_bombs_are_refused_in_place() {
    let sandbox = Sandbox::new();
    let bombs = bombs();
    for (name, front, words) in &bombs {
        let file = sandbox.path(&format!("{name}.md"));
        fs::write(&file, format!("---\nengine: shell\n{front}---\ntrue\n")).unwrap();
        for verb in ["check", "add"] {
            let (code, said) = bounded(&sandbox, &[verb, file.to_str().unwrap()]);
            assert_eq!(code, 2, "{verb} {name}: {said}");
            assert!(said.contains(words), "{verb} {name}: {said}");
            assert!(said.contains(&format!("{name}.md:")), "{verb} {name}: no place: {said}");
        }
        fs::rename(&file, sandbox.queue(&format!("inbox/{name}.md"))).unwrap();
    }
    let (code, said) = bounded(&sandbox, &["run", "--once"]);
    assert_eq!(code, 1, "{said}");
    for (name, _, words) in &bombs {
        assert_eq!(sandbox.folders(name), ["failed"], "{name}");
        assert_eq!(sandbox.meta_value(name, "result"), "invalid_manifest", "{name}");
        assert!(sandbox.log(name).contains(words), "{name}: {}", sandbox.log(name));
    }
    is_well(&sandbox);
}

#[test]
fn bomb_settings_do_not_stop_queues() {
    let sandbox = Sandbox::new();
    sandbox.add("there", "", "true");
    for (name, text, _) in bombs() {
        fs::write(sandbox.queue("profiles/bomb.yaml"), &text).unwrap();
        let file = sandbox.write("user", "profile: bomb", "true");
        let (code, said) = bounded(&sandbox, &["add", file.to_str().unwrap()]);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains("profiles/bomb.yaml"), "{name}: {said}");
        // The others are about the keys and the size of job files.
        if !EXPLODING.contains(&name) {
            continue;
        }
        fs::write(sandbox.queue("config.yaml"), &text).unwrap();
        for args in [&["status"][..], &["run", "--once"]] {
            let (code, said) = bounded(&sandbox, args);
            assert_eq!(code, 2, "{name}: {said}");
            assert!(said.contains("config.yaml"), "{name}: {said}");
        }
        fs::remove_file(sandbox.queue("config.yaml")).unwrap();
    }
    is_well(&sandbox);
}
