//! A power cut undoes what was not synced: a write that the disk has not seen, a name that its directory
//! has not. Here the system calls of a command are replayed onto a disk that forgets the most that a real
//! one may, and what the command has promised has to be on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::injection::{can_trace, traced};
use crate::sandbox::{STAGES, Sandbox};

/// The calls that change files, and those that make changes last.
const CALLS: &str = "openat,write,pwrite64,ftruncate,rename,renameat,renameat2,link,linkat,unlink,\
                     unlinkat,fsync,fdatasync,syncfs";

/// What a command did.
struct Traced {
    /// The files that were there before.
    before: BTreeSet<PathBuf>,
    /// Its calls, one a line.
    calls: Vec<String>,
}

/// Runs a command, which goes well.
fn run(sandbox: &Sandbox, args: &[&str]) -> Traced {
    let before = files(&sandbox.queue(""));
    let options = ["-s", "0", "-e", &format!("trace={CALLS}")];
    let (output, seen) = traced(sandbox, &options, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Traced { before, calls: seen.lines().map(str::to_owned).collect() }
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path());
        }
    }
    found
}

/// What a power cut would undo.
#[derive(Debug, Default)]
struct Disk {
    /// Files that no call made.
    known: BTreeSet<PathBuf>,
    /// Files with writes that are not synced.
    dirty: BTreeSet<PathBuf>,
    /// Names that came to their directory and are not synced there.
    unsure: BTreeSet<PathBuf>,
    /// Job files that were put in their place before they were whole on the disk.
    torn: Vec<PathBuf>,
}

impl Disk {
    fn after(queue: &Path, traced: &Traced) -> Self {
        let mut disk = Self { known: traced.before.clone(), ..Self::default() };
        for call in traced.calls.iter().filter(|call| !call.contains(" = -1 ")) {
            disk.follow(queue, call);
        }
        disk
    }

    fn follow(&mut self, queue: &Path, call: &str) {
        let Some((head, _)) = call.split_once('(') else { return };
        let name = head.rsplit(' ').next().unwrap_or_default();
        // The path that the descriptor stands for: the first one between `<` and `>`.
        let of_descriptor = || {
            let (_, rest) = call.split_once('<')?;
            Some(PathBuf::from(rest.split_once('>')?.0))
        };
        match name {
            "openat" if call.contains("O_CREAT") => {
                if let Some((_, opened)) = call.rsplit_once(" = ")
                    && let Some((_, path)) = opened.split_once('<')
                {
                    let path = PathBuf::from(path.trim_end_matches('>'));
                    if !self.known.contains(&path) {
                        self.unsure.insert(path);
                    }
                }
            }
            "write" | "pwrite64" | "ftruncate" => {
                self.dirty.extend(of_descriptor().filter(|path| path.starts_with(queue)));
            }
            "fsync" | "fdatasync" => {
                let Some(path) = of_descriptor() else { return };
                self.dirty.remove(&path);
                self.unsure.retain(|name| name.parent() != Some(&path));
            }
            "syncfs" => {
                self.dirty.clear();
                self.unsure.clear();
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let paths: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
                let [from, to] = paths[..] else { panic!("{call}") };
                self.renamed(queue, Path::new(from), Path::new(to));
            }
            "unlink" | "unlinkat" => {
                let Some(path) = call.split('"').nth(1) else { return };
                self.dirty.remove(Path::new(path));
                self.unsure.remove(Path::new(path));
            }
            _ => {}
        }
    }

    fn renamed(&mut self, queue: &Path, from: &Path, to: &Path) {
        let is_stage = STAGES.iter().any(|stage| to.parent() == Some(&queue.join(stage)));
        if self.dirty.remove(from) {
            self.dirty.insert(to.to_owned());
            if is_stage {
                self.torn.push(to.to_owned());
            }
        }
        self.unsure.remove(from);
        self.unsure.insert(to.to_owned());
    }

    /// Whether a file would be there after the cut, whole and under its name.
    fn has(&self, path: &Path) -> Result<(), String> {
        let path = path.to_owned();
        if self.dirty.contains(&path) {
            return Err(format!("{} is not synced", path.display()));
        }
        if self.unsure.contains(&path) {
            return Err(format!("the name {} is not synced", path.display()));
        }
        Ok(())
    }
}

/// The first of these jobs that would not survive in this folder with its record.
fn lost(sandbox: &Sandbox, traced: &Traced, stage: &str, jobs: &[&str]) -> Result<(), String> {
    let queue = sandbox.queue("");
    let disk = Disk::after(&queue, traced);
    if let Some(torn) = disk.torn.first() {
        return Err(format!("{} was in its place before it was synced", torn.display()));
    }
    for job in jobs {
        disk.has(&queue.join(stage).join(format!("{job}.md")))?;
        disk.has(&queue.join(format!(".state/meta/{job}.meta")))?;
    }
    for key in fs::read_dir(queue.join(".state/keys")).unwrap() {
        let path = key.unwrap().path();
        // That somebody waits for a key only lets `add` refuse a circle sooner than the loop would.
        if fs::read_to_string(&path).unwrap().contains("\njob=") {
            disk.has(&path)?;
        }
    }
    Ok(())
}

/// What the command has promised survives, and would not without its syncs.
fn survives(sandbox: &Sandbox, args: &[&str], stage: &str, jobs: &[&str]) {
    let traced = run(sandbox, args);
    let whole = lost(sandbox, &traced, stage, jobs);
    assert_eq!(whole, Ok(()), "aq {}: {:#?}", args.join(" "), traced.calls);
    for sync in ["fsync(", "fdatasync(", "syncfs("] {
        let calls: Vec<String> =
            traced.calls.iter().filter(|call| !call.contains(sync)).cloned().collect();
        let without = Traced { before: traced.before.clone(), calls };
        let needed = without.calls.len() == traced.calls.len()
            || lost(sandbox, &without, stage, jobs).is_err();
        assert!(needed, "aq {}: {sync}) makes no difference", args.join(" "));
    }
}

#[test]
fn what_was_promised_outlives_a_power_cut() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::new();
    let one = sandbox.write("one", "idempotency-key: k\ndeps: [other]", "true");
    survives(&sandbox, &["add", one.to_str().unwrap()], "inbox", &["one"]);

    let many: Vec<PathBuf> = (0..20)
        .map(|n| sandbox.write(&format!("m{n}"), &format!("idempotency-key: k{n}"), "true"))
        .collect();
    let names: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut args = vec!["add"];
    args.extend(many.iter().map(|path| path.to_str().unwrap()));
    survives(&sandbox, &args, "inbox", &names);

    sandbox.add("good", "", "true");
    sandbox.add("bad", "", "false");
    sandbox.ok(&["stop", "one"]);
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    survives(&sandbox, &["ship", "good"], "shipped", &["good"]);
    survives(&sandbox, &["requeue", "bad"], "inbox", &["bad"]);
    survives(&sandbox, &["reject", "m3", "--reason", "no"], "failed", &["m3"]);
    survives(&sandbox, &["stop", "bad"], "failed", &["bad"]);
}
