//! Two queues whose jobs have one target.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::sandbox::{Sandbox, kill_child, kill_hard, wait_child, wait_for};

/// Two queues with jobs for one target.
struct TwoQueues {
    sandbox: Sandbox,
    other: PathBuf,
}

impl TwoQueues {
    fn new() -> Self {
        let sandbox = Sandbox::with_repository();
        let two = Self { other: sandbox.path("other"), sandbox };
        assert!(two.other(&["init"]).status().unwrap().success());
        two
    }

    /// Gives each queue its check of the target.
    fn check_by(&self, checks: [&str; 2]) {
        for (queue, check) in [self.sandbox.queue(""), self.other.clone()].iter().zip(checks) {
            let text = format!("ship: merge\nmerge:\n  verify: |\n    {check}\n");
            fs::write(queue.join("config.yaml"), text).unwrap();
        }
    }

    fn other(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        self.sandbox.clean(&mut command).stdout(Stdio::null()).arg("--queue").arg(&self.other);
        command.args(args);
        command
    }

    /// Adds jobs to each queue, which are finished then.
    fn add(&self, count: usize) {
        for n in 0..count {
            self.sandbox.add(&format!("a-{n}"), "", &format!("echo {n} > a-{n}.txt"));
            let file = self.sandbox.write(&format!("b-{n}"), "", &format!("echo {n} > b-{n}.txt"));
            assert!(self.other(&["add", file.to_str().unwrap()]).status().unwrap().success());
        }
        self.sandbox.ok(&["run", "--once", "--quiet", "--max", "2"]);
        let run = ["run", "--once", "--quiet", "--max", "2"];
        assert!(self.other(&run).status().unwrap().success());
    }

    fn is_shipped_by_other(&self, job: &str) -> bool {
        self.other.join(format!("shipped/{job}.md")).exists()
    }
}

#[test]
fn queues_share_the_train_of_a_target() {
    let two = TwoQueues::new();
    let sandbox = &two.sandbox;
    let [script, busy, overlaps, checked] =
        ["check", "busy", "overlaps", "checked"].map(|name| sandbox.path(name));
    let text = format!(
        "mkdir {0} || echo >> {1}\ngit rev-parse HEAD >> {2}\nrmdir {0}\n",
        busy.display(),
        overlaps.display(),
        checked.display()
    );
    fs::write(&script, text).unwrap();
    let check = format!("sh {}", script.display());
    two.check_by([&check, &check]);
    let since = sandbox.git(&["rev-parse", "main"]);
    two.add(4);
    let run = ["run", "--once", "--ship", "--max", "2", "--quiet"];
    let mut loops = [sandbox.aq(&run), two.other(&run)].map(|mut run| run.spawn().unwrap());
    assert_eq!(loops.each_mut().map(wait_child), [0, 0]);
    for n in 0..4 {
        let a = format!("a-{n}");
        assert_eq!(sandbox.folders(&a), ["shipped"], "{}", sandbox.log(&a));
        assert!(two.is_shipped_by_other(&format!("b-{n}")));
    }
    assert!(!overlaps.exists(), "one check at a time");
    // Each commit of the target was checked as it is, so on top of the one before.
    let checked = fs::read_to_string(checked).unwrap();
    let line = sandbox.git(&["rev-list", "--first-parent", &format!("{since}..main")]);
    assert_eq!(line.lines().count(), 8, "{line}");
    assert!(line.lines().all(|commit| checked.contains(commit)), "{line}\n{checked}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn killed_trains_leave_the_target_free() {
    let two = TwoQueues::new();
    let sandbox = &two.sandbox;
    let (hold, held) = (sandbox.path("hold"), sandbox.path("held"));
    let check = format!(
        "test ! -e {0} || {{ touch {1}; while test -e {0}; do sleep 0.02; done; }}",
        hold.display(),
        held.display()
    );
    two.check_by([&check, "true"]);
    two.add(1);
    fs::write(&hold, "").unwrap();
    let mut run = sandbox.start_loop(&["--ship"]);
    wait_for("its check", || held.exists());
    let worker = sandbox.worker("a-0");
    let ship = ["run", "--once", "--ship", "--quiet"];
    let mut waits = two.other(&ship).spawn().unwrap();
    kill_child(&mut run);
    assert!(!two.is_shipped_by_other("b-0"), "the worker goes on, and so does its turn");
    kill_hard(worker);
    assert_eq!(wait_child(&mut waits), 0);
    assert!(two.is_shipped_by_other("b-0"));
    fs::remove_file(&hold).unwrap();
    sandbox.ok(&ship);
    assert_eq!(sandbox.folders("a-0"), ["shipped"], "{}", sandbox.log("a-0"));
    assert_eq!(sandbox.git(&["log", "-1", "--format=%s", "main"]), "aq: a-0");
    assert_eq!(sandbox.git(&["show", "main:b-0.txt", "main:a-0.txt"]), "0\n0");
}
