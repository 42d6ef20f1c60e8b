//! `clean`, with the runs of git that it starts.

use std::fs;

use super::{Share, at_every_step, is_only_aq};
use crate::injection::{Point, can_trace};
use crate::sandbox::Sandbox;

/// Jobs that have ended and are merged; that have ended and are not; that wait for a person; that
/// wait to run.
pub(crate) fn prepare(sandbox: &Sandbox) {
    sandbox.make_repository();
    for job in ["merged", "open", "rests"] {
        sandbox.add(job, &format!("idempotency-key: {job}"), &format!("echo x >{job}.txt"));
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    sandbox.ok(&["ship", "--merge", "merged"]);
    sandbox.ok(&["ship", "open"]);
    sandbox.add("waits", "", "true");
}

/// In how many places a log or a record is: the queue, and each archive.
fn copies(sandbox: &Sandbox, own: &str, name: &str) -> usize {
    let archives = fs::read_dir(sandbox.queue(".archive")).into_iter().flatten().flatten();
    let away = archives.filter(|archive| archive.path().join(name).exists()).count();
    away + usize::from(sandbox.queue(own).join(name).exists())
}

pub(crate) fn look(point: &Point<'_>) {
    let Point { sandbox, what, .. } = point;
    let jobs = ["merged", "open", "rests", "waits"];
    let are_there = || {
        point.is_whole(&jobs);
        for job in jobs {
            assert_eq!(copies(sandbox, ".state/meta", &format!("{job}.meta")), 1, "{what}: {job}");
            let logs = usize::from(job != "waits");
            assert_eq!(copies(sandbox, "logs", &format!("{job}.log")), logs, "{what}: {job}");
        }
        for job in ["open", "rests"] {
            let work = sandbox.try_git(&["show", &format!("aq/wip/{job}:{job}.txt")]);
            assert_eq!(work, (true, "x".to_owned()), "{what}: {job}");
        }
        assert_eq!(sandbox.git(&["show", "main:merged.txt"]), "x", "{what}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{what}");
        assert!(sandbox.own("rests", "rests.txt").exists(), "{what}");
    };
    // Whatever was killed when, each job is counted once.
    let are_counted = || {
        let insights = sandbox.json(&["insights", "--json"]);
        let counted = [&insights["all"]["jobs"], &insights["all"]["attempts"]];
        assert_eq!(counted, [&3.into(), &3.into()] as [&serde_json::Value; 2], "{what}");
    };
    are_there();
    are_counted();
    point.again(&["clean", "--keep", "0"]);
    are_there();
    are_counted();
    for job in ["merged", "open"] {
        assert!(!sandbox.queue(&format!(".state/meta/{job}.meta")).exists(), "{what}: {job}");
        // When a git was killed, `clean` says so and goes on.
        let stays = sandbox.queue(&format!("work/{job}")).exists();
        assert!(!stays || !is_only_aq(point), "{what}: {job}");
    }
    for stage in ["testing", "inbox"] {
        assert_eq!(sandbox.jobs(stage).len(), 1, "{what}: {stage}");
    }
}

#[test]
fn clean_killed_anywhere_loses_nothing() {
    if !can_trace() {
        return;
    }
    let share = Share { few: 8, many: 40 };
    let kills = at_every_step(prepare, &["clean", "--keep", "0"], share, look);
    assert!(kills >= 5, "{kills}");
}
