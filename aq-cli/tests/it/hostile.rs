//! Files and file systems that nobody wants: none of them may stop the loop or harm another job.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::sandbox::{Sandbox, cpu_ticks, job_text, wait_child, wait_for};

#[test]
fn files_that_are_no_jobs_end_in_failed_or_stay_and_the_others_run() {
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
fn names_that_lead_out_of_the_queue_are_refused_by_every_verb() {
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
fn a_directory_that_vanished_fails_its_job_and_no_other() {
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
fn a_job_edited_while_it_waits_runs_as_it_was_saved_last() {
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
fn a_job_that_cannot_be_moved_neither_blocks_the_others_nor_keeps_the_loop_busy() {
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

/// A small file system of its own, for as long as this lives.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("SKIPPED: mounting a file system takes root");
        None
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_adds_whole_and_an_end_waits_for_room() {
    let dir = TempDir::with_prefix("aq-test-").unwrap();
    let Some(_disk) = Tmpfs::mount(dir.path(), "1m") else { return };
    let sandbox = Sandbox::at(dir);
    sandbox.add("x", "", "touch there; while [ ! -e go ]; do sleep 0.01; done; echo done");
    let file = sandbox.write("late", "", "true");
    let mut run = sandbox.start_loop(&["--once"]);
    let work = sandbox.work();
    wait_for("the job", || work.join("there").exists());
    // Free nodes are enough, but no free page is left.
    fs::write(work.join("go"), "").unwrap_or_default();
    fs::remove_file(work.join("go")).unwrap();
    let filler = work.join("filler");
    assert!(fs::write(&filler, vec![0; 2 << 20]).is_err());
    let (code, said) = sandbox.code(&[OsStr::new("add"), file.as_os_str()]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("make room"), "{said}");
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
    assert!(sandbox.code(&["status"]).0 == 0);
    fs::File::create(work.join("go")).unwrap();
    wait_for("the end of the agent", || sandbox.agents().is_empty());
    assert_eq!(sandbox.folders("x").len(), 1);
    fs::remove_file(filler).unwrap();
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.folders("x"), ["testing"]);
    assert_eq!(sandbox.meta_value("x", "attempts"), "1");
    sandbox.ok(&[OsStr::new("add"), file.as_os_str()]);
}

#[test]
fn a_queue_that_cannot_be_written_is_said_and_nothing_is_lost() {
    let dir = TempDir::with_prefix("aq-test-").unwrap();
    let Some(disk) = Tmpfs::mount(dir.path(), "4m") else { return };
    let sandbox = Sandbox::at(dir);
    sandbox.add("x", "", "true");
    let file = sandbox.write("late", "", "true");
    disk.remount("ro");
    for args in [&["add", file.to_str().unwrap()][..], &["run", "--once"], &["stop", "x"]] {
        let (code, said) = sandbox.code(args);
        assert_eq!(code, 5, "{args:?}: {said}");
    }
    sandbox.ok(&["status"]);
    disk.remount("rw");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 0);
    assert_eq!(sandbox.folders("x"), ["testing"]);
}
