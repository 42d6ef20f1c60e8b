//! The code keeps to ARCHITECTURE.md: which crate may use which, and which room which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates whose answer depends on nothing but their input, with all that they may be built from.
/// None of these opens a file, reads a clock or starts anything by itself.
const PURE: [(&str, &[&str]); 5] = [
    ("aq-caps", &["semver", "thiserror"]),
    ("aq-manifest", &["annotate-snippets", "aq-caps", "serde_json", "serde_yaml", "thiserror"]),
    ("aq-reasons", &["aq-caps", "aq-manifest", "jiff", "serde", "serde_json"]),
    ("aq-scheduler", &["aq-caps", "aq-manifest", "aq-reasons", "jiff", "petgraph", "thiserror"]),
    ("aq-ledger", &["aq-caps", "aq-manifest", "aq-scheduler", "jiff", "thiserror"]),
];

/// Calls that a pure crate must not make; its `clippy.toml` may ban more.
const BANNED: [&str; 9] = [
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "jiff::Timestamp::now",
    "std::env::var",
    "std::fs::File::open",
    "std::fs::write",
    "std::process::Command::new",
    "std::thread::spawn",
    "std::net::TcpStream::connect",
];

/// Rooms of `aq-runner` that do not know one another.
const ROOMS: [&str; 9] =
    ["disk", "store", "process", "engine", "acp", "checkpoint", "feedback", "insights", "sync"];

/// The room below the others, which each of them may use.
const BOTTOM: &str = "disk";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The dependencies that each crate of the workspace declares, by the name that its code uses.
/// Those for tests count where `with_tests` says so.
fn dependencies(with_tests: bool) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let of_package = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|found| with_tests || found["kind"] != "dev")
            .map(|found| {
                text(if found["rename"].is_null() { &found["name"] } else { &found["rename"] })
            })
            .collect()
    };
    packages.iter().map(|package| (text(&package["name"]), of_package(package))).collect()
}

/// The most crates that each may be built from for a queue of one host, itself among them.
const LEAN: [(&str, usize); 2] = [("aq-runner", 90), ("aq-cli", 110)];

/// The crates that one of the workspace is built from, without its features.
fn lean_parts(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--no-default-features", "--package", name])
        .args(["--edges=normal", "--prefix=none", "--format={p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn local_queues_need_few_crates() {
    for (name, most) in LEAN {
        let crates = lean_parts(name);
        assert!(crates.iter().any(|name| name.starts_with("aq-scheduler ")), "{crates:?}");
        assert!(crates.len() < most, "{name}: {} crates: {crates:#?}", crates.len());
        for heavy in ["reqwest ", "rustls ", "tokio ", "ring ", "axum ", "rusqlite "] {
            assert!(!crates.iter().any(|part| part.starts_with(heavy)), "{name}: {heavy}");
        }
    }
}

/// The words in backquotes of a cell.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn crates_use_what_architecture_md_says() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("\n## ").find(|part| part.starts_with("The crates\n")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `aq-"));
    let written: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (words(cells[1]).pop_first().unwrap(), words(cells[2]))
        })
        .collect();
    let mut real = dependencies(true);
    let crates: BTreeSet<String> = real.keys().cloned().collect();
    for used in real.values_mut() {
        used.retain(|name| crates.contains(name));
    }
    assert_eq!(real, written, "the code on the left, ARCHITECTURE.md on the right");
}

/// A dependency for a file of another crate, which the tests include.
const INCLUDED: (&str, &str) = ("aq-cli", "tokio-postgres");

#[test]
fn declared_dependencies_are_used() {
    for (name, declared) in dependencies(true) {
        let dir = [&*name, name.trim_start_matches("aq-")].map(|dir| root().join(dir));
        let dir = dir.into_iter().find(|dir| dir.is_dir()).unwrap();
        let files = rust_files(&dir).into_iter();
        let code: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
        for part in declared {
            let is_used = code.contains(&part.replace('-', "_"));
            assert!(is_used || (&*name, &*part) == INCLUDED, "{name} has no use for {part}");
        }
    }
}

#[test]
fn pure_crates_are_built_from_pure_parts() {
    let real = dependencies(false);
    for (name, allowed) in PURE {
        let allowed: BTreeSet<String> = allowed.iter().map(|&part| part.to_owned()).collect();
        assert_eq!(real[name], allowed, "dependencies of {name}; a new one must do no I/O");
    }
}

#[test]
fn pure_crates_are_guarded_by_clippy() {
    for (name, _) in PURE {
        let guard = fs::read_to_string(root().join(name).join("clippy.toml")).unwrap();
        for banned in BANNED {
            assert!(guard.contains(&format!("\"{banned}\"")), "{name}/clippy.toml: {banned}");
        }
    }
}

/// The rooms whose code may hold `unsafe`, where no crate has a safe call.
const UNSAFE: [&str; 2] = ["aq-runner/src/process", "aq-sandbox/src/os"];

#[test]
fn unsafe_code_has_its_rooms() {
    let root = root();
    let mut found = BTreeSet::new();
    for name in dependencies(true).keys() {
        let dir = match name.as_str() {
            "aq-benches" | "aq-examples" => continue,
            name => root.join(name).join("src"),
        };
        for file in rust_files(&dir) {
            let text = fs::read_to_string(&file).unwrap();
            if text.contains("unsafe {") || text.contains("unsafe fn") {
                let room = UNSAFE.iter().find(|room| file.starts_with(root.join(room)));
                assert!(room.is_some(), "{} has unsafe code", file.display());
                found.extend(room);
            }
        }
    }
    assert_eq!(found, UNSAFE.iter().collect(), "a room without unsafe code needs no permission");
}

#[test]
fn rooms_of_the_runner_do_not_know_one_another() {
    for room in ROOMS {
        let files = rust_files(&root().join("aq-runner/src").join(room));
        assert!(files.len() > 1, "aq-runner/src/{room} is not there any more");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                for known in modules_named_in(line) {
                    let place = format!("{}:{}: {line}", file.display(), number + 1);
                    assert!(known == room || known == BOTTOM, "{place}");
                }
            }
        }
    }
}

#[test]
fn decisions_of_loop_touch_nothing() {
    let run = root().join("aq-runner/src/run");
    let mut files = rust_files(&run.join("run_loop/loop_core"));
    assert!(files.len() > 5, "the core of the loop is not there any more");
    files.extend(
        ["run_loop/loop_core.rs", "queue/model.rs", "queue/change.rs"].map(|name| run.join(name)),
    );
    // Who listens is none of its business either.
    let listeners = ["fleet", "shadow", "tracker"];
    let world = ["std::fs", "std::env", "std::net", "std::process", "std::thread", "QueueDir"];
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let (place, line) = (format!("{}:{}", file.display(), number + 1), line.to_lowercase());
            let mut known = listeners.iter().chain(&world).chain(&["::now("]);
            let found = known.find(|known| line.contains(&known.to_lowercase()));
            assert!(found.is_none(), "{place} names {}", found.unwrap());
        }
    }
}

/// The modules that follow `crate::` in a line.
fn modules_named_in(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn other_modules_are_seen_in_every_form() {
    let named = |line| modules_named_in(line).collect::<Vec<_>>();
    assert_eq!(named("use crate::store::{Meta, QueueDir};"), ["store"]);
    assert_eq!(
        named("fn f(a: crate::engine::Exit, b: crate::process::Status)"),
        ["engine", "process"]
    );
    assert_eq!(named("use super::error;"), [""; 0]);
    // An empty name is no room either, so this form fails the test as well.
    assert_eq!(named("use crate::{engine, store};"), [""]);
}

/// The rooms of `run/`, and the files beside them, by name; each with those that it uses.
fn rooms_of_run() -> BTreeMap<String, BTreeSet<String>> {
    let run = root().join("aq-runner/src/run");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut found = Vec::new();
    for file in rust_files(&run) {
        let path: Vec<String> = file
            .strip_prefix(&run)
            .unwrap()
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .filter(|part| part != "mod")
            .collect();
        let Some(room) = path.first() else { continue };
        let room = room.clone();
        uses.entry(room.clone()).or_default();
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        // `super::` as often as the file is deep leads to `run`.
        let up = "super::".repeat(path.len());
        for beginning in [up.as_str(), "crate::run::"] {
            let named = code
                .match_indices(beginning)
                .filter(|&(at, _)| !code[..at].ends_with("super::") && !code[..at].ends_with("::"));
            for (at, _) in named {
                let rest = &code[at + beginning.len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                found.push((room.clone(), rest[..end.unwrap_or(rest.len())].to_owned()));
            }
        }
    }
    let is_room: BTreeSet<String> = uses.keys().cloned().collect();
    for (room, used) in found {
        if room != used && is_room.contains(&used) {
            uses.get_mut(&room).unwrap().insert(used);
        }
    }
    uses
}

#[test]
fn rooms_of_run_form_no_circle() {
    let mut left = rooms_of_run();
    assert!(left["operator"].contains("recovery"), "the test sees what it looks for: {left:?}");
    // Those that use nothing that is left go, until none can.
    while let Some(room) = left.iter().find(|(_, uses)| uses.is_empty()).map(|(room, _)| room) {
        let room = room.clone();
        left.remove(&room);
        left.values_mut().for_each(|uses| _ = uses.remove(&room));
    }
    assert_eq!(left, BTreeMap::new(), "these use one another");
}
