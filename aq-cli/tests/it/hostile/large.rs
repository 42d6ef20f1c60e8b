//! Files of a gigabyte where some hundred bytes are expected. They are sparse: aq does not notice,
//! and no disk is filled.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::surroundings::{bounded, is_well};
use crate::sandbox::{Sandbox, job_text};

fn make_large(path: &Path) {
    make_longer(path, 1 << 30);
}

fn make_longer(path: &Path, length: u64) {
    let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn gigabyte_inputs_are_refused_unread() {
    let sandbox = Sandbox::new();
    let words = "it has 1073741824 bytes; expected less than 1048576";
    let file = sandbox.write("large", "", "true");
    make_large(&file);
    for verb in ["check", "add"] {
        let (code, said) = bounded(&sandbox, &[verb, file.to_str().unwrap()]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(words), "{said}");
    }
    make_large(&sandbox.queue("profiles/large.yaml"));
    let user = sandbox.write("user", "profile: large", "true");
    for args in [&["add", user.to_str().unwrap()][..], &["profiles"]] {
        let (code, said) = bounded(&sandbox, args);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(words), "{said}");
    }
    make_large(&sandbox.queue("config.yaml"));
    let (code, said) = bounded(&sandbox, &["status"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("config.yaml: it has 1073741824 bytes"), "{said}");
    fs::remove_file(sandbox.queue("config.yaml")).unwrap();
    fs::rename(file, sandbox.queue("inbox/large.md")).unwrap();
    fs::rename(user, sandbox.queue("inbox/user.md")).unwrap();
    let (code, said) = bounded(&sandbox, &["run", "--once"]);
    assert_eq!(code, 1, "{said}");
    for id in ["large", "user"] {
        assert_eq!(sandbox.folders(id), ["failed"], "{id}");
        assert!(sandbox.log(id).contains(words), "{id}: {}", sandbox.log(id));
    }
    // To the checker it is no job, as it is none to aq.
    fs::remove_file(sandbox.queue("failed/large.md")).unwrap();
    is_well(&sandbox);
}

/// Real bytes, and a prompt just below the limit.
#[test]
fn the_limit_of_a_job_file_is_a_mebibyte() {
    let sandbox = Sandbox::new();
    let text = job_text("", "");
    for (name, length, code) in [("below", (1 << 20) - 1, 0), ("at", 1 << 20, 2)] {
        let path = sandbox.path(&format!("{name}.md"));
        fs::write(&path, format!("{text}{}", "#".repeat(length - text.len()))).unwrap();
        let (ended, said) = bounded(&sandbox, &["add", path.to_str().unwrap()]);
        assert_eq!(ended, code, "{name}: {said}");
    }
    is_well(&sandbox);
    assert_eq!(sandbox.folders("below"), ["testing"]);
}

/// Files that aq itself keeps, blown up by somebody: each is read up to a bound or not at all.
#[test]
fn gigabyte_state_takes_bounded_memory() {
    let sandbox = Sandbox::new();
    for name in [".state/engines.json", ".state/host-tools.json", ".state/daemon.pid"] {
        make_large(&sandbox.queue(name));
    }
    for id in ["record", "lines"] {
        sandbox.add(id, "", "true");
        // Searched through once for a torn line, which takes its time without optimization.
        make_longer(&sandbox.queue(&format!(".state/meta/{id}.meta")), 100 << 20);
    }
    append(&sandbox.queue(".state/meta/lines.meta"), "\nresult=crash\n");
    sandbox.add("keyed", "idempotency-key: k", "true");
    for entry in fs::read_dir(sandbox.queue(".state/keys")).unwrap() {
        make_large(&entry.unwrap().path());
    }
    make_large(&sandbox.queue("logs/keyed.log"));
    append(&sandbox.queue("logs/keyed.log"), "\n");
    for args in [&["status"][..], &["status", "--json"], &["why", "record"], &["why", "keyed"]] {
        let (code, said) = bounded(&sandbox, args);
        assert_eq!(code, 0, "{args:?}: {said}");
    }
    let (code, said) = bounded(&sandbox, &["run", "--once"]);
    assert_eq!(code, 0, "{said}");
    for id in ["record", "lines", "keyed"] {
        assert_eq!(sandbox.folders(id), ["testing"], "{id}: {said}");
    }
    let (code, said) = bounded(&sandbox, &["logs", "keyed", "-n", "1"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("--- aq "), "{said}");
    // The checker reads whole files; these go away with their jobs.
    sandbox.ok(&["ship", "record", "lines", "keyed"]);
    sandbox.ok(&["clean", "--keep", "0"]);
    fs::remove_dir_all(sandbox.queue(".archive")).unwrap();
    for id in ["record", "lines", "keyed"] {
        fs::remove_file(sandbox.queue(&format!("shipped/{id}.md"))).unwrap();
    }
    fs::remove_dir_all(sandbox.queue(".state/keys")).unwrap();
    fs::create_dir(sandbox.queue(".state/keys")).unwrap();
    is_well(&sandbox);
}
