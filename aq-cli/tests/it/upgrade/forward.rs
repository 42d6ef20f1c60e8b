//! A queue that version 0.1 has made and used.

use std::fs;

use super::lab::UpgradeLab;
use super::lab::Version::{Earlier, Present};

/// Jobs in all folders, as version 0.1 leaves them; `failed` has work that is in no commit.
fn fill(lab: &UpgradeLab) {
    lab.add(Earlier, "tested", "idempotency-key: tested", "echo 1 >tested.txt");
    lab.add(
        Earlier,
        "judged",
        "review-policy: human\nverify: test -e judged.txt",
        "echo 1 >judged.txt",
    );
    lab.add(Earlier, "failed", "", "pwd; ls; echo 1 >>failed.txt; test -e left.txt");
    lab.add(Earlier, "in-place", "isolation: in-place", "echo 1 >in-place.txt");
    lab.add(Earlier, "shipped", "", "echo 1 >shipped.txt");
    lab.drain(Earlier);
    lab.ok(Earlier, &["ship", "--merge", "shipped"]);
    lab.add(Earlier, "waits", "deps: [tested]", "cat tested.txt; echo 1 >waits.txt");
    fs::write(lab.linked("failed").join("src/left.txt"), "1\n").unwrap();
}

fn go_on(lab: &UpgradeLab) {
    fill(lab);
    let queue = lab.queue("").display().to_string();
    let untrusted = format!("the queue is not trusted: aq trust {}", queue.trim_end_matches('/'));
    for args in [&["status"][..], &["why", "waits"], &["diff", "failed"], &["insights"]] {
        let end = lab.aq(Present, args);
        assert_eq!((end.code, end.err.contains(&untrusted)), (0, true), "{args:?}: {end:?}");
    }
    for args in [&["run", "--once"][..], &["ship", "tested"], &["requeue", "failed"]] {
        assert_eq!(lab.aq(Present, args).code, 4, "{args:?}");
    }
    assert_eq!(lab.stage("waits"), "inbox");
    lab.ok(Present, &["trust", &queue]);

    let status = lab.ok(Present, &["status"]);
    for job in ["tested", "judged", "failed", "in-place", "shipped", "waits"] {
        assert!(status.contains(job), "{job}: {status}");
    }
    assert!(lab.ok(Present, &["why", "waits"]).contains("waiting on tested"));
    assert!(lab.ok(Present, &["insights", "--json"]).contains("\"shipped\""));
    assert!(lab.ok(Present, &["diff", "failed"]).contains("+++ b/src/failed.txt"));

    // It goes on where it was, with what was left there.
    lab.ok(Present, &["requeue", "failed"]);
    lab.ok(Present, &["promote", "judged"]);
    lab.drain(Present);
    let linked = lab.linked("failed").join("src").display().to_string();
    let printed = lab.printed("failed");
    assert_eq!(printed[printed.len() - 4..], [&linked, "b.txt", "failed.txt", "left.txt"]);
    assert_eq!(lab.files("aq/wip/failed"), "b.txt failed.txt left.txt");
    for job in ["judged", "failed"] {
        assert_eq!(lab.stage(job), "testing", "{job}: {}", lab.log(job));
    }
    assert_eq!(lab.stage("waits"), "inbox", "the job that it waits for is not shipped");

    lab.ok(Present, &["ship", "--merge", "tested", "judged", "in-place"]);
    lab.drain(Present);
    assert_eq!(lab.printed("waits"), ["1"]);
    assert!(lab.own("waits").is_dir() && !lab.linked("waits").exists());
    lab.ok(Present, &["ship", "--merge", "waits"]);
    let all = "b.txt in-place.txt judged.txt shipped.txt tested.txt waits.txt";
    assert_eq!(lab.files("main"), all);
    assert_eq!(lab.git(&["status", "--porcelain"]), "");

    // What is not merged stays, wherever it was.
    lab.ok(Present, &["reject", "failed"]);
    fs::write(lab.linked("failed").join("src/late.txt"), "1\n").unwrap();
    lab.ok(Present, &["clean", "--keep", "0"]);
    lab.assert_clean("wip/failed");
    assert_eq!(lab.files("aq/wip/failed"), "b.txt failed.txt late.txt left.txt");
}

#[test]
fn queue_in_checkout_goes_on() {
    if let Some(lab) = UpgradeLab::inside(Earlier) {
        go_on(&lab);
    }
}

#[test]
fn queue_beside_checkout_goes_on() {
    if let Some(lab) = UpgradeLab::outside(Earlier) {
        go_on(&lab);
    }
}

#[test]
fn a_retry_of_version_0_1_keeps_its_pause() {
    let Some(lab) = UpgradeLab::outside(Earlier) else { return };
    let front = "retry: {max: 2, backoff: 1h}";
    lab.add(Earlier, "again", front, "echo 1 >>tries.txt; test $AQ_ATTEMPT = 2");
    let running = lab.start(Earlier, &[]);
    crate::sandbox::wait_for("the pause", || !lab.meta("again", "next_eligible").is_empty());
    lab.wait_for_stage("again", "inbox");
    drop(running);
    lab.ok(Present, &["trust", lab.queue("").to_str().unwrap()]);
    let why = lab.ok(Present, &["why", "again"]);
    assert!(why.contains("backoff until"), "{why}");
    // As if an hour had passed.
    let record = lab.queue(".state/meta/again.meta");
    let passed = fs::read_to_string(&record).unwrap() + "next_eligible=2026-01-01T00:00:00Z\n";
    fs::write(record, passed).unwrap();
    lab.drain(Present);
    assert_eq!((lab.stage("again"), lab.meta("again", "attempts").as_str()), ("testing", "2"));
    assert_eq!(lab.git(&["show", "aq/wip/again:src/tries.txt"]), "1\n1");
    assert!(lab.linked("again").is_dir());
}
