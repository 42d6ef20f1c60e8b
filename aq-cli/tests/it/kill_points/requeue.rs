//! `requeue` in a repository: the job goes on with what its branch and its checkout have.

use super::{Share, at_every_step};
use crate::injection::{Point, can_trace};
use crate::sandbox::Sandbox;

/// A job that has failed, with work of which a part is in the checkout only.
pub(crate) fn prepare(sandbox: &Sandbox) {
    sandbox.make_repository();
    sandbox.add("a", "", "[ ! -e new.txt ] || exit 0; echo x >new.txt; exit 1");
    let _ = sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["failed"]);
    std::fs::write(sandbox.own("a", "by-hand.txt"), "y\n").unwrap();
}

pub(crate) fn look(point: &Point<'_>) {
    let Point { sandbox, what, .. } = point;
    if sandbox.folders("a") == ["failed"] {
        point.again(&["requeue", "a"]);
    }
    assert_eq!(sandbox.folders("a"), ["inbox"], "{what}");
    point.is_whole(&["a"]);
    point.again(&["run", "--once", "--quiet"]);
    let story = || format!("{what}: {:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", story());
    assert_eq!(sandbox.meta_value("a", "attempts"), "1", "{}", story());
    for (file, text) in [("new.txt", "x"), ("by-hand.txt", "y")] {
        assert_eq!(sandbox.on_branch("a", file), text, "{}", story());
    }
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{what}");
    point.is_whole(&["a"]);
}

#[test]
fn requeue_killed_anywhere_keeps_work() {
    if !can_trace() {
        return;
    }
    let share = Share { few: 2, many: 20 };
    let kills = at_every_step(prepare, &["requeue", "a"], share, look);
    assert!(kills >= 3, "{kills}");
}
