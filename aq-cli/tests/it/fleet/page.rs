//! The dashboard's page of the fleet.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use aq_manifest::Stage;

use super::lab::Fleet;
use crate::dashboard::Server;
use crate::sandbox::wait_for;

#[test]
fn hosts_jobs_and_reasons_are_shown() {
    let fleet = Fleet::new();
    let mut host = fleet.host("host-a");
    std::fs::write(host.queue("config.yaml"), "capabilities: [big-disk]\n").unwrap();
    host.start();
    let id = fleet.submit("long", "", "sleep 100");
    fleet.wait_for(id, Stage::Building);
    fleet.submit("never", "capabilities: [no-such-thing]", "true");
    let served = Server::start(&host);
    let mut page = String::new();
    // The first look may be older than the job that waits.
    wait_for("the fleet's page", || {
        page = served.page("/fleet");
        ["host-a", "long", "no-such-thing", "1 lease"].iter().all(|text| page.contains(text))
    });
    assert!(page.contains("big-disk") && page.contains("alive"), "{page}");
    assert!(page.contains("1 of 1") && page.contains("data-poll"), "{page}");
    assert!(served.page("/").contains("href=\"/fleet\""));
    host.die();
}

#[test]
fn a_coordinator_that_hangs_holds_nothing_up() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let fleet = Fleet::new();
    let mut host = fleet.host("host-a");
    host.ask(silent.local_addr().unwrap());
    let served = Server::start(&host);
    let begun = Instant::now();
    let page = served.page("/fleet");
    assert!(page.contains("is being asked") && page.contains("host-a"), "{page}");
    served.page("/insights");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    wait_for("words about the silence", || {
        let page = served.page("/fleet");
        page.contains("has not answered for") || page.contains("cannot be asked")
    });
}

#[test]
fn a_coordinator_that_is_gone_is_told() {
    let mut fleet = Fleet::new();
    let host = fleet.host("host-a");
    fleet.coordinator.kill();
    let served = Server::start(&host);
    wait_for("words about the coordinator", || {
        let page = served.page("/fleet");
        page.contains("has not answered for") || page.contains("cannot be asked")
    });
}
