//! Deps whose work another host has done.

use super::lab::{Fleet, Host};
use super::targets::{Hub, MERGES, configure};
use aq_manifest::Stage;

/// Two hosts with clones of one remote, and a capability each.
fn two_hosts(fleet: &Fleet, config: &str) -> (Host, Host) {
    let mut a = fleet.host_with_repository("a");
    let hub = Hub::of(fleet, &a);
    let mut b = hub.host(fleet, "b");
    for (host, site) in [(&mut a, "site:a"), (&mut b, "site:b")] {
        host.set("AQ_CAPS", site);
        configure(host, config);
        host.start();
    }
    (a, b)
}

const DEP: &str = "idempotency-key: the-schema\ncapabilities: [\"site:a\"]\n";
const CHILD: &str = "deps: [the-schema]\ncapabilities: [\"site:b\"]\n";
const BODY: &str = "sed s/schema/code/ schema.txt >code.txt";

#[test]
fn children_begin_with_pushed_work() {
    let fleet = Fleet::new();
    let (_a, b) = two_hosts(&fleet, "fleet: {push-wip: origin}\n");
    fleet.submit("schema", DEP, "echo schema >schema.txt");
    let child = fleet.submit("child", CHILD, BODY);
    fleet.wait_for(child, Stage::Shipped);
    b.wait_for_stage("child", "shipped");
    assert_eq!(b.on_branch("child", "code.txt"), "code", "{}", b.log("child"));
    let deps = b.meta_value("child", "wip_deps");
    assert!(deps.starts_with("schema@"), "{deps}");
    let diff = b.ok(&["diff", "child"]);
    assert!(diff.contains("+code") && !diff.contains("+schema"), "its own changes alone: {diff}");
    assert!(b.log("child").contains("fetched the work of schema from host a"));
}

#[test]
fn children_begin_with_merged_work() {
    let fleet = Fleet::new();
    let (_a, b) = two_hosts(&fleet, MERGES);
    fleet.submit("schema", &format!("{DEP}ship: merge"), "echo schema >schema.txt");
    let child = fleet.submit("child", &format!("{CHILD}ship: merge"), BODY);
    fleet.wait_for(child, Stage::Shipped);
    b.wait_for_stage("child", "shipped");
    assert_eq!(b.on_branch("child", "code.txt"), "code", "{}", b.log("child"));
    assert_eq!(b.meta_value("child", "wip_deps"), "");
}

#[test]
fn work_that_stays_behind_is_named() {
    let fleet = Fleet::new();
    let (_a, b) = two_hosts(&fleet, "max: 1\n");
    fleet.submit("schema", DEP, "echo schema >schema.txt");
    fleet.submit("child", CHILD, BODY);
    b.wait_for_stage("child", "inbox");
    crate::sandbox::wait_for("a reason", || b.meta_value("child", "dep_elsewhere") == "schema@a");
    b.wait_for_stage("child", "inbox");
    let json: serde_json::Value = serde_json::from_str(&b.ok(&["why", "child", "--json"])).unwrap();
    let reason = &json["reason"];
    assert_eq!((&reason["code"], &reason["dep"]), (&"dep_elsewhere".into(), &"schema".into()));
    assert_eq!(reason["host"], "a", "{reason}");
    assert_eq!(b.meta_value("child", "attempts"), "");
}
