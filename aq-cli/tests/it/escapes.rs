//! Attempts to get out of a box, each refused. The scripts know nothing of how a box is made.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::architecture::root;
use crate::sandbox::skipped;

/// The user `nobody`, and its group.
const NOBODY: u32 = 65_534;

/// Somebody who tries to get out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prisoner {
    /// Whoever runs the tests.
    Oneself,
    /// A user without rights, where the tests run as root.
    Nobody,
}

impl Prisoner {
    /// A command of this user.
    fn command(self, program: &Path) -> Command {
        if self == Self::Oneself {
            return Command::new(program);
        }
        let id = NOBODY.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
        command
    }
}

/// A python that every user may run; that of a version manager is in root's home.
fn python() -> Option<PathBuf> {
    let known = ["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from);
    known.into_iter().find(|path| path.exists())
}

/// A place that is no temporary one, as a box has those to itself, and that every user reaches.
fn place() -> TempDir {
    let dir = TempDir::with_prefix_in("escapes-", env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Tests for the level `full`, which these tests are about.
fn has_full_boxes(aq: &Path, prisoner: Prisoner) -> bool {
    let tried = prisoner.command(aq).args(["box", "--try"]).output().unwrap();
    let tried: serde_json::Value = serde_json::from_slice(&tried.stdout).unwrap();
    let parts = ["namespaces", "proc", "network"].map(|part| tried.get(part));
    parts.into_iter().all(|part| part.expect("a part that is tried").is_null())
}

fn try_escapes(prisoner: Prisoner, mode: &str) {
    let Some(python) = python() else {
        return skipped("no python3 that every user may run: no escape was tried");
    };
    if prisoner == Prisoner::Nobody && !geteuid().is_root() {
        return skipped("only root can become another user");
    }
    let place = place();
    let aq = place.path().join("aq");
    let built = Path::new(env!("CARGO_BIN_EXE_aq"));
    fs::hard_link(built, &aq).or_else(|_| fs::copy(built, &aq).map(drop)).unwrap();
    let scripts = place.path().join("escapes");
    let source = root().join("aq-sandbox/tests/escapes");
    let copied = Command::new("cp").arg("-r").args([&source, &scripts]).status().unwrap();
    assert!(copied.success());
    let base = place.path().join("worlds");
    fs::create_dir(&base).unwrap();
    if prisoner == Prisoner::Nobody {
        lchown(&base, Some(NOBODY), Some(NOBODY)).unwrap();
        if !prisoner.command(&aq).arg("--version").status().is_ok_and(|status| status.success()) {
            return skipped("the build directory is not for every user");
        }
    }
    if !has_full_boxes(&aq, prisoner) {
        return skipped("this system gives no sandbox of the level full");
    }
    let mut run = prisoner.command(&python);
    run.arg(scripts.join("run.py")).args(["--mode", mode, "--base"]).arg(&base).arg("--");
    run.arg(&aq).args(["sandbox", "--hide", "{queue}", "--hide", "{other}"]);
    if mode == "strict" {
        run.arg("--strict");
    }
    let tried = run.arg("--").env("HOME", &base).output().unwrap();
    let table = String::from_utf8_lossy(&tried.stdout).into_owned();
    let words = String::from_utf8_lossy(&tried.stderr);
    assert!(tried.status.success(), "{prisoner:?}, {mode}\n{table}\n{words}");
    let held = table.lines().filter(|line| line.starts_with("held ")).count();
    assert!(held > 30, "too few were tried\n{table}\n{words}");
}

#[test]
fn escapes_are_refused() {
    try_escapes(Prisoner::Oneself, "workspace");
}

#[test]
fn escapes_from_strict_are_refused() {
    try_escapes(Prisoner::Oneself, "strict");
}

#[test]
fn escapes_of_nobody_are_refused() {
    try_escapes(Prisoner::Nobody, "workspace");
}

#[test]
fn strict_escapes_of_nobody_are_refused() {
    try_escapes(Prisoner::Nobody, "strict");
}
