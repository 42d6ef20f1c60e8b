//! A host in a network namespace of its own, and a link that is cut in the middle of a job.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use aq_manifest::Stage;

use super::lab::{Fleet, read};
use crate::sandbox::{skipped, wait_for};

/// Takes the namespace away, and with it the link, when this process has ended, however it did.
const WATCH: &str = r#"cat >/dev/null; exec ip netns del "$1""#;

/// A namespace with a link to the test's own.
struct Island {
    name: String,
    here: [u8; 4],
    watcher: Child,
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {args}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

impl Island {
    /// A namespace, or why there can be none.
    fn new() -> Result<Self, String> {
        let pid = std::process::id();
        let name = format!("aq-test-{pid}");
        ip(&format!("netns add {name}"))?;
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        // Not another test's at the same time.
        let net = pid.to_le_bytes();
        let (x, y) = (net[0] & 63 | 64, net[1]);
        let island = Self { name, here: [10, x, y, 1], watcher };
        let (link, name) = (format!("aqt{pid}"), &island.name);
        ip(&format!("link add {link} type veth peer name far netns {name}"))?;
        ip(&format!("addr add 10.{x}.{y}.1/24 dev {link}"))?;
        ip(&format!("link set {link} up"))?;
        island.inside(&format!("addr add 10.{x}.{y}.2/24 dev far"))?;
        island.inside("link set lo up")?;
        island.cut(false)?;
        Ok(island)
    }

    fn inside(&self, args: &str) -> Result<(), String> {
        ip(&format!("-n {} {args}", self.name))
    }

    /// Cuts the link, or mends it.
    fn cut(&self, cut: bool) -> Result<(), String> {
        self.inside(if cut { "link set far down" } else { "link set far up" })
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

#[test]
fn what_is_cut_off_ships_nothing() {
    let island = match Island::new() {
        Ok(island) => island,
        Err(why) => return skipped(&format!("no network namespace can be made: {why}")),
    };
    let fleet = Fleet::at(island.here);
    let (mut far, mut near) = (fleet.host("far"), fleet.host("near"));
    far.put_into(&island.name);
    far.start();
    let body = |go: &str| {
        let (on, go) = (fleet.out("on"), fleet.out(go));
        format!(
            "echo $AQ_QUEUE >>{}; case $AQ_QUEUE in {}) while [ ! -e {} ]; do sleep 0.01; done;; \
            esac",
            on.display(),
            far.queue("").display(),
            go.display()
        )
    };
    let id = fleet.submit("job", "", &body("go"));
    fleet.wait_for_line("on", far.queue("").to_str().unwrap());
    fleet.wait_until(id, "report", |view| !view.reports.is_empty());
    island.cut(true).unwrap();
    near.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!(view.grants.len(), 2);
    assert_eq!(far.folders("job"), ["building"], "it goes on");
    // It comes to its end over there, and cannot be shipped.
    fs::write(fleet.out("go"), "").unwrap();
    far.wait_for_stage("job", "testing");
    island.cut(false).unwrap();
    far.wait_for_stage("job", "quarantine");
    assert_eq!(far.meta_value("job", "result"), "fenced");
    assert_eq!(far.jobs("shipped"), [""; 0]);
    near.wait_for_stage("job", "shipped");
    assert_eq!(read(&fleet.out("on")).lines().count(), 2);
    // And it is a member again.
    let next = fleet.submit("next", "", "true");
    fleet.wait_for(next, Stage::Shipped);
    wait_for("the near one to be there", || near.folders("job") == ["shipped"]);
}
