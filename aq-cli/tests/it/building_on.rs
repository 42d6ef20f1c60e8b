//! Jobs that build on the work of their deps.

use serde_json::Value;

use crate::sandbox::{Sandbox, kill_child, wait_for};

fn json(sandbox: &Sandbox, job: &str) -> Value {
    serde_json::from_str(&sandbox.ok(&["why", "--json", job])).unwrap()
}

/// Adds two jobs that change one file, and one that builds on both.
fn add_conflict(sandbox: &Sandbox) {
    sandbox.add("one", "idempotency-key: k1", "echo 1 > a.txt");
    sandbox.add("two", "idempotency-key: k2", "echo 2 > a.txt");
    sandbox.add("both", "deps: [k1, k2]", "cp a.txt seen");
}

fn resolve(sandbox: &Sandbox) {
    sandbox.git(&["merge", "-q", "aq/wip/one"]);
    assert!(!sandbox.try_git(&["merge", "-q", "aq/wip/two"]).0);
    sandbox.commit("a.txt", "1 and 2\n");
}

#[test]
fn children_see_the_work_before() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "idempotency-key: a", "echo from-a > made");
    sandbox.add("b", "deps: [a]", "cp made seen; echo b > own");
    let main = sandbox.git(&["rev-parse", "main"]);
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.jobs("shipped"), ["a", "b"]);
    assert_eq!(sandbox.on_branch("b", "seen"), "from-a");
    assert_eq!(sandbox.git(&["rev-parse", "main"]), main, "nothing is merged by itself");
    let tip = sandbox.git(&["rev-parse", "aq/wip/a"]);
    let meta = sandbox.meta("b");
    assert_eq!((&meta["wip_target"], &meta["wip_base"]), (&main, &tip));
    assert_eq!(meta["wip_deps"], format!("a@{tip}"));
    assert_eq!(meta["files_changed"], "2");
    let ground = std::fs::read_to_string(sandbox.queue(".state/wip/b.ground")).unwrap();
    assert_eq!(ground, format!("target {main}\ndep a {tip}\nbase {tip}\n"));
    let diff = sandbox.ok(&["diff", "b"]);
    assert!(diff.contains("+++ b/own") && !diff.contains("b/made"), "{diff}");
    let why = sandbox.ok(&["why", "b"]);
    assert!(why.contains(&format!("\nbuilds on a at {}, main at {}", &tip[..7], &main[..7])));
    let base = &json(&sandbox, "b")["builds_on"];
    assert_eq!((&base["deps"][0]["job"], &base["deps"][0]["commit"]), (&"a".into(), &tip.into()));
}

#[test]
fn conflicts_wait_uncounted() {
    let sandbox = Sandbox::with_repository();
    add_conflict(&sandbox);
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("both waits: deps conflict in a.txt"), "{said}");
    assert_eq!(sandbox.folders("both"), ["inbox"]);
    let meta = sandbox.meta("both");
    assert_eq!((&*meta["deps_conflict"], &*meta["deps_conflict_dep"]), ("a.txt", "two"));
    assert!(!meta.contains_key("attempts") && !meta.contains_key("wip_base"), "{meta:?}");
    let why = sandbox.ok(&["why", "both"]);
    assert!(why.contains("does not run: deps conflict in a.txt"), "{why}");
    let reason = &json(&sandbox, "both")["reason"];
    assert_eq!((&reason["code"], &reason["dep"]), (&"deps_conflict".into(), &"two".into()));
    // Nothing has moved: it is not even tried.
    let log = sandbox.log("both");
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.log("both"), log);
    resolve(&sandbox);
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("both"), ["shipped"], "{}", sandbox.log("both"));
    assert_eq!(sandbox.on_branch("both", "seen"), "1 and 2");
    assert!(!sandbox.meta("both").contains_key("deps_conflict"));
}

#[test]
fn loops_see_branches_move() {
    let sandbox = Sandbox::with_repository();
    add_conflict(&sandbox);
    let mut run = sandbox.start_loop(&["--ship"]);
    wait_for("the conflict", || sandbox.meta("both").contains_key("deps_conflict"));
    resolve(&sandbox);
    sandbox.wait_for_stage("both", "shipped");
    kill_child(&mut run);
    assert_eq!(sandbox.on_branch("both", "seen"), "1 and 2");
}

#[test]
fn changes_of_deps_are_told() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "idempotency-key: a", "echo $AQ_ATTEMPT >> made");
    sandbox.add("b", "deps: [a]\ndeps-mode: soft", "cp made seen");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.jobs("testing"), ["a", "b"]);
    let told = |words: &str, change: &str| {
        let why = sandbox.ok(&["why", "b"]);
        assert!(why.contains(&format!("\na {words} since this job began on its work")), "{why}");
        let found = json(&sandbox, "b");
        assert_eq!(found["builds_on"]["deps"][0]["change"], change);
        assert_eq!(found["warnings"][0]["code"], "dep_changed");
    };
    assert_eq!(json(&sandbox, "b")["builds_on"]["deps"][0]["change"], Value::Null);
    sandbox.ok(&["reject", "a"]);
    told("was rejected", "rejected");
    sandbox.ok(&["requeue", "a"]);
    told("is in inbox/ again", "reopened");
    sandbox.ok(&["run", "--once"]);
    sandbox.git(&["pack-refs", "--all"]);
    let tip = sandbox.git(&["rev-parse", "aq/wip/a"]);
    told(&format!("has gone on to {}", &tip[..7]), "moved");
}

#[test]
fn named_bases_are_used() {
    let sandbox = Sandbox::with_repository();
    sandbox.git(&["tag", "v1"]);
    let first = sandbox.git(&["rev-parse", "main"]);
    sandbox.commit("late", "1\n");
    sandbox.add("old", "base: v1", "test ! -e late; echo x > x");
    sandbox.add("lost", "base: nowhere", "true");
    sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("old"), ["shipped"], "{}", sandbox.log("old"));
    assert_eq!(sandbox.meta_value("old", "wip_base"), first);
    assert!(sandbox.ok(&["why", "old"]).contains(&format!("\nbuilds on v1 at {}", &first[..7])));
    let why = sandbox.ok(&["why", "lost"]);
    assert!(
        why.contains(
            "setup failed: there is no branch, tag or commit \"nowhere\" to start aq/wip/lost from"
        ),
        "{why}"
    );
}
