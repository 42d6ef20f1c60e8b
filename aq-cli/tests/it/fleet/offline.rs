//! Without `AQ_FLEET` there is no fleet: no call, no file, no byte (docs/fleet.md).

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::lab::TOKEN;
use crate::feedback::without_marks;
use crate::sandbox::{Sandbox, skipped};

/// A queue with jobs of each end.
fn queue() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("well", "verify: true", "echo x >done");
    sandbox.add("badly", "retry: {max: 2, backoff: 0s}", "exit 3");
    sandbox.add("after", "deps: [nobody]", "true");
    sandbox
}

/// The fleet's variables but for the switch.
fn point_at(sandbox: &mut Sandbox, url: &str) {
    sandbox.set("AQ_FLEET_URL", url);
    sandbox.set("AQ_FLEET_TOKEN", TOKEN);
    sandbox.set("AQ_FACTORY_ID", "a");
    sandbox.set("AQ_FLEET_ROUTE", "nonsense");
}

#[test]
fn nothing_is_asked_of_a_coordinator_that_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut sandbox = queue();
    point_at(&mut sandbox, &format!("http://{}", listener.local_addr().unwrap()));
    for switch in [None, Some("0"), Some("")] {
        if let Some(switch) = switch {
            sandbox.set("AQ_FLEET", switch);
        }
        sandbox.code(&["run", "--once", "--quiet"]);
        sandbox.ok(&["status"]);
    }
    sandbox.ok(&["ship", "well"]);
    let came = listener.accept().map(|_| ()).unwrap_err().kind();
    assert_eq!(came, ErrorKind::WouldBlock);
}

#[test]
fn no_socket_of_the_internet_is_opened() {
    if Command::new("strace").arg("-V").output().is_err() {
        skipped("strace is not installed");
        return;
    }
    let mut sandbox = queue();
    point_at(&mut sandbox, "http://127.0.0.1:9");
    let traced = |args: &[&str]| {
        let to = sandbox.path("trace");
        let aq = sandbox.aq(args);
        let mut strace = Command::new("strace");
        sandbox.clean(&mut strace).args(["-f", "-qq", "-e", "trace=network", "-o"]).arg(&to);
        strace.arg(aq.get_program()).args(aq.get_args()).output().unwrap();
        let calls = fs::read_to_string(to).unwrap();
        assert!(!calls.contains("AF_INET"), "{args:?}: {calls}");
    };
    traced(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("well"), ["testing"]);
    traced(&["ship", "well"]);
    assert_eq!(sandbox.folders("well"), ["shipped"]);
    traced(&["status"]);
}

/// Every file of the queue by its path. What counts time and processes is a `#`.
fn files(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let root = sandbox.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let mut files = BTreeMap::new();
    let mut dirs = vec![sandbox.queue("")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.insert(path.display().to_string().replace(&root, ""), String::new());
                dirs.push(path);
            } else if !path.ends_with("host-tools.json") {
                // What a slow machine did not answer in time is left out of that.
                let name = path.display().to_string().replace(&root, "");
                files.insert(name, plain(&path, &root));
            }
        }
    }
    files
}

fn plain(path: &Path, root: &str) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).replace(root, "");
    let text = without_marks(&text);
    let mut plain = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            plain.push(c);
        } else if !plain.ends_with('#') {
            plain.push('#');
        }
    }
    plain
}

#[test]
fn switch_off_changes_no_file() {
    let (without, mut off) = (queue(), queue());
    off.set("AQ_FLEET", "0");
    point_at(&mut off, "http://127.0.0.1:9");
    let said = [&without, &off].map(|sandbox| {
        let ran = sandbox.code(&["run", "--once", "--ship"]);
        let root = sandbox.path("");
        let told = sandbox.ok(&["status", "--json"]).replace(root.to_str().unwrap(), "/");
        (ran.0, told.matches("fleet").count())
    });
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0].1, 0, "status speaks of a fleet");
    assert_eq!(files(&without), files(&off));
    assert!(!without.queue(".state/fleet").exists());
}
