//! Several processes at one queue: adds, stops and requeues beside a loop, two loops, a loop that
//! is killed and followed by another.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::{Sandbox, cpu_ticks, kill_child, wait_child, wait_for};

fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    sandbox.aq(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn codes(children: Vec<Child>) -> Vec<i32> {
    children.into_iter().map(|mut child| wait_child(&mut child)).collect()
}

#[test]
fn racing_adds_of_a_key() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("same", "idempotency-key: k", "true");
    let file = file.to_str().unwrap();
    let adders = (0..8).map(|_| start(&sandbox, &["add", file])).collect();
    assert_eq!(codes(adders), [0; 8]);
    assert_eq!(sandbox.jobs("inbox"), ["same"]);
}

#[test]
fn racing_adds_of_a_name() {
    let sandbox = Sandbox::new();
    let files: Vec<String> = (0..8)
        .map(|n| {
            let dir = sandbox.path(&format!("dir-{n}"));
            fs::create_dir(&dir).unwrap();
            let path = dir.join("same.md");
            fs::write(&path, crate::sandbox::job_text("", &format!("echo body-{n} >>trace")))
                .unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let adders = files.iter().map(|file| start(&sandbox, &["add", file])).collect();
    assert_eq!(codes(adders), [0; 8]);
    let mut expected: Vec<String> = (2..=8).map(|n| format!("same-{n}")).collect();
    expected.insert(0, "same".to_owned());
    assert_eq!(sandbox.jobs("inbox"), expected);
    assert_eq!(sandbox.code(&["run", "--once", "--quiet", "--max", "4"]).0, 0);
    let trace = fs::read_to_string(sandbox.work().join("trace")).unwrap();
    let mut lines: Vec<&str> = trace.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["body-0", "body-1", "body-2", "body-3", "body-4", "body-5", "body-6", "body-7"]
    );
}

/// Persons who do contrary things to the same jobs, all at once, beside a loop. Whatever comes of
/// it: each job is in one folder and no job ran beside itself.
#[test]
fn racing_verbs_leave_one_folder() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.start_loop(&["--max", "3"]);
    let body = "exec 9>own-$AQ_JOB_ID; flock -n 9 || echo twice >>bad\nsleep 0.02";
    let names = ["a", "b", "c", "d"];
    let files: Vec<String> = names
        .iter()
        .map(|name| {
            let path = sandbox.write(name, &format!("idempotency-key: {name}"), body);
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        for verb in ["add", "stop", "requeue", "reject"] {
            let (sandbox, files) = (&sandbox, &files);
            scope.spawn(move || {
                while Instant::now() < until {
                    for (name, file) in names.iter().zip(files) {
                        let (code, said) =
                            sandbox.code(&[verb, if verb == "add" { file } else { name }]);
                        // Done; not there yet; or refused because of where it is.
                        assert!([0, 3, 4].contains(&code), "aq {verb} {name}: {code}: {said}");
                    }
                }
            });
        }
    });
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGTERM).unwrap();
    // 1 says that some job failed, as the stopped ones did.
    assert!([0, 1].contains(&wait_child(&mut run)));
    sandbox.code(&["run", "--once", "--quiet", "--max", "3"]);
    for name in names {
        assert_eq!(sandbox.folders(name).len(), 1, "{name}: {:?}", sandbox.folders(name));
        assert!(["testing", "failed"].contains(&sandbox.folders(name)[0]));
    }
    assert!(!sandbox.work().join("bad").exists());
    assert_eq!(sandbox.agents(), []);
}

/// A stop that was answered with success is never lost, whatever the loop does at that moment.
#[test]
fn stop_that_was_confirmed_holds() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.start_loop(&[]);
    for n in 0..15 {
        let id = format!("job-{n}");
        sandbox.add(&id, "retry: {max: 5, backoff: 0s}", "sleep 1000");
        std::thread::sleep(Duration::from_millis(n * 2));
        let (code, said) = sandbox.code(&["stop", &id]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("is stopped"), "{said}");
        assert_eq!(sandbox.folders(&id), ["failed"], "{n}: {:?}", sandbox.meta(&id));
        assert_eq!(sandbox.meta_value(&id, "result"), "stopped");
    }
    kill_child(&mut run);
    assert_eq!(sandbox.agents(), []);
}

#[test]
fn a_second_loop_is_refused_and_names_the_first() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start_loop(&[]);
    wait_for("the loop", || sandbox.queue(".state/daemon.pid").exists());
    wait_for("its name", || {
        let (code, said) = sandbox.code(&["run", "--once"]);
        code == 4 && said.contains(&first.id().to_string())
    });
    kill_child(&mut first);
    // What it wrote about itself is stale now.
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 0);
}

#[test]
fn superseded_job_runs_once() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.start_loop(&[]);
    sandbox.add("gate", "", "while [ ! -e go ]; do sleep 0.01; done");
    sandbox.wait_for_stage("gate", "building");
    for n in 0..10 {
        // Now and then under another name, which puts the old file away.
        let name = if n % 3 == 0 { "other" } else { "job" };
        sandbox.add(name, "idempotency-key: k", &format!("echo {n} >>trace"));
    }
    assert_eq!(sandbox.jobs("inbox").len(), 1, "{:?}", sandbox.jobs("inbox"));
    fs::write(sandbox.work().join("go"), "").unwrap();
    wait_for("both jobs", || sandbox.jobs("testing").len() == 2);
    assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "9\n");
    kill_child(&mut run);
}

#[test]
fn dropped_namesake_gets_another_name() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "echo first >>trace");
    sandbox.ok(&["run", "--once", "--quiet"]);
    fs::write(
        sandbox.queue("inbox/x.md"),
        crate::sandbox::job_text("", "echo second >>work/trace"),
    )
    .unwrap();
    sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("x"), ["testing"]);
    assert_eq!(sandbox.folders("x-2"), ["testing"], "{:?}", sandbox.log("x-2"));
    assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "first\nsecond\n");
}

/// The lock of a job that `aq clean`, `aq add` or anything else holds for long.
#[test]
fn held_job_is_awaited_calmly() {
    let sandbox = Sandbox::new();
    sandbox.add("held", "", "true");
    sandbox.add("free", "", "true");
    let meta = fs::File::open(sandbox.queue(".state/meta/held.meta")).unwrap();
    meta.lock().unwrap();
    let mut run = sandbox.start_loop(&["--once"]);
    sandbox.wait_for_stage("free", "testing");
    let before = cpu_ticks(run.id());
    std::thread::sleep(Duration::from_millis(500));
    let spent = cpu_ticks(run.id()) - before;
    assert!(spent < 10, "{spent} hundredths of a second of processor time in half a second");
    assert_eq!(sandbox.folders("held"), ["inbox"]);
    drop(meta);
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.folders("held"), ["testing"]);
}

#[test]
fn next_loop_counts_running_jobs() {
    let sandbox = Sandbox::new();
    let body = "free=no; for n in 1 2; do exec 7>slot-$n; if flock -n 7; then free=yes; break; \
        fi; done\n\
        [ $free = yes ] || echo max >>bad\n\
        exec 9>own-$AQ_JOB_ID; flock -n 9 || echo twice >>bad\n\
        echo $AQ_JOB_ID >>trace; while [ ! -e go ]; do sleep 0.01; done";
    for n in 0..5 {
        sandbox.add(&format!("job-{n}"), "", body);
    }
    let trace = || fs::read_to_string(sandbox.work().join("trace")).unwrap_or_default();
    let mut run = sandbox.start_loop(&["--once", "--max", "2"]);
    wait_for("two jobs", || trace().lines().count() == 2);
    for _ in 0..5 {
        kill_child(&mut run);
        run = sandbox.start_loop(&["--once", "--max", "2"]);
        wait_for("the loop", || {
            fs::read_to_string(sandbox.queue(".state/daemon.pid"))
                .is_ok_and(|text| text.contains(&format!("pid={}\n", run.id())))
        });
    }
    // Whatever those loops could start, they would have by the time that an added job is seen.
    assert_eq!(trace().lines().count(), 2);
    fs::write(sandbox.work().join("go"), "").unwrap();
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(trace().lines().count(), 5);
    assert!(!sandbox.work().join("bad").exists());
    for n in 0..5 {
        assert_eq!(sandbox.meta_value(&format!("job-{n}"), "attempts"), "1");
    }
}
