//! Units that `aq service` prints.

use std::fs;
use std::process::Command;

use crate::sandbox::{Sandbox, skipped};
use crate::told::told;

/// A directory's name with everything that unit files give a meaning to.
const ODD: &str = "a b%h$HOME\"x\\y'";

#[test]
fn unit_carries_what_loop_needs() {
    let sandbox = Sandbox::new();
    let mut service = sandbox.aq(&["service", "--max", "3", "--ship"]);
    service.env("CLAUDE_BIN", "/opt/claude").env("AQ_FLEET_TOKEN", "a-secret-of-sixteen");
    let unit = told(service.env("PATH", "/usr/bin:/opt/bin")).out;
    for line in [
        "Environment=\"PATH=/usr/bin:/opt/bin\"",
        "Environment=\"CLAUDE_BIN=/opt/claude\"",
        "# loginctl enable-linger",
        " run --quiet --max 3 --ship",
        "KillMode=process",
    ] {
        assert!(unit.contains(line), "{line}: {unit}");
    }
    let home = format!("Environment=\"AQ_HOME={}\"", sandbox.path("h").display());
    assert!(unit.contains(&home), "{unit}");
    assert!(!unit.contains("a-secret"), "{unit}");
    let plist = told(sandbox.aq(&["service", "--launchd"]).env("X_BIN", "a<b&c")).out;
    assert!(plist.contains("<key>X_BIN</key><string>a&lt;b&amp;c</string>"), "{plist}");
}

#[test]
fn two_queues_have_two_units() {
    let sandbox = Sandbox::new();
    let other = sandbox.path("other/queue");
    sandbox.ok(&["init".as_ref(), other.as_os_str()]);
    let mut named = Command::new(env!("CARGO_BIN_EXE_aq"));
    let named = sandbox.clean(&mut named).arg("--queue").arg(&other).arg("service");
    let first = |unit: &str| unit.lines().next().unwrap().to_owned();
    let (one, two) = (first(&sandbox.ok(&["service"])), first(&told(named).out));
    assert!(one.contains("/systemd/user/aq-queue-") && one != two, "{one} {two}");
}

#[test]
fn systemd_reads_odd_names() {
    let sandbox = Sandbox::new();
    // A path of a program has no quotes in systemd.
    let program = sandbox.path("p b%h$HOME").join("aq");
    let queue = sandbox.path(ODD).join("queue");
    fs::create_dir(program.parent().unwrap()).unwrap();
    let built = env!("CARGO_BIN_EXE_aq");
    fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).unwrap();
    let run = |program: &std::path::Path, words: &[&str]| {
        let mut command = Command::new(program);
        sandbox.clean(&mut command).arg("--queue").arg(&queue).args(words);
        told(command.env("ODD_BIN", ODD))
    };
    assert_eq!(run(&program, &["init"]).code, 0);
    let unit = run(&program, &["service"]).out;
    assert!(unit.contains("a b%%h$$HOME\\\"x\\\\y'/queue\" run"), "{unit}");
    assert!(unit.contains("Environment=\"ODD_BIN=a b%%h$HOME\\\"x\\\\y'\""), "{unit}");
    let odd = sandbox.path("p'q");
    fs::rename(&program, &odd).unwrap();
    let refused = run(&odd, &["service"]);
    assert!(refused.code == 2 && refused.err.contains("put aq elsewhere"), "{}", refused.err);
    fs::rename(&odd, &program).unwrap();
    let file = sandbox.path("aq-test.service");
    fs::write(&file, unit).unwrap();
    let mut verify = Command::new("systemd-analyze");
    sandbox.clean(&mut verify).env("XDG_RUNTIME_DIR", sandbox.path("home"));
    verify.args(["verify", "--user", "--man=no"]).arg(&file);
    match verify.output() {
        Ok(_) => {
            let said = told(&mut verify);
            assert_eq!((said.code, said.err.as_str()), (0, ""));
        }
        Err(_) => skipped("systemd-analyze is not installed"),
    }
}
