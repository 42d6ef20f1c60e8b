//! Boxes as `aq sandbox` makes them.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::sandbox::{Sandbox, shown, skipped, wait_for};

/// A queue on a system that has whole boxes.
fn lab() -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    let caps = sandbox.json(&["caps", "--json"]);
    if caps["sandbox"]["level"] == "full" {
        return Some(sandbox);
    }
    skipped("this system gives no sandbox of the level full");
    None
}

fn boxed(sandbox: &Sandbox, options: &[&str], script: &str) -> Output {
    let mut words = vec!["sandbox"];
    words.extend(options);
    words.extend(["--", "sh", "-c", script]);
    sandbox.aq(&words).output().unwrap()
}

#[test]
fn commands_end_a_box_as_themselves() {
    let Some(sandbox) = lab() else { return };
    assert_eq!(boxed(&sandbox, &[], "exit 7").status.code(), Some(7));
    let killed = boxed(&sandbox, &[], "kill -KILL $$");
    assert_eq!(killed.status.signal(), Some(9), "{}", shown(&killed));
    let missing = sandbox.aq(&["sandbox", "--", "no-such-program"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
    assert!(shown(&missing).contains("cannot run no-such-program"), "{}", shown(&missing));
}

#[test]
fn writes_reach_the_checkout_alone() {
    let Some(sandbox) = lab() else { return };
    let outside = sandbox.path("outside");
    fs::create_dir(&outside).unwrap();
    let script = format!(
        "echo x > here; echo x > ~/there; cat ~/there; echo x > /tmp/x; echo x > {}/x; \
         touch /usr/x",
        outside.display()
    );
    let done = boxed(&sandbox, &[], &script);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "x\n", "{}", shown(&done));
    assert_eq!(fs::read(sandbox.work().join("here")).unwrap(), b"x\n");
    assert!(!sandbox.path("home/there").exists(), "the layer goes with the box");
    assert!(!outside.join("x").exists());
    assert_eq!(fs::read_dir(sandbox.queue(".state/tmp")).unwrap().count(), 0, "nothing is left");
    let words = String::from_utf8_lossy(&done.stderr);
    if geteuid().is_root() {
        let allowed = "sandbox: refused: writing /usr/x; `sandbox: {write: [\"/usr/x\"]}`";
        assert!(words.contains(allowed), "{words}");
    }
}

#[test]
fn settings_of_the_queue_widen_a_box() {
    let Some(sandbox) = lab() else { return };
    for name in ["cache", "home/.ssh", "home/private"] {
        fs::create_dir_all(sandbox.path(name)).unwrap();
        fs::write(sandbox.path(name).join("file"), "text\n").unwrap();
    }
    let config = format!(
        "sandbox: {{write: [{}], read: [~/.ssh], hide: [~/private]}}\n",
        sandbox.path("cache").display()
    );
    fs::write(sandbox.queue("config.yaml"), config).unwrap();
    let script = format!(
        "echo new > {}/file; cat ~/.ssh/file; echo no > ~/.ssh/file; cat ~/private/file",
        sandbox.path("cache").display()
    );
    let done = boxed(&sandbox, &[], &script);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "text\n", "{}", shown(&done));
    assert_eq!(fs::read(sandbox.path("cache/file")).unwrap(), b"new\n");
    assert_eq!(fs::read(sandbox.path("home/.ssh/file")).unwrap(), b"text\n");
    assert!(shown(&done).contains("ermission denied"), "{}", shown(&done));
    fs::write(sandbox.queue("config.yaml"), "sandbox: {allow-hosts: [a b]}\n").unwrap();
    let (code, words) = sandbox.code(&["sandbox", "--", "true"]);
    assert!(code == 2 && words.contains("sandbox.allow-hosts: `a b` names no host"), "{words}");
}

#[test]
fn secrets_are_passed_when_named() {
    let Some(mut sandbox) = lab() else { return };
    sandbox.set("MY_TOKEN", "one");
    sandbox.set("OTHER_TOKEN", "two");
    let done = boxed(&sandbox, &["--env", "MY_TOKEN"], "echo $MY_TOKEN$OTHER_TOKEN");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "one\n", "{}", shown(&done));
}

/// A program that asks for a page by a proxy, or past it.
const ASK: &str = "\
import os, sys, urllib.request
if sys.argv[2] == 'direct': os.environ.pop('http_proxy')
try: print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
except Exception as e: print('refused', e)
";

#[test]
fn strict_boxes_reach_listed_hosts() {
    let Some(sandbox) = lab() else { return };
    if !Command::new("python3").arg("--version").output().is_ok_and(|out| out.status.success()) {
        return skipped("python3 is not installed");
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in server.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(b"HTTP/1.0 200 OK\r\n\r\nthe page");
        }
    });
    fs::write(sandbox.work().join("ask.py"), ASK).unwrap();
    let ask = |way: &str| {
        let script = format!("python3 ask.py http://127.0.0.1:{port}/ {way}");
        boxed(&sandbox, &["--strict"], &script)
    };
    // Nothing is on the list.
    for way in ["proxy", "direct"] {
        let refused = ask(way);
        assert!(String::from_utf8_lossy(&refused.stdout).contains("refused"), "{refused:?}");
    }
    let config = format!("sandbox: {{allow-hosts: ['127.0.0.1:{port}']}}\n");
    fs::write(sandbox.queue("config.yaml"), config).unwrap();
    for way in ["proxy", "direct"] {
        let page = ask(way);
        assert_eq!(String::from_utf8_lossy(&page.stdout), "the page\n", "{way}: {}", shown(&page));
    }
    let other = boxed(&sandbox, &["--strict"], "python3 ask.py http://example.org/ proxy");
    let words = shown(&other);
    let allowed = "the host example.org:80; `sandbox: {allow-hosts: [\"example.org:80\"]}`";
    assert!(words.contains(allowed), "{words}");
}

#[test]
fn boxes_end_with_their_launcher() {
    let Some(sandbox) = lab() else { return };
    let script = "setsid sh -c 'while :; do echo x >> beats; sleep 0.1; done' & sleep 600";
    let mut launcher = sandbox
        .aq(&["sandbox", "--", "sh", "-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let beats = || fs::metadata(sandbox.work().join("beats")).map_or(0, |found| found.len());
    wait_for("the box to be at work", || beats() > 2);
    assert!(is_anyone_in(&sandbox.work()), "they are seen from outside");
    kill(Pid::from_raw(launcher.id().cast_signed()), Signal::SIGKILL).unwrap();
    launcher.wait().unwrap();
    wait_for("the end of all in the box", || !is_anyone_in(&sandbox.work()));
    let left = || fs::read_dir(sandbox.queue(".state/tmp")).unwrap().count();
    assert_eq!(left(), 1, "nobody was there to remove it");
    assert_eq!(boxed(&sandbox, &[], "true").status.code(), Some(0));
    assert_eq!(left(), 0, "the next one has");
}

/// Tests for a process that works in this directory.
fn is_anyone_in(dir: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|one| fs::read_link(one.path().join("cwd")).is_ok_and(|at| at == dir))
}

/// Runs a command as a user in a user namespace in which there can be no other one.
const NO_NAMESPACES: &str = "\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
mine, theirs = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    assert libc.unshare(0x10000000) == 0
    os.write(mine[1], b'x'); os.read(theirs[0], 1)
    os.setgroups([]); os.setgid(0); os.setuid(0)
    open('/proc/sys/user/max_user_namespaces', 'w').write('0')
    os.setgid(65534); os.setuid(65534)
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(mine[0], 1)
for name in ('uid_map', 'gid_map'):
    open(f'/proc/{child}/{name}', 'w').write('0 0 4294967295')
os.write(theirs[1], b'x')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

fn without_namespaces(aq: &Path, cwd: &Path, words: &[&str]) -> Output {
    let mut run = Command::new("/usr/bin/python3");
    run.args(["-c", NO_NAMESPACES]).arg(aq).args(words).current_dir(cwd);
    run.env_clear().env("HOME", cwd).env("PATH", "/usr/bin:/bin").output().unwrap()
}

#[test]
fn refused_namespaces_are_answered() {
    if !geteuid().is_root() || !Path::new("/usr/bin/python3").exists() {
        return skipped("only root can refuse user namespaces to others, and by python3 here");
    }
    let dir = tempfile::TempDir::with_prefix("aq-test-").unwrap();
    let aq = dir.path().join("aq");
    let built = Path::new(env!("CARGO_BIN_EXE_aq"));
    fs::hard_link(built, &aq).or_else(|_| fs::copy(built, &aq).map(drop)).unwrap();
    let work = dir.path().join("work");
    fs::create_dir(&work).unwrap();
    for path in [dir.path(), &work] {
        std::os::unix::fs::lchown(path, Some(65_534), Some(65_534)).unwrap();
    }
    let refused = without_namespaces(&aq, &work, &["sandbox", "--", "true"]);
    let words = shown(&refused);
    assert_eq!(refused.status.code(), Some(4), "{words}");
    let answer = "a sandbox of the level full cannot be had here, at most landlock: user \
                  namespaces are refused: user.max_user_namespaces is 0; `--least landlock` takes";
    assert!(words.contains(answer), "{words}");
    let strict = ["sandbox", "--strict", "--least", "landlock", "--", "true"];
    let strict = shown(&without_namespaces(&aq, &work, &strict));
    assert!(strict.contains("the network is bounded at the level full only"), "{strict}");
    let caps = shown(&without_namespaces(&aq, &work, &["caps"]));
    assert!(caps.contains("sandbox landlock (user namespaces are refused"), "{caps}");
    assert!(!caps.contains("sandbox:workspace"), "{caps}");
}

#[test]
fn wrong_words_name_the_mend() {
    let Some(sandbox) = lab() else { return };
    for least in ["none", "most"] {
        let (code, said) = sandbox.code(&["sandbox", "--least", least, "--", "true"]);
        assert!(code == 2 && said.contains("expected full or landlock"), "{code}: {said}");
    }
    let unset = boxed(&sandbox, &["--env", "GH_TOKN"], "true");
    assert!(shown(&unset).contains("GH_TOKN is not set"), "{}", shown(&unset));
}
