//! Records that are damaged, or of a newer version: they cost their own job, and no other.

use std::fs;
use std::path::PathBuf;

use crate::places::lab::PlacesLab;
use crate::sandbox::{Sandbox, wait_for};

/// A value of each kind that no version reads, with its key.
const DAMAGE: [&str; 12] = [
    "attempts=many",
    "next_eligible=soon",
    "priority=urgent",
    "deps_mode=firm",
    "review_policy=team",
    "retry_max=-1",
    "capabilities=>=<",
    "isolation=box",
    "fleet_lease_epoch=x",
    "wip_base=main",
    "cwd=here",
    "setup_done=\\0",
];

fn append(sandbox: &Sandbox, job: &str, lines: &str) {
    let record = sandbox.queue(&format!(".state/meta/{job}.meta"));
    let text = fs::read_to_string(&record).unwrap();
    fs::write(record, format!("{text}{lines}\n")).unwrap();
}

fn state(sandbox: &Sandbox, job: &str) -> (String, String) {
    let status: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["status", "--json"])).unwrap();
    let jobs = ["jobs", "ended"].iter().flat_map(|list| status[list].as_array().unwrap());
    let found = jobs.into_iter().find(|found| found["id"] == job).unwrap().clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&found["state"]), text(&found["reason"]["text"]))
}

/// It is shown with its error and its mend, and nothing is done with it.
fn assert_left_alone(sandbox: &Sandbox, job: &str, folder: &str, damage: &str) {
    let (key, _) = damage.split_once('=').unwrap();
    let mend = format!("a further line `{key}=` there forgets it");
    for said in [sandbox.ok(&["status"]), sandbox.ok(&["why", job]), state(sandbox, job).1] {
        assert!(said.contains(&format!("`{key}` in ")) && said.contains(&mend), "{said}");
    }
    assert_eq!(state(sandbox, job).0, "unusable");
    assert_eq!(sandbox.folders(job), [folder], "{damage}");
}

#[test]
fn a_damaged_value_keeps_its_job_from_running() {
    for damage in DAMAGE {
        let sandbox = Sandbox::new();
        sandbox.add("x", "idempotency-key: x", "echo ran");
        sandbox.add("dep", "deps: [x]", "true");
        sandbox.add("other", "", "true");
        append(&sandbox, "x", damage);
        assert_left_alone(&sandbox, "x", "inbox", damage);
        let (code, said) = sandbox.code(&["run", "--once"]);
        assert_eq!(
            (code, said.matches("the record of x cannot be used").count()),
            (1, 1),
            "{said}"
        );
        assert_eq!(sandbox.folders("other"), ["testing"]);
        assert_eq!((sandbox.folders("dep"), sandbox.log("x").as_str()), (vec!["inbox"], ""));
        assert_left_alone(&sandbox, "x", "inbox", damage);
        let (key, _) = damage.split_once('=').unwrap();
        let mend = if key == "cwd" {
            format!("cwd={}", sandbox.work().display())
        } else {
            format!("{key}=")
        };
        append(&sandbox, "x", &mend);
        assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 0, "{damage}");
        assert_eq!(sandbox.folders("x"), ["testing"]);
    }
}

#[test]
fn a_loop_goes_on_when_the_record_is_mended() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "true");
    append(&sandbox, "x", "attempts=many");
    let mut running = sandbox.start_loop(&[]);
    sandbox.add("other", "", "true");
    sandbox.wait_for_stage("other", "testing");
    assert_eq!(sandbox.folders("x"), ["inbox"]);
    append(&sandbox, "x", "attempts=");
    sandbox.wait_for_stage("x", "testing");
    sandbox.ok(&["stop"]);
    assert_eq!(crate::sandbox::wait_child(&mut running), 0);
}

#[test]
fn newer_record_is_left_alone() {
    for stage in ["inbox", "building", "review", "testing", "failed"] {
        let sandbox = Sandbox::new();
        sandbox.add("x", "", "echo ran");
        sandbox.add("other", "", "true");
        let file = sandbox.queue(&format!("{stage}/x.md"));
        fs::rename(sandbox.queue("inbox/x.md"), file).unwrap();
        append(&sandbox, "x", &format!("moved_to={stage}\nformat=2"));
        let said = sandbox.ok(&["why", "x"]);
        assert!(said.contains("is of format \"2\"") && said.contains("use a newer one"), "{said}");
        let before = sandbox.meta("x");
        sandbox.code(&["run", "--once", "--quiet"]);
        sandbox.code(&["recover"]);
        for args in [
            &["ship", "x"][..],
            &["ship", "--merge", "x"],
            &["promote", "x"],
            &["reject", "x"],
            &["requeue", "x"],
            &["stop", "x"],
            &["clean", "--keep", "0"],
        ] {
            let (code, said) = sandbox.code(args);
            assert!(code == 4 || args[0] == "clean", "{stage} {args:?}: {said}");
            assert_eq!((sandbox.folders("x"), sandbox.meta("x")), (vec![stage], before.clone()));
        }
        assert_eq!(sandbox.log("x"), "");
        assert!(["testing", "failed"].contains(&sandbox.folders("other")[0]));
    }
}

#[test]
fn damaged_jobs_are_neither_shipped_nor_recovered() {
    let sandbox = Sandbox::with_repository();
    for (job, front) in [("tested", ""), ("judged", "review-policy: human"), ("lost", "")] {
        sandbox.add(job, front, "echo 1 >$AQ_JOB_ID.txt");
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    fs::rename(sandbox.queue("testing/lost.md"), sandbox.queue("building/lost.md")).unwrap();
    append(&sandbox, "tested", "wip_base=main");
    append(&sandbox, "judged", "lines_added=some");
    append(&sandbox, "lost", "attempts=minus one\npid=-1\nlaunched_at=\nmoved_to=building");
    let head = sandbox.git(&["rev-parse", "main"]);
    for args in [
        &["ship", "tested"][..],
        &["ship", "--merge", "tested"],
        &["promote", "judged"],
        &["ship", "judged"],
        &["recover"],
    ] {
        let (code, said) = sandbox.code(args);
        assert!(code == 4 && said.contains("cannot be used"), "{args:?}: {said}");
    }
    assert_eq!(sandbox.code(&["run", "--once", "--quiet", "--ship"]).0, 1);
    assert_left_alone(&sandbox, "tested", "testing", "wip_base=main");
    assert_left_alone(&sandbox, "judged", "review", "lines_added=some");
    assert_eq!(
        (sandbox.folders("lost"), state(&sandbox, "lost").0.as_str()),
        (vec!["building"], "unusable")
    );
    assert_eq!(sandbox.git(&["rev-parse", "main"]), head);
    // To end a job needs no value of it, and to begin afresh forgets what the runs have left.
    sandbox.ok(&["reject", "judged"]);
    assert_left_alone(&sandbox, "judged", "failed", "lines_added=some");
    let (code, said) = sandbox.code(&["clean", "--keep", "0"]);
    assert!(code == 0 && said.contains("`lines_added` in "), "{said}");
    assert!(sandbox.queue(".state/meta/judged.meta").exists());
    sandbox.ok(&["requeue", "judged"]);
    sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("judged"), ["review"]);
    append(&sandbox, "tested", &format!("wip_base={head}"));
    sandbox.ok(&["ship", "--merge", "tested"]);
}

/// A job that has failed once in a repository, and is back in the inbox.
fn tried() -> Sandbox {
    let sandbox = Sandbox::with_repository();
    sandbox.add("x", "", "echo 1 >>x.txt; test $AQ_JOB_ID = x && test -e $HOME/go");
    sandbox.code(&["run", "--once", "--quiet"]);
    fs::write(sandbox.own("x", "left.txt"), "1\n").unwrap();
    sandbox.ok(&["requeue", "x"]);
    fs::write(sandbox.path("home/go"), "").unwrap();
    sandbox.add("other", "", "echo 1 >other.txt");
    sandbox
}

#[test]
fn damaged_notes_of_a_branch_fail_their_job() {
    for (file, value, expected) in [
        ("wip/x.base", "main\n", "not the name of a commit"),
        ("checkouts/x/given", "main\n", "not the name of a commit"),
        ("checkouts/x/name", "../x\n", "not the name of the checkout"),
        ("checkouts/x/name", "", "not the name of the checkout"),
        ("checkouts/x/HEAD", "\0\0\0\0", ""),
    ] {
        let sandbox = tried();
        let path = sandbox.queue(&format!(".state/{file}"));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, value).unwrap();
        assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1, "{file}");
        assert_eq!(
            (sandbox.folders("x"), sandbox.folders("other")),
            (vec!["failed"], vec!["testing"])
        );
        let message = sandbox.meta_value("x", "message");
        let names_it = expected.is_empty() || message.contains(path.to_str().unwrap());
        assert!(names_it && message.contains(expected), "{file}: {message}");
        assert_eq!(sandbox.meta_value("x", "result"), "setup_failed", "{file}");
        // The mend: nothing is lost.
        fs::write(&path, &whole).unwrap();
        sandbox.ok(&["requeue", "x"]);
        sandbox.code(&["run", "--once", "--quiet"]);
        assert_eq!(sandbox.folders("x"), ["testing"], "{file}: {}", sandbox.log("x"));
        assert_eq!(sandbox.on_branch("x", "x.txt"), "1\n1", "{file}: {}", sandbox.log("x"));
        assert_eq!(sandbox.on_branch("x", "left.txt"), "1", "{file}");
        sandbox.ok(&["reject", "x"]);
        fs::write(&path, value).unwrap();
        let (code, said) = sandbox.code(&["clean", "--keep", "0"]);
        assert!(code == 0 && said.contains("the checkout of x stays"), "{file}: {said}");
        assert_eq!(fs::read_to_string(sandbox.own("x", "left.txt")).unwrap(), "1\n");
    }
}

#[test]
fn what_can_be_made_again_costs_nothing() {
    for file in ["given", "commondir", "keeper", "given-refs", "index"] {
        let sandbox = tried();
        let damage = if file == "given" { "" } else { "\u{1}nonsense\n" };
        fs::write(sandbox.queue(&format!(".state/checkouts/x/{file}")), damage).unwrap();
        sandbox.code(&["run", "--once", "--quiet"]);
        assert_eq!(sandbox.folders("x"), ["testing"], "{file}: {}", sandbox.log("x"));
        assert_eq!(sandbox.on_branch("x", "x.txt"), "1\n1", "{file}");
        assert_eq!(sandbox.on_branch("x", "left.txt"), "1", "{file}");
    }
}

#[test]
fn damaged_origin_is_no_branch() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("x", "", "echo 1 >x.txt");
    sandbox.ok(&["run", "--once", "--quiet"]);
    let path = sandbox.queue(".state/wip/x.from");
    fs::write(&path, "nonsense\n").unwrap();
    let (code, said) = sandbox.code(&["ship", "--merge", "x"]);
    assert!(code == 4 && said.contains(path.to_str().unwrap()), "{said}");
    assert_eq!(sandbox.folders("x"), ["testing"]);
    fs::write(&path, "refs/heads/main\n").unwrap();
    sandbox.ok(&["ship", "--merge", "x"]);
    // What an in-place job had checked out before.
    sandbox.add("y", "isolation: in-place", "kill -9 $PPID; sleep 1");
    let back = sandbox.queue(".state/wip/y.back");
    let mut running = sandbox.start_loop(&[]);
    wait_for("the job", || back.exists());
    crate::sandbox::kill_child(&mut running);
    wait_for("its end", || sandbox.workers().is_empty());
    fs::write(&back, "nonsense\n").unwrap();
    sandbox.code(&["recover"]);
    let error = sandbox.meta_value("y", "checkpoint_error");
    assert!(error.contains(back.to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(&back).unwrap(), "nonsense\n");
}

#[test]
fn a_damaged_marker_makes_no_second_queue() {
    let lab = PlacesLab::new();
    lab.repository("p");
    lab.add("p", "x", "", "true");
    let queue = PathBuf::from(lab.queue("p"));
    let marker = queue.join(".state/repository");
    let whole = fs::read_to_string(&marker).unwrap();
    let job = lab.job("y", "", "true");
    for damage in ["", "\0\0\0\0\n", "id", "path=relative\n", "\u{1}=\nnonsense\n"] {
        fs::write(&marker, damage).unwrap();
        for args in [&["add", &job][..], &["init"], &["status"], &["run", "--once"]] {
            let said = lab.aq("p", args);
            assert_eq!(said.code, 5, "{damage:?} {args:?}: {said:?}");
            assert!(said.err.contains(&marker.display().to_string()), "{said:?}");
            // The lines that it names are the mend.
            let id = lab.git("p", &["config", "aq.id"]);
            assert!(said.err.contains(&format!("`id={id}` and `path={}`", lab.text("p/.git"))));
        }
        let mend = whole.lines().take(2).fold(String::new(), |text, line| text + line + "\n");
        fs::write(&marker, mend).unwrap();
        assert_eq!(lab.queue("p"), queue.display().to_string());
    }
    lab.ok("p", &["run", "--once", "--quiet"]);
    assert!(queue.join("testing/x.md").exists());
}

#[test]
fn a_damaged_list_of_trust_trusts_nothing_else() {
    let lab = PlacesLab::new();
    lab.ok("", &["init", "q"]);
    let list = lab.path("home/.local/state/aq/queues");
    let whole = fs::read(&list).unwrap();
    let queue = lab.text("q");
    let recover = || lab.aq("", &["--queue", &queue, "recover"]).code;
    for damage in [&b""[..], b"\0\0\0\0", b"q\n", b"\xff\xfe\n/\n", &whole[..whole.len() - 1]] {
        fs::write(&list, damage).unwrap();
        assert_eq!(recover(), 4, "{damage:?}");
    }
    // Another line that cannot be read takes no trust away.
    fs::write(&list, [b"\xff\n\0\n", &whole[..]].concat()).unwrap();
    assert_eq!(recover(), 0);
    fs::write(&list, b"torn").unwrap();
    lab.ok("", &["trust", &queue]);
    assert_eq!(recover(), 0);
}
