//! Coordinators: an upgrade and the way back, token files, restores.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use aq_fleet::protocol::{FleetJobId, PageQuery};
use aq_manifest::Stage;

use super::super::cluster::Cluster;
use super::super::lab::{Coordinator, Fleet, TOKEN, earlier, present, read};
use super::{LONG, body, fleets, hosts, may_end, ships_at_once};
use crate::sandbox::{PATIENCE, wait_for};

/// The kinds of the messages about a job in the feed behind a message, up to `last`, and the id of
/// that one.
pub(super) fn feed(
    coordinator: &Coordinator,
    after: u64,
    job: FleetJobId,
    last: &str,
) -> (Vec<String>, u64) {
    let mut stream = TcpStream::connect(coordinator.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /v1/events HTTP/1.1\r\nhost: fleet\r\nauthorization: Bearer {TOKEN}\r\n\
         last-event-id: {after}\r\n\r\n"
    )
    .unwrap();
    let (mut found, mut id) = (Vec::new(), 0);
    let (mut lines, of) = (BufReader::new(stream).lines(), job.to_string());
    loop {
        let line = lines.next().expect("the feed goes on").unwrap();
        if let Some(of_message) = line.strip_prefix("id: ") {
            id = of_message.trim().parse().unwrap();
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        if event["jobId"] == of {
            let kind = event["kind"].as_str().unwrap().to_owned();
            let stage = event["stage"].as_str().unwrap_or_default();
            let is_last = [kind.as_str(), stage].contains(&last);
            found.push(format!("{kind} {stage}"));
            if is_last {
                return (found, id);
            }
        }
    }
}

/// A coordinator of version 0.1 becomes one of this version under running jobs of both.
fn upgrades(mut fleet: Fleet) {
    let [mut a, mut b] = hosts(&fleet);
    a.start_with(&["--ship", "--max", "2"]);
    b.start();
    let running = ["old", "new"].map(|can| {
        fleet.submit(
            can,
            &format!("capabilities: [{can}]\nidempotency-key: {can}"),
            &body(&fleet, can),
        )
    });
    let before = fleet.submit("before", "capabilities: [old]", "true");
    ships_at_once(&fleet, &a, "before", before);
    fleet.wait_for_line("old", "on");
    fleet.wait_for_line("new", "on");
    let waits = fleet.submit("waits", "deps: [old, new]", "true");
    let (_, read_to) = feed(&fleet.coordinator, 0, before, "shipped");
    fleet.coordinator.kill();
    fleet.coordinator.run_program(present());
    fleet.coordinator.start_again();
    may_end(&fleet);
    ships_at_once(&fleet, &a, "old", running[0]);
    ships_at_once(&fleet, &b, "new", running[1]);
    let view = fleet.wait_for(waits, Stage::Shipped);
    assert_eq!(view.grants.len(), 1, "{view:#?}");
    let (told, _) = feed(&fleet.coordinator, read_to, running[0], "shipped");
    assert!(told.len() >= 3, "{told:?}");
    let stats = fleet.client.stats().unwrap().value;
    assert_eq!((stats.in_doubt, stats.restored_ms_ago), (0, None), "it is no restore");
    let again =
        fleet.submit("old", "capabilities: [old]\nidempotency-key: old", &body(&fleet, "old"));
    assert_eq!(again, running[0], "the key is known");

    fleet.coordinator.kill();
    fleet.coordinator.run_program(earlier().unwrap());
    let (code, said) = fleet.coordinator.refusal(&[]);
    assert!(code == 5 && said.contains("knows up to 3: upgrade aq"), "{code}: {said}");
    fleet.coordinator.run_program(present());
    fleet.coordinator.start_again();
    let after = fleet.submit("after", "capabilities: [old]", "true");
    ships_at_once(&fleet, &a, "after", after);
    assert_eq!(fleet.job(before).job.stage, Stage::Shipped);
}

#[test]
fn coordinator_on_sqlite_is_upgraded() {
    let Some(program) = earlier() else { return };
    upgrades(Fleet::of_program(program, [127, 0, 0, 1]));
}

#[test]
fn coordinator_on_postgresql_is_upgraded() {
    let Some(program) = earlier() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(cluster) = runtime.block_on(Cluster::find()) else { return };
    let database = runtime.block_on(cluster.database(None));
    upgrades(Fleet::on(program, &database.url()));
    runtime.block_on(cluster.forget(database));
}

/// One at a time: until it is ended, it says that it is not ready, and takes nothing from anybody.
#[test]
fn older_coordinators_are_not_ready() {
    let Some(program) = earlier() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(cluster) = runtime.block_on(Cluster::find()) else { return };
    let database = runtime.block_on(cluster.database(None));
    let fleet = Fleet::on(program, &database.url());
    let [mut a, mut b] = hosts(&fleet);
    a.start();
    let id = fleet.submit("job", "", &body(&fleet, "job"));
    fleet.wait_for_line("job", "on");
    fleet.client.ready().unwrap();
    let other = Coordinator::start(&database.url());
    b.ask(other.address());
    b.start();
    let problem = fleet.client.within(Duration::from_secs(2)).ready().unwrap_err();
    assert!(problem.to_string().contains("it answers 503"), "{problem}");
    let new = fleet.submit("new", "capabilities: [new]", "true");
    ships_at_once(&fleet, &b, "new", new);
    may_end(&fleet);
    ships_at_once(&fleet, &a, "job", id);
    drop((a, b, other, fleet));
    runtime.block_on(cluster.forget(database));
}

#[test]
fn older_token_files_are_taken() {
    let Some(fleets) = fleets() else { return };
    for mut fleet in fleets {
        let file = fleet.out("tokens");
        fs::write(&file, format!("# two\nhosts {TOKEN}-of-hosts\n{TOKEN}-of-people\n")).unwrap();
        fleet.coordinator.kill();
        fleet.coordinator.start_with(&["--token-file", file.to_str().unwrap()]);
        let [mut a, mut b] = hosts(&fleet);
        for (host, can) in [(&mut a, "old"), (&mut b, "new")] {
            host.set("AQ_FLEET_TOKEN", format!("{TOKEN}-of-hosts"));
            host.start();
            host.set("AQ_FLEET_TOKEN", format!("{TOKEN}-of-people"));
            let job = host.write("job", &format!("capabilities: [{can}]"), "true");
            let output = host.own(&["submit", job.to_str().unwrap()]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            host.wait_for_stage("job", "shipped");
        }
    }
}

/// Each can do what it is there for, and a coordinator of version 0.1 refuses such a file.
#[test]
fn older_host_has_own_token() {
    let Some(program) = earlier() else { return };
    let mut fleet = Fleet::new();
    let file = fleet.out("tokens");
    let text = format!("me admin {TOKEN}\nold host:a {TOKEN}-of-a\nnew host:b {TOKEN}-of-b\n");
    fs::write(&file, text).unwrap();
    fleet.coordinator.kill();
    fleet.coordinator.start_with(&["--token-file", file.to_str().unwrap()]);
    let [mut a, mut b] = hosts(&fleet);
    a.set("AQ_FLEET_TOKEN", format!("{TOKEN}-of-a"));
    b.set("AQ_FLEET_TOKEN", format!("{TOKEN}-of-b"));
    a.start();
    b.start();
    let old = fleet.submit("old", "capabilities: [old]", LONG);
    let new = fleet.submit("new", "capabilities: [new]", LONG);
    ships_at_once(&fleet, &a, "old", old);
    ships_at_once(&fleet, &b, "new", new);
    // In shadow it mirrors its own jobs and asks as another host.
    a.kill_loop();
    a.set("AQ_FLEET_ROUTE", "0");
    a.set("AQ_FLEET_SHADOW", "1");
    a.add("own", "", "true");
    a.start_with(&[]);
    let log = a.queue(".state/fleet-shadow.log");
    wait_for("a comparison", || read(&log).contains("verdict=AGREE"));
    fleet.coordinator.kill();
    let mut old = Coordinator::start(&format!("sqlite:{}", fleet.out("other.db").display()));
    old.kill();
    old.run_program(program);
    let args = ["--token-file", file.to_str().unwrap()];
    let (code, said) = old.refusal(&args);
    assert!(code == 2 && said.contains("line 1"), "{code}: {said}");
}

/// They say nothing of what they have ended, so it waits for a person, and runs no second time.
#[test]
fn what_older_hosts_shipped_is_in_doubt() {
    let Some(program) = earlier() else { return };
    let mut fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.run_program(program);
    let run = format!("echo run >>{}", fleet.out("early").display());
    let early = fleet.submit("early", "idempotency-key: early", &run);
    host.start_with(&["--ship", "--max", "1"]);
    fleet.wait_for(early, Stage::Shipped);
    // Running when the backup is made, and when it is restored.
    let runs = fleet.submit("runs", "", &body(&fleet, "runs"));
    fleet.wait_for_line("runs", "on");
    let late = fleet.submit("late", "", &format!("echo run >>{}", fleet.out("late").display()));
    fleet.coordinator.kill();
    fleet.back_up();
    fleet.coordinator.start_again();
    may_end(&fleet);
    fleet.wait_for(runs, Stage::Shipped);
    fleet.wait_for(late, Stage::Shipped);
    host.wait_for_stage("late", "shipped");
    let _ = fs::remove_file(fleet.out("go"));
    fleet.coordinator.kill();
    fleet.restore();
    fleet.coordinator.start_again();
    let next = fleet.submit("next", "", "true");
    ships_at_once(&fleet, &host, "next", next);
    for job in [runs, late] {
        let view = fleet.job(job);
        assert!(view.job.in_doubt && view.waiting.is_some(), "{view:#?}");
    }
    assert_eq!(
        (read(&fleet.out("runs")), read(&fleet.out("late"))),
        ("on\n".into(), "run\n".into())
    );
    assert_eq!(fleet.job(early).job.stage, Stage::Shipped);
}

/// A loop of this version says at once who it is.
#[test]
fn new_databases_do_not_know_older_hosts() {
    let Some(program) = earlier() else { return };
    let mut fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.run_program(program);
    host.start();
    let known = |fleet: &Fleet| {
        let page = fleet.client.factories(&PageQuery::default()).unwrap().value;
        page.factories.iter().filter(|factory| factory.alive).count()
    };
    wait_for("the host", || known(&fleet) == 1);
    fleet.coordinator.kill();
    fleet.forget_database();
    fleet.coordinator.start_again();
    let id = fleet.submit("job", "", "true");
    ships_at_once(&fleet, &host, "job", id);
    assert_eq!(known(&fleet), 0);
    host.run_program(present());
    host.kill_loop();
    host.start();
    wait_for("the host again", || known(&fleet) == 1);
}
