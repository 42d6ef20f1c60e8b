//! A queue of this version under version 0.1, and back under this one.

use std::fs;

use super::lab::UpgradeLab;
use super::lab::Version::{Earlier, Present};

#[test]
fn version_0_1_goes_on_and_loses_nothing() {
    let Some(lab) = UpgradeLab::outside(Present) else { return };
    lab.add(Present, "tested", "idempotency-key: tested", "echo 1 >tested.txt");
    lab.add(Present, "judged", "review-policy: human", "echo 1 >judged.txt");
    lab.add(Present, "failed", "", "echo $AQ_ATTEMPT >>failed.txt; test -e mine.txt");
    lab.add(Present, "kept", "", "echo 1 >kept.txt; exit 3");
    lab.add(Present, "in-place", "isolation: in-place", "echo 1 >in-place.txt");
    lab.drain(Present);
    lab.add(Present, "waits", "deps: [tested]", "cat tested.txt; echo 1 >waits.txt");
    // In no commit yet when the older version takes over.
    for job in ["failed", "kept"] {
        fs::write(lab.own(job).join("src/mine.txt"), "1\n").unwrap();
    }

    let status = lab.ok(Earlier, &["status"]);
    for job in ["tested", "judged", "failed", "kept", "in-place", "waits"] {
        assert!(status.contains(job), "{job}: {status}");
    }
    assert!(lab.ok(Earlier, &["diff", "failed"]).contains("+++ b/src/failed.txt"));
    lab.ok(Earlier, &["ship", "--merge", "tested"]);
    lab.ok(Earlier, &["ship", "in-place"]);
    lab.ok(Earlier, &["requeue", "failed"]);
    lab.drain(Earlier);
    assert_eq!((lab.stage("waits"), lab.stage("failed")), ("testing", "failed"));
    assert_eq!(lab.printed("waits"), ["1"]);

    let status = lab.ok(Present, &["status"]);
    assert!(status.contains("judged") && status.contains("waits"), "{status}");
    lab.ok(Present, &["requeue", "failed"]);
    lab.drain(Present);
    assert_eq!(lab.stage("failed"), "testing", "{}", lab.log("failed"));
    assert_eq!(lab.git(&["show", "aq/wip/failed:src/failed.txt"]), "1\n1\n1");
    assert_eq!(lab.files("aq/wip/failed"), "b.txt failed.txt mine.txt");
    assert!(!lab.linked("failed").exists());
    lab.ok(Present, &["ship", "--merge", "judged", "waits", "failed"]);
    let all = "b.txt failed.txt judged.txt mine.txt tested.txt waits.txt";
    assert_eq!(lab.files("main"), all);
    lab.ok(Present, &["clean", "--keep", "0"]);
    lab.assert_clean("wip/in-place wip/kept");
    assert_eq!(lab.files("aq/wip/kept"), "b.txt kept.txt mine.txt");
}

#[test]
fn what_version_0_1_has_cleaned_is_put_away() {
    let Some(lab) = UpgradeLab::inside(Present) else { return };
    lab.add(Present, "merged", "", "echo 1 >merged.txt");
    lab.add(Present, "kept", "", "echo 1 >kept.txt; exit 3");
    lab.drain(Present);
    lab.ok(Earlier, &["ship", "--merge", "merged"]);
    let left = lab.own("kept").join("src/left.txt");
    fs::write(left, "1\n").unwrap();
    lab.ok(Earlier, &["clean", "--keep", "0"]);
    lab.ok(Present, &["clean"]);
    lab.assert_clean("wip/kept");
    assert_eq!(lab.files("aq/wip/kept"), "b.txt kept.txt left.txt");
}

#[test]
fn a_config_of_this_version_is_refused_by_name() {
    let Some(lab) = UpgradeLab::outside(Present) else { return };
    lab.add(Present, "waits", "target: main", "true");
    fs::write(lab.queue("config.yaml"), "worktrees: beside\n").unwrap();
    let end = lab.aq(Earlier, &["run", "--once"]);
    assert!(end.code != 0 && end.err.contains("config.yaml:1:1: unknown field"), "{end:?}");
    assert_eq!(lab.stage("waits"), "inbox");
    fs::write(lab.queue("config.yaml"), "").unwrap();
    // A key of a job file that it does not know is no obstacle.
    lab.drain(Earlier);
    assert_eq!(lab.stage("waits"), "testing");
    lab.ok(Present, &["ship", "--merge", "waits"]);
}
