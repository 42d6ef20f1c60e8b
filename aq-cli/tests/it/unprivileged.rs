//! Jobs of a user who is not root, who cannot remove a file from a directory that he cannot write.
//! When the tests run as root, aq is started as somebody else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;

use crate::sandbox::{PATIENCE, Sandbox, kill_child, kill_hard, skipped, wait_child, wait_for};

/// The user `nobody`, and its group.
const NOBODY: u32 = 65_534;

/// Commands that make something like Go's module cache in a directory.
fn cache(dir: &str) -> String {
    format!(
        r#"mkdir -p "{dir}/mod/cache" "{dir}/mod/example.com@v1/inner"
for file in cache/lock example.com@v1/go.mod example.com@v1/inner/a.go; do
    echo x > "{dir}/mod/$file"
done
ln -s / "{dir}/mod/example.com@v1/link"
chmod -R a-w "{dir}/mod"
chmod 000 "{dir}/mod/example.com@v1/inner"
"#
    )
}

/// A sandbox that belongs to a user who is not root.
struct Unprivileged {
    sandbox: Sandbox,
    program: PathBuf,
    as_nobody: bool,
}

impl Unprivileged {
    /// Makes everything in `sandbox` that user's. `None` where root cannot become one.
    fn new(sandbox: Sandbox) -> Option<Self> {
        if !geteuid().is_root() {
            let program = PathBuf::from(env!("CARGO_BIN_EXE_aq"));
            return Some(Self { sandbox, program, as_nobody: false });
        }
        if !become_nobody().arg("true").status().is_ok_and(|status| status.success()) {
            skipped("root cannot become another user here: `setpriv` is missing");
            return None;
        }
        // The build directory may be in root's home.
        let program = sandbox.path("aq");
        let built = Path::new(env!("CARGO_BIN_EXE_aq"));
        fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).unwrap();
        let unprivileged = Self { sandbox, program, as_nobody: true };
        unprivileged.give_away(&unprivileged.sandbox.path(""));
        Some(unprivileged)
    }

    fn give_away(&self, path: &Path) {
        if *path == self.program {
            return;
        }
        lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.symlink_metadata().unwrap().is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.give_away(&entry.unwrap().path());
            }
        }
    }

    fn aq<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = if self.as_nobody { become_nobody() } else { Command::new("env") };
        self.sandbox.clean(&mut command).arg(&self.program);
        command.arg("--queue").arg(self.sandbox.queue("")).args(args);
        command
    }

    fn ok<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let output = self.aq(args).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{}", said.concat());
        said.concat()
    }

    fn add(&self, name: &str, front: &str, body: &str) {
        let file = self.sandbox.write(name, front, body);
        self.give_away(&file);
        self.ok(&[OsStr::new("add"), file.as_os_str()]);
    }

    /// Runs git as that user; it has to succeed. What it prints.
    fn git(&self, args: &[&str]) -> String {
        let mut command = if self.as_nobody { become_nobody() } else { Command::new("env") };
        let output = self.sandbox.clean(&mut command).arg("git").args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The names in a directory; none when it is not there.
    fn names(&self, dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

fn become_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        format!("--reuid={NOBODY}"),
        format!("--regid={NOBODY}"),
        "--clear-groups".to_owned(),
    ]);
    command
}

#[test]
fn read_only_trees_are_removed_with_their_job() {
    let Some(user) = Unprivileged::new(Sandbox::with_repository()) else { return };
    let sandbox = &user.sandbox;
    let go = sandbox.path("go");
    // The second attempt meets the cache of the first.
    let body = format!(
        "echo /cache/ >.gitignore\n{}if [ ! -e cache ]; then\n{}fi\ntest -e {}",
        cache("$TMPDIR"),
        cache("cache"),
        go.display()
    );
    user.add("a", "", &body);
    let ended = user.aq(&["run", "--once", "--quiet"]).status().unwrap();
    assert_eq!(ended.code(), Some(1), "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["failed"], "{}", sandbox.log("a"));
    assert_eq!(sandbox.scratch(), ["spare-0"], "{}", sandbox.log("a"));
    assert!(sandbox.own("a", "cache/mod").exists());
    fs::write(&go, "").unwrap();
    user.ok(&["requeue", "a"]);
    user.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    user.ok(&["ship", "a"]);
    let said = user.ok(&["clean", "--keep", "0"]);
    assert!(!said.contains("stays"), "{said}");
    assert_eq!(user.names(&sandbox.queue("work")), [""; 0], "{said}");
    assert_eq!(sandbox.scratch(), ["spare-0"]);
    assert!(!sandbox.log("a").contains("cannot be removed"));
}

#[test]
fn read_only_trees_of_dead_workers_are_removed() {
    let Some(user) = Unprivileged::new(Sandbox::new()) else { return };
    let sandbox = &user.sandbox;
    let body = format!("{}touch there; exec sleep {}", cache("$TMPDIR"), PATIENCE.as_secs() * 2);
    user.add("a", "", &body);
    let mut run = user.aq(&["run", "--quiet"]).spawn().unwrap();
    wait_for("the job", || sandbox.work().join("there").exists());
    let worker = sandbox.worker("a");
    kill_child(&mut run);
    kill_hard(worker);
    assert_eq!(sandbox.scratch().len(), 1);
    user.ok(&["recover"]);
    assert_eq!(sandbox.scratch(), [""; 0], "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["inbox"]);
}

#[test]
fn what_cannot_be_removed_is_named() {
    let Some(user) = Unprivileged::new(Sandbox::new()) else { return };
    if !user.as_nobody {
        return skipped("making a file of somebody else takes root");
    }
    let sandbox = &user.sandbox;
    let wait = "touch there; while [ ! -e go ]; do sleep 0.01; done";
    user.add("a", "", &format!("mkdir \"$TMPDIR/theirs\"; {wait}"));
    let mut run = user.aq(&["run", "--quiet", "--once"]).spawn().unwrap();
    wait_for("the job", || sandbox.work().join("there").exists());
    let name = sandbox.scratch().remove(0);
    let theirs = sandbox.path("h/t").join(name).join("theirs");
    fs::write(theirs.join("file"), "x").unwrap();
    lchown(&theirs, Some(0), Some(0)).unwrap();
    fs::write(sandbox.work().join("go"), "").unwrap();
    assert_eq!(wait_child(&mut run), 0);
    let log = sandbox.log("a");
    let file = theirs.join("file");
    let words = format!("{}: belongs to another user (0)", file.display());
    assert!(log.contains(&format!("its TMPDIR cannot be removed: {words}")), "{log}");
    assert_eq!(sandbox.folders("a"), ["testing"]);
}

#[test]
fn protected_files_stop_a_merge_early() {
    let Some(user) = Unprivileged::new(Sandbox::with_repository()) else { return };
    let sandbox = &user.sandbox;
    user.add("a", "ship: merge", "mkdir -p locked/deep; echo 1 > locked/deep/x; echo 1 > y");
    user.ok(&["run", "--once", "--quiet"]);
    let locked = sandbox.work().join("locked");
    fs::create_dir(&locked).unwrap();
    let chmod = |mode| fs::set_permissions(&locked, fs::Permissions::from_mode(mode)).unwrap();
    user.give_away(&locked);
    chmod(0o555);
    let before = user.git(&["rev-parse", "main"]);
    let said = user.ok(&["run", "--once", "--ship"]);
    assert!(said.contains("a stays in testing/: ") && said.contains("locked/deep/x"), "{said}");
    assert_eq!(user.git(&["rev-parse", "main"]), before, "nothing moves");
    assert!(!sandbox.work().join("y").exists());
    chmod(0o755);
    user.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("a"), ["shipped"], "{}", sandbox.log("a"));
    assert!(locked.join("deep/x").exists());
}
