//! File systems that are full, fill up while jobs run, or cannot be written.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::surroundings::{is_well, peak_kib};
use crate::sandbox::{Sandbox, cpu_ticks, skipped, wait_child, wait_for};

/// A small file system of its own, for as long as this lives.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        skipped("mounting a file system takes root");
        None
    }

    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        // The sandbox, which is dropped before, could only empty what was mounted.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn full_disk_refuses_adds_whole() {
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
fn loop_starts_on_full_disk() {
    let dir = TempDir::with_prefix("aq-test-").unwrap();
    let Some(_disk) = Tmpfs::mount(dir.path(), "1m") else { return };
    let sandbox = Sandbox::at(dir);
    sandbox.add("x", "", "true");
    let filler = sandbox.path("filler");
    assert!(fs::write(&filler, vec![0; 2 << 20]).is_err());
    let mut run = sandbox.start_loop(&["--once"]);
    let told = || fs::read_to_string(sandbox.queue(".state/daemon.pid"));
    wait_for("the lock of the loop", || told().is_ok());
    assert_eq!(told().unwrap(), "", "there is no room for it");
    fs::remove_file(&filler).unwrap();
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.folders("x"), ["testing"]);
    assert_eq!(sandbox.meta_value("x", "attempts"), "1");

    // One that was killed left its words, and the next has room for its own in their place.
    sandbox.add("y", "", "sleep 600");
    let mut run = sandbox.start_loop(&[]);
    sandbox.wait_for_stage("y", "building");
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(fs::write(&filler, vec![0; 2 << 20]).is_err());
    let mut run = sandbox.start_loop(&[]);
    let pid = format!("pid={}\n", run.id());
    wait_for("the words of the next loop", || told().is_ok_and(|text| text.contains(&pid)));
    assert!(sandbox.ok(&["status"]).contains(&format!("process {}", run.id())));
    sandbox.ok(&["stop"]);
    wait_child(&mut run);
    fs::remove_file(&filler).unwrap();
    sandbox.ok(&["stop", "y"]);
    wait_for("the workers", || sandbox.workers().is_empty());
    is_well(&sandbox);
}

#[test]
fn read_only_queue_loses_nothing() {
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

/// Neither the index nor a commit can be written when the agent ends.
#[test]
fn uncommitted_work_is_merged_later() {
    let dir = TempDir::with_prefix("aq-test-").unwrap();
    let Some(_disk) = Tmpfs::mount(dir.path(), "8m") else { return };
    let sandbox = Sandbox::at(dir);
    sandbox.make_repository();
    let filler = sandbox.path("filler");
    let fill = format!("head -c 32M /dev/zero >{} 2>/dev/null", filler.display());
    // The last pages, too.
    let body = format!("echo precious >work.txt; {fill}; cat /dev/zero >rest 2>/dev/null; true");
    sandbox.add("x", "", &body);
    sandbox.add("other", "deps: [nothing]", "true");
    let mut run = sandbox.start_loop(&["--once"]);
    // Its record has room in the page that it has already.
    wait_for("the commit that cannot be made", || {
        sandbox.queue(".state/meta/x.meta").exists()
            && !sandbox.meta_value("x", "checkpoint_error").is_empty()
    });
    fs::remove_file(&filler).unwrap();
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.folders("x"), ["testing"], "{}", sandbox.log("x"));
    let error = sandbox.meta_value("x", "checkpoint_error");
    assert!(error.contains("No space left on device"), "{error}");
    assert!(sandbox.own("x", "work.txt").exists());
    fs::remove_file(sandbox.own("x", "rest")).unwrap();
    let said = sandbox.ok(&["ship", "x", "--merge"]);
    assert_eq!(said, "x is merged into main and shipped\n");
    assert_eq!(sandbox.git(&["show", "main:work.txt"]), "precious");
    assert_eq!(sandbox.meta_value("x", "checkpoint_error"), "");
    is_well(&sandbox);
}

/// A job prints until the disk is full, and another one has work to do at that moment.
#[test]
fn filling_disk_holds_jobs_up() {
    let dir = TempDir::with_prefix("aq-test-").unwrap();
    let Some(_disk) = Tmpfs::mount(dir.path(), "4m") else { return };
    let sandbox = Sandbox::at(dir);
    sandbox.add("flood", "", "yes \"$(seq -s . 200)\" 2>/dev/null | head -c 16M");
    sandbox.add("writer", "", "until [ -e go ]; do sleep 0.01; done; echo text >file");
    sandbox.add("behind", "lock: l\ndeps: [k]", "true");
    sandbox.add("before", "lock: l\nidempotency-key: k", "until [ -e go ]; do sleep 0.01; done");
    let mut run = sandbox.start_loop(&["--once", "--ship", "--max", "3"]);
    sandbox.wait_for_stage("writer", "building");
    sandbox.wait_for_stage("before", "building");
    let flood = sandbox.queue("logs/flood.log");
    wait_for("a full disk", || {
        nix::sys::statvfs::statvfs(&flood).is_ok_and(|disk| disk.blocks_available() == 0)
    });
    wait_for("the end of the flood", || {
        sandbox.job_processes().iter().all(|(_, job)| job != "flood")
    });
    // An empty file takes no page.
    fs::File::create(sandbox.work().join("go")).unwrap();
    wait_for("the ends of the others", || sandbox.agents().is_empty());
    // Their ends cannot be written down. Nobody has lost anything, and nobody is busy.
    for id in ["flood", "writer", "behind", "before"] {
        assert_eq!(sandbox.folders(id).len(), 1, "{id}");
    }
    let doctor = sandbox.code(&["doctor"]).1;
    assert!(doctor.contains("only 0 MiB are free on the queue's file system"), "{doctor}");
    assert!(doctor.contains("make room: `aq clean`"), "{doctor}");
    let status = sandbox.ok(&["status"]);
    assert!(status.contains("flood"), "{status}");
    let before = cpu_ticks(run.id());
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(cpu_ticks(run.id()) - before < 6);
    assert!(peak_kib(run.id()) < 16 << 10, "{}", peak_kib(run.id()));

    // A person makes room.
    fs::OpenOptions::new().write(true).open(&flood).unwrap().set_len(0).unwrap();
    let code = wait_child(&mut run);
    // What was to be printed or written to a full disk may have failed, and says so.
    assert!(code == 0 || code == 1, "{code}");
    assert_eq!(sandbox.folders("flood"), ["shipped"], "{}", sandbox.log("flood"));
    let lost = sandbox.meta_value("flood", "log_incomplete");
    assert!(lost.starts_with("a part of its log is missing: No space left"), "{lost}");
    assert_eq!(sandbox.meta_value("writer", "attempts"), "1");
    assert_eq!(sandbox.folders("before"), ["shipped"]);
    assert_eq!(sandbox.folders("behind"), ["shipped"]);
    is_well(&sandbox);
}

#[test]
fn tmpdirs_need_room_and_execution() {
    for (size, options, words) in [
        ("128m", "noexec", "does not allow executing (noexec)"),
        ("128m", "nr_inodes=500", "more files can be made, and a job should have 1000"),
        ("1m", "rw", "MiB are free, and a job should have 64"),
        ("128m", "exec", ""),
    ] {
        let dir = TempDir::with_prefix("aq-test-").unwrap();
        let sandbox = Sandbox::new();
        let Some(disk) = Tmpfs::mount(dir.path(), size) else { return };
        disk.remount(options);
        fs::write(sandbox.queue("config.yaml"), format!("tmp: {}\n", dir.path().display()))
            .unwrap();
        sandbox.add("a", "", "echo \"in $TMPDIR\"");
        sandbox.ok(&["run", "--once", "--quiet"]);
        let log = sandbox.log("a");
        let is_passed_over = log.contains("`tmp` in config.yaml does not do for a TMPDIR");
        assert_eq!(is_passed_over, !words.is_empty(), "{log}");
        assert!(log.contains(words), "{log}");
        let place = if words.is_empty() { dir.path() } else { &sandbox.path("h/t") };
        assert!(log.contains(&format!("in {}/", place.display())), "{log}");
    }
}
