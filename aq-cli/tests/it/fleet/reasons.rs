//! Reasons on their way from a coordinator to a host: the host acts on codes, and on the sentences
//! of version 0.1 only where there is no code.

use aq_fleet::protocol::{Epoch, FleetJobId, ReportRequest, SubmitRequest};
use aq_manifest::Stage;
use serde_json::{Value, json};

use super::lab::{Fleet, Host, earlier};
use super::proxy::Proxy;
use crate::sandbox::{job_text, wait_for};

/// A text that no version of aq writes.
const REWORDED: &str = "somebody else is busy with what it locks";

/// A job of the host's mirror that holds a lock there, and that the host has forgotten.
fn forgotten_holder(fleet: &Fleet) -> FleetJobId {
    let manifest = job_text("lock: db", "true");
    let factory_id = "host-a".parse().ok();
    let submit = SubmitRequest { manifest, name: "old".parse().unwrap(), shadow: true, factory_id };
    let id = fleet.client.submit(&submit).unwrap().value.job_id;
    let report = ReportRequest {
        factory_id: "host-a-shadow".parse().unwrap(),
        epoch: Epoch::DRY,
        seq: 1,
        stage: Stage::Building,
        checkpoint: None,
        metrics: None,
        shadow: true,
        verdict: None,
    };
    fleet.client.report(id, &report).unwrap();
    id
}

/// A host in shadow, at a coordinator whose views of jobs that wait go through `change`.
fn shadow_of(fleet: &Fleet, mut change: impl FnMut(&mut Value) + Send + 'static) -> (Host, Proxy) {
    let proxy = Proxy::to(fleet.coordinator.address());
    proxy.meddle(move |request, body| {
        let mut view: Value = serde_json::from_str(&body).unwrap_or_default();
        if request.starts_with("GET /v1/jobs/") && view["waiting"].is_string() {
            change(&mut view);
            return Some(view.to_string());
        }
        Some(body)
    });
    let mut host = fleet.host("host-a");
    host.ask(proxy.address());
    host.set("AQ_FLEET_ROUTE", "0");
    host.set("AQ_FLEET_SHADOW", "1");
    (host, proxy)
}

/// The verdict and the reason of the one decision that a host in shadow makes.
fn compared(host: &mut Host) -> (String, String) {
    host.add("own", "lock: db", "sleep 1000");
    host.start_with(&[]);
    let log = host.queue(".state/fleet-shadow.log");
    let line = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_for("a comparison", || line().contains('\n'));
    host.die();
    let line = line();
    let value = |name: &str| {
        let field = line.split(' ').find_map(|field| field.strip_prefix(name));
        field.unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
    };
    (value("verdict="), value("reason="))
}

#[test]
fn a_reworded_text_changes_nothing() {
    let fleet = Fleet::new();
    let holder = forgotten_holder(&fleet);
    let code = json!({ "code": "lock_held", "job": holder.to_string() });
    let (mut host, _proxy) = shadow_of(&fleet, move |view| {
        assert_eq!(view["waitingReason"], code, "other versions read this");
        view["waiting"] = REWORDED.into();
    });
    assert_eq!(compared(&mut host), ("AGREE".to_owned(), "-".to_owned()));
    assert_eq!(fleet.job(holder).job.stage, Stage::Failed, "the host has cleared it away");
}

#[test]
fn another_code_is_another_reason() {
    let fleet = Fleet::new();
    let holder = forgotten_holder(&fleet);
    let (mut host, _proxy) = shadow_of(&fleet, |view| {
        // The text stays, and nobody reads it.
        view["waitingReason"]["code"] = "lock_kept".into();
    });
    assert_eq!(compared(&mut host), ("COORD_EMPTY".to_owned(), "unknown".to_owned()));
    assert_eq!(fleet.job(holder).job.stage, Stage::Building);
}

#[test]
fn unknown_codes_are_shown_by_their_text() {
    let fleet = Fleet::new();
    fleet.submit("never", "capabilities: [no-such-thing]", "true");
    let known = json!({ "code": "needs", "requirements": ["no-such-thing"] });
    let later = json!({ "code": "train", "place": 3 });
    for (reason, shown) in [(known, "needs no-such-thing"), (later, REWORDED)] {
        let sent = reason.clone();
        let (host, _proxy) = shadow_of(&fleet, move |view| {
            view["waiting"] = REWORDED.into();
            view["waitingReason"] = sent.clone();
        });
        let said = host.ok(&["fleet-status"]);
        assert!(said.contains(shown), "{said}");
        let mut object = reason;
        object["text"] = shown.into();
        assert_eq!(host.json(&["fleet-status", "--json"])["jobs"][0]["waiting"], object);
        assert_eq!(host.json(&["fleet-status", "--json=1"])["jobs"][0]["waiting"], shown);
    }
}

#[test]
fn the_coordinator_of_version_0_1_is_understood() {
    let Some(program) = earlier() else { return };
    let fleet = Fleet::of_program(program, [127, 0, 0, 1]);
    let holder = forgotten_holder(&fleet);
    let (mut host, _proxy) = shadow_of(&fleet, |view| {
        assert!(view["waitingReason"].is_null(), "{view}");
    });
    assert_eq!(compared(&mut host), ("AGREE".to_owned(), "-".to_owned()));
    assert_eq!(fleet.job(holder).job.stage, Stage::Failed);
}

/// It reads the sentence: to word it otherwise is to give up these hosts.
#[test]
fn the_host_of_version_0_1_understands() {
    let Some(program) = earlier() else { return };
    let fleet = Fleet::new();
    let holder = forgotten_holder(&fleet);
    let (mut host, _proxy) = shadow_of(&fleet, |_| {});
    host.run_program(program);
    assert_eq!(compared(&mut host), ("AGREE".to_owned(), "-".to_owned()));
    assert_eq!(fleet.job(holder).job.stage, Stage::Failed);
}

#[test]
fn sentences_without_codes_are_understood() {
    let fleet = Fleet::new();
    let holder = forgotten_holder(&fleet);
    let (mut host, _proxy) = shadow_of(&fleet, move |view| {
        view.as_object_mut().unwrap().remove("waitingReason");
        view["waiting"] = format!("lock held by {holder}").into();
    });
    assert_eq!(compared(&mut host), ("AGREE".to_owned(), "-".to_owned()));
    assert_eq!(fleet.job(holder).job.stage, Stage::Failed);
}
