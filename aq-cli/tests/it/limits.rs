//! Engines that rest, with the real binary and an engine of a few lines.

use std::fs;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, wait_child, wait_for};

/// A loop looks at everything by itself once in 30 s.
const AT_ONCE: Duration = Duration::from_secs(20);

#[test]
fn a_running_loop_obeys_retry_at_once() {
    let sandbox = Sandbox::new();
    let paid = sandbox.path("paid");
    let script =
        format!("test -e '{}' || {{ echo 'usage limit reached' >&2; exit 1; }}", paid.display());
    let config = serde_json::json!({ "engines": {
        "metered": { "bin": "/bin/sh", "argv": ["-c", script], "prompt": "stdin" },
    }});
    fs::write(sandbox.queue("config.yaml"), config.to_string()).unwrap();
    sandbox.add("a", "engine: metered", "true");
    let mut running = sandbox.start_loop(&["--once"]);
    wait_for("the limit", || sandbox.meta_value("a", "engine_error") == "quota");
    sandbox.wait_for_stage("a", "inbox");

    fs::write(paid, "").unwrap();
    let said = Instant::now();
    sandbox.ok(&["engines", "--retry", "metered"]);
    sandbox.wait_for_stage("a", "testing");
    assert!(said.elapsed() < AT_ONCE, "it took {:?}", said.elapsed());
    assert_eq!(wait_child(&mut running), 0);
    assert_eq!(sandbox.meta_value("a", "attempts"), "1");
}
