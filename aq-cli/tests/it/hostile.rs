//! Things that nobody wants in a queue: none of it may stop the loop or harm another job.
//! `docs/hostile-input.md` has the list.

mod bombs;
mod clock;
mod disk;
mod endless;
mod floods;
mod large;
mod paths;
mod surroundings;
mod yaml;

pub(crate) use clock::{WallClock, is_a_year_off};
pub(crate) use disk::Tmpfs;
pub(crate) use surroundings::{of_status, peak_kib};

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sandbox::{Sandbox, cpu_ticks, job_text, kill_child, wait_child, wait_for};

#[test]
fn stray_files_do_not_stop_jobs() {
    let sandbox = Sandbox::new();
    let inbox = |name: &str| sandbox.queue(&format!("inbox/{name}"));
    fs::write(inbox("huge.md"), vec![b'x'; 3 << 20]).unwrap();
    fs::write(inbox("latin.md"), b"---\nengine: shell\n---\nna\xefve\n").unwrap();
    fs::write(inbox("nul.md"), [0; 4096]).unwrap();
    fs::write(inbox("torn.md"), "---\nengine: she").unwrap();
    fs::write(sandbox.path("secret"), "---\nengine: shell\n---\necho leaked >>trace").unwrap();
    symlink(sandbox.path("secret"), inbox("link.md")).unwrap();
    symlink("nowhere", inbox("dangling.md")).unwrap();
    fs::create_dir(inbox("folder.md")).unwrap();
    nix::unistd::mkfifo(&inbox("pipe.md"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let strange: Vec<PathBuf> =
        [&b"..md"[..], b"...md", b".hidden.md", b"a b.md", b"-x.md", b"\xff.md"]
            .iter()
            .map(|name| sandbox.queue("inbox").join(OsStr::from_bytes(name)))
            .collect();
    for path in &strange {
        fs::write(path, job_text("", "echo strange >>trace")).unwrap();
    }
    sandbox.add("good", "", "echo good >>trace");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    assert_eq!(sandbox.folders("good"), ["testing"]);
    for id in ["huge", "latin", "nul", "torn", "link", "dangling", "folder", "pipe"] {
        assert_eq!(sandbox.folders(id), ["failed"], "{id}");
        assert_eq!(sandbox.meta_value(id, "result"), "invalid_manifest", "{id}");
        assert!(!sandbox.log(id).is_empty(), "{id}");
    }
    assert!(strange.iter().all(|path| path.exists()));
    assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "good\n");
    sandbox.ok(&["status"]);
}

#[test]
fn every_verb_refuses_leading_out() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("x", "", "true");
    for name in ["..", "../x", ".x", "a/../../b", "a\nb", "", "a b", "-"] {
        let add = ["add", file.to_str().unwrap(), "--name", name];
        assert_eq!(sandbox.code(&add).0, 2, "add {name:?}");
        for verb in ["stop", "requeue", "ship", "logs", "why"] {
            let (code, said) = sandbox.code(&[verb, "--", name]);
            assert!([2, 3].contains(&code), "{verb} {name:?}: {code}: {said}");
        }
    }
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
}

#[test]
fn vanished_directory_fails_its_job() {
    let sandbox = Sandbox::new();
    let gone = sandbox.path("gone");
    fs::create_dir(&gone).unwrap();
    sandbox.add("x", &format!("cwd: {}", gone.display()), "true");
    sandbox.add("y", "", "true");
    fs::remove_dir(gone).unwrap();
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    assert_eq!(sandbox.meta_value("x", "result"), "setup_failed");
    assert_eq!(sandbox.folders("y"), ["testing"]);
}

#[test]
fn edited_job_runs_as_saved() {
    let sandbox = Sandbox::new();
    sandbox.add("gate", "priority: high", "while [ ! -e go ]; do sleep 0.01; done");
    sandbox.add("x", "", "echo before >>trace");
    let mut run = sandbox.start_loop(&["--once"]);
    sandbox.wait_for_stage("gate", "building");
    let file = sandbox.queue("inbox/x.md");
    // As an editor that writes in place: for a moment the file is empty, which is a valid job.
    fs::write(&file, "").unwrap();
    fs::write(sandbox.work().join("go"), "").unwrap();
    wait_for("a free slot", || sandbox.jobs("testing") == ["gate"]);
    fs::write(&file, job_text("", "echo after >>trace")).unwrap();
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "after\n");
}

/// A job whose move is blocked: something else has the name that it must get.
#[test]
fn unmovable_job_blocks_nobody() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "true");
    sandbox.add("y", "", "true");
    fs::rename(sandbox.queue("inbox/x.md"), sandbox.queue("building/x.md")).unwrap();
    let meta = sandbox.queue(".state/meta/x.meta");
    let text = fs::read_to_string(&meta).unwrap() + "attempt=1\nmoved_to=testing\n";
    fs::write(&meta, text).unwrap();
    fs::create_dir(sandbox.queue("testing/x.md")).unwrap();
    let mut run = sandbox.start_loop(&["--once"]);
    sandbox.wait_for_stage("y", "testing");
    let before = cpu_ticks(run.id());
    std::thread::sleep(Duration::from_millis(300));
    let spent = cpu_ticks(run.id()) - before;
    assert!(spent < 6, "{spent} hundredths of a second of processor time in 300 ms");
    assert!(run.try_wait().unwrap().is_none(), "it waits for the trouble to pass");
    fs::remove_dir(sandbox.queue("testing/x.md")).unwrap();
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.folders("x"), ["testing"]);
}

/// The program was taken away under a running loop, as an upgrade does for a moment.
#[test]
fn unstartable_worker_costs_no_attempt() {
    let sandbox = Sandbox::new();
    let program = sandbox.path("aq-copy");
    fs::copy(env!("CARGO_BIN_EXE_aq"), &program).unwrap();
    let mut command = Command::new(&program);
    sandbox.clean(&mut command).arg("--queue").arg(sandbox.queue("")).args(["run", "--quiet"]);
    let mut run = command.stderr(Stdio::null()).spawn().unwrap();
    wait_for("the loop", || sandbox.queue(".state/daemon.pid").exists());
    sandbox.add("first", "", "true");
    sandbox.wait_for_stage("first", "testing");
    fs::rename(&program, sandbox.path("aside")).unwrap();
    sandbox.add("x", "", "true");
    let meta = || fs::read_to_string(sandbox.queue(".state/meta/x.meta")).unwrap();
    wait_for("the first try", || meta().contains("attempt=1"));
    let before = cpu_ticks(run.id());
    std::thread::sleep(Duration::from_millis(400));
    assert!(cpu_ticks(run.id()) - before < 8);
    assert_eq!(meta().matches("attempt=1").count(), 1);
    assert_eq!(sandbox.folders("x"), ["inbox"]);
    fs::rename(sandbox.path("aside"), &program).unwrap();
    sandbox.wait_for_stage("x", "testing");
    assert_eq!(sandbox.meta_value("x", "attempts"), "1");
    kill_child(&mut run);
}
