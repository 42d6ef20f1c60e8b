//! The `TMPDIR` of a job: where it is, who may use it, and what becomes of it.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::sandbox::{Sandbox, is_alive, kill_child, kill_hard, wait_for};

/// A job that says what it finds out about its own.
const LOOK: &str = r#"stat -c 'mode %a' "$TMPDIR"
echo "path $TMPDIR"
ls -A "$TMPDIR" | sed 's/^/has /'
if git -C "$TMPDIR" rev-parse --show-toplevel; then echo inside; fi"#;

/// The value of a line of a job's log.
fn said(sandbox: &Sandbox, job: &str, key: &str) -> String {
    let log = sandbox.log(job);
    let line = log.lines().rev().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key:?}: {log}")).trim().to_owned()
}

#[test]
fn it_is_short_private_and_outside_checkouts() {
    let sandbox = Sandbox::with_repository();
    let setup = r#"setup: test -d "$TMPDIR" && touch "$TMPDIR/of-setup""#;
    let verify = r#"verify: test -d "$TMPDIR" && ! test -e "$TMPDIR/of-setup""#;
    sandbox.add("a", &format!("{setup}\n{verify}"), LOOK);
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    let path = PathBuf::from(said(&sandbox, "a", "path "));
    assert_eq!(said(&sandbox, "a", "mode "), "700");
    assert!(path.as_os_str().len() <= 40, "{path:?}");
    assert_eq!(path.parent(), Some(&*sandbox.path("h/t")));
    assert!(!sandbox.log("a").contains("inside"), "{}", sandbox.log("a"));
    assert!(!path.exists());
    assert_eq!(sandbox.scratch(), ["spare-0"]);
    assert_eq!(fs::read_dir(sandbox.queue(".state/tmp")).unwrap().count(), 0);
}

#[test]
fn config_names_the_first_place() {
    let sandbox = Sandbox::new();
    for name in ["mine", "open"] {
        fs::create_dir(sandbox.path(name)).unwrap();
    }
    fs::set_permissions(sandbox.path("open"), PermissionsExt::from_mode(0o777)).unwrap();
    let run = |job: &str, tmp: &Path| {
        fs::write(sandbox.queue("config.yaml"), format!("tmp: {}\n", tmp.display())).unwrap();
        sandbox.add(job, "", LOOK);
        sandbox.ok(&["run", "--once", "--quiet"]);
        PathBuf::from(said(&sandbox, job, "path "))
    };
    assert!(run("a", &sandbox.path("mine")).starts_with(sandbox.path("mine")));
    assert!(!sandbox.log("a").contains("does not do"));
    // One that does not do is passed over, and the log says why.
    assert!(run("b", &sandbox.path("open")).starts_with(sandbox.path("h/t")));
    let warning = "`tmp` in config.yaml does not do for a TMPDIR: ";
    assert!(sandbox.log("b").contains(warning), "{}", sandbox.log("b"));
    assert!(sandbox.log("b").contains("others can write in it"), "{}", sandbox.log("b"));

    fs::write(sandbox.queue("config.yaml"), "max: 1\ntmp: mine\n").unwrap();
    let (code, problem) = sandbox.code(&["run", "--once"]);
    assert_eq!(code, 2, "{problem}");
    assert!(problem.contains("config.yaml:2:6: tmp: \"mine\" is no absolute"), "{problem}");
}

#[test]
fn without_place_no_attempt_counts() {
    let mut sandbox = Sandbox::new();
    // In a repository, so that the system's places are all that is left.
    fs::create_dir_all(sandbox.path("h/.git")).unwrap();
    sandbox.add("first", "", LOOK);
    sandbox.add("next", "", LOOK);
    fs::rename(sandbox.queue("inbox/next.md"), sandbox.path("next")).unwrap();
    sandbox.ok(&["run", "--once", "--quiet"]);
    let place = format!("aq-{}", geteuid());
    let path = PathBuf::from(said(&sandbox, "first", "path "));
    assert_eq!(path.parent(), Some(&*Path::new("/var/tmp").join(&place)));
    // The same job again, while somebody else is at work in each directory of that name.
    sandbox.set("AQ_HOME", sandbox.path("h"));
    let taken = ["/var/tmp", "/tmp"].map(|dir| {
        let dir = Path::new(dir).join(&place).join(path.file_name().unwrap());
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).unwrap();
        let lock = File::open(&dir).unwrap();
        lock.lock().unwrap();
        (dir, lock)
    });
    fs::rename(sandbox.queue("testing/first.md"), sandbox.queue("inbox/first.md")).unwrap();
    let mut run = sandbox.start_loop(&[]);
    wait_for("the refusal", || sandbox.log("first").contains("not started: "));
    sandbox.wait_for_stage("first", "inbox");
    kill_child(&mut run);
    let log = sandbox.log("first");
    let why = log.lines().rev().find(|line| line.contains("not started: ")).unwrap();
    for (dir, _) in &taken {
        let busy = format!("another process is at work in {}", dir.display());
        assert!(why.contains(&busy), "{why}");
    }
    assert!(why.contains("/h/t: it is inside the repository "), "{why}");
    assert!(why.contains("set `tmp` in config.yaml"), "{why}");
    assert_eq!(sandbox.meta_value("first", "attempts"), "1", "only the first counts");
    assert!(sandbox.meta_value("first", "message").starts_with("there is no place"));
    assert!(taken.iter().all(|(dir, _)| dir.exists()));
    for (dir, lock) in taken {
        fs::remove_dir(dir).unwrap();
        drop(lock);
    }
}

#[test]
fn recovery_removes_what_a_dead_worker_left() {
    let sandbox = Sandbox::new();
    let body = r#"mkdir -p "$TMPDIR/a/b"; touch "$TMPDIR/a/b/c"; chmod -R a-w "$TMPDIR/a"
touch there; exec sleep 1000"#;
    sandbox.add("a", "", body);
    // An agent of an older version had its own in the queue.
    fs::create_dir_all(sandbox.queue(".state/tmp/a/b")).unwrap();
    let mut run = sandbox.start_loop(&[]);
    wait_for("the job", || sandbox.work().join("there").exists());
    let worker = sandbox.worker("a");
    kill_child(&mut run);
    kill_hard(worker);
    assert_eq!(sandbox.scratch().len(), 1);
    sandbox.ok(&["recover"]);
    assert_eq!(sandbox.scratch(), [""; 0]);
    assert!(!sandbox.queue(".state/tmp/a").exists());
    assert!(!is_alive(worker));
    assert_eq!(sandbox.folders("a"), ["inbox"]);
}
