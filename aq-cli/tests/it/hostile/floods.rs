//! Agents that print without end. `AQ_FLOOD_MB` says how much (`./test --long`: 5 GB); the log's
//! limit keeps it from the disk.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::surroundings::{is_well, run_and_measure};
use crate::sandbox::Sandbox;
use crate::vendor::{begins, done};

/// Amount that is printed, in MiB.
fn flood() -> u64 {
    std::env::var("AQ_FLOOD_MB").ok().and_then(|mb| mb.parse().ok()).unwrap_or(20)
}

/// Room that a full log has beside its limit: for the end of what was printed, and lines of aq's
/// own.
const MORE: u64 = 80 << 10;

#[test]
fn output_flood_is_cut() {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.queue("config.yaml"), "log-limit-mb: 1\n").unwrap();
    let mb = flood();
    sandbox.add(
        "lines",
        "",
        &format!("yes \"$(seq -s . 200)\" | head -c {mb}M; echo; echo last words"),
    );
    sandbox.add("endless", "", &format!("head -c {mb}M /dev/zero | tr '\\0' x >&2; false"));
    // An engine whose records are read: a line that does not end, and then its last record.
    let noise = format!("head -c {mb}M /dev/zero | tr '\\0' y; echo\n");
    sandbox.vendor("claude", &[format!("{}{noise}{}", begins("s1"), done(""))]);
    sandbox.add_for("engine", "engine: claude", "Do it.");
    sandbox.add("other", "priority: low", "echo well");
    let (code, peak) = run_and_measure(&sandbox, 3);
    assert_eq!(code, 1);
    assert!(peak < 16 << 10, "{peak} KiB");
    for (id, stage) in
        [("lines", "testing"), ("endless", "failed"), ("engine", "testing"), ("other", "testing")]
    {
        assert_eq!(sandbox.folders(id), [stage], "{id}: {}", sandbox.meta_value(id, "message"));
        let log = fs::metadata(sandbox.queue(&format!("logs/{id}.log"))).unwrap();
        assert!(log.len() <= (1 << 20) + MORE, "{id}: {}", log.len());
        assert!(log.blocks() * 512 <= (1 << 20) + 2 * MORE, "{id}: {}", log.blocks());
        if id == "other" {
            continue;
        }
        let text = sandbox.log(id);
        assert!(text.contains("the log is full (`log-limit-mb: 1`): of what follows"), "{id}");
        assert!(text.contains(" bytes are left out here\n"), "{id}");
        let lost = sandbox.meta_value(id, "log_incomplete");
        let bytes: u64 = lost.split(' ').next().unwrap().parse().unwrap();
        let whole = (mb << 20)..(mb << 20) + MORE;
        assert!(whole.contains(&(bytes + log.len())), "{id}: {bytes} and {}", log.len());
    }
    assert!(sandbox.log("lines").contains("\nlast words\n"));
    assert_eq!(sandbox.meta_value("engine", "output_tokens"), "2");
    println!("{mb} MiB each: at most {peak} KiB");
    is_well(&sandbox);
}

#[test]
fn full_log_shows_next_end() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("config.yaml"), "log-limit-mb: 1\n").unwrap();
    let body = "yes \"$(seq -s . 200)\" | head -c 2M; echo; echo attempt $AQ_ATTEMPT ends; \
        [ $AQ_ATTEMPT = 3 ]";
    sandbox.add("x", "retry: {max: 3, backoff: 0s}", body);
    sandbox.ok(&["run", "--once", "--quiet"]);
    let log = sandbox.log("x");
    for n in 1..=3 {
        assert!(log.contains(&format!("\nattempt {n} ends\n")), "{n}");
    }
    assert!(log.len() as u64 <= (1 << 20) + 3 * MORE, "{}", log.len());
    assert!(sandbox.ok(&["logs", "x", "-n", "1"]).contains("attempt 3 ends"));
    is_well(&sandbox);
}
