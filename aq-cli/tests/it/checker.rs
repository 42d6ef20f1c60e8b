//! `tools/check_queue.rs`, by which other tests judge a queue, is judged here: each of its rows
//! is met by a harm that it alone sees, and a queue in order gives it nothing to say.

use std::fs;

use crate::sandbox::Sandbox;

/// A harm to a queue with the job `a`, and words of the finding about it.
type Harm = (fn(&Sandbox), &'static str);

/// Does the harms one at a time, each to a queue that was in order before.
fn each_is_seen(prepare: fn(&Sandbox), harms: &[Harm]) {
    for (harm, words) in harms {
        let sandbox = Sandbox::new();
        prepare(&sandbox);
        assert_eq!(sandbox.faults(&["a"]), "");
        harm(&sandbox);
        let found = sandbox.faults(&["a"]);
        assert!(found.contains(words), "{words}: {found}");
    }
}

/// A job that waits.
fn waits(sandbox: &Sandbox) {
    sandbox.add("a", "idempotency-key: k", "echo a job of more than thirty bytes");
}

/// A job that has run and is shipped.
fn shipped(sandbox: &Sandbox) {
    waits(sandbox);
    sandbox.ok(&["run", "--once", "--ship", "--quiet"]);
}

fn failed(sandbox: &Sandbox) {
    sandbox.add("a", "", "false");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
}

fn write(sandbox: &Sandbox, name: &str, bytes: &[u8]) {
    fs::write(sandbox.queue(name), bytes).unwrap();
}

fn remove(sandbox: &Sandbox, name: &str) {
    fs::remove_file(sandbox.queue(name)).unwrap();
}

const RECORD: &str = ".state/meta/a.meta";

fn append(sandbox: &Sandbox, line: &str) {
    let text = fs::read_to_string(sandbox.queue(RECORD)).unwrap();
    write(sandbox, RECORD, (text + line).as_bytes());
}

fn nul(sandbox: &Sandbox, name: &str) {
    let len = fs::metadata(sandbox.queue(name)).unwrap().len();
    write(sandbox, name, &vec![0; usize::try_from(len).unwrap()]);
}

#[test]
fn checker_sees_damaged_job_files() {
    each_is_seen(
        waits,
        &[
            (|it| remove(it, "inbox/a.md"), "a is in no folder"),
            (
                |it| fs::hard_link(it.queue("inbox/a.md"), it.queue("failed/a.md")).unwrap(),
                "a is in inbox and failed",
            ),
            (
                |it| fs::rename(it.queue("inbox/a.md"), it.queue("building/a.md")).unwrap(),
                "nobody is at work",
            ),
            (|it| write(it, "inbox/a.md", b""), "inbox/a.md is empty"),
            (|it| nul(it, "inbox/a.md"), "inbox/a.md has NUL bytes"),
            (
                |it| {
                    let text = fs::read(it.queue("inbox/a.md")).unwrap();
                    write(it, "inbox/a.md", &text[..30]);
                },
                "inbox/a.md is not as it was added",
            ),
            (
                |it| {
                    remove(it, "inbox/a.md");
                    fs::create_dir(it.queue("inbox/a.md")).unwrap();
                },
                "inbox/a.md cannot be read",
            ),
            (|it| write(it, "inbox/stray", b"x"), "inbox/stray is no job"),
            (|it| fs::remove_dir(it.queue("review")).unwrap(), "review/ cannot be read"),
            (|it| fs::remove_dir_all(it.queue(".state/keys")).unwrap(), "does not lead to it"),
        ],
    );
}

#[test]
fn the_checker_sees_records_that_are_lost_and_torn() {
    each_is_seen(
        waits,
        &[
            (|it| remove(it, RECORD), "a has no record"),
            (|it| write(it, RECORD, b""), "a has an empty record"),
            (|it| nul(it, RECORD), "whose last line is torn off"),
            (|it| append(it, "message=half"), "whose last line is torn off"),
            (|it| write(it, RECORD, b"message=\xff\n"), "cannot be read as text"),
            (|it| append(it, "\n"), "is no `key=value`"),
            (|it| append(it, "speed=1\n"), "has a key nobody knows"),
            (|it| append(it, "message=a\\b\n"), "has an escape that means nothing"),
            (|it| append(it, "message=\0\n"), "has control characters"),
            (|it| append(it, "message=x\r\n"), "has control characters"),
            (|it| append(it, "moved_to=moon\n"), "names no folder"),
            (|it| append(it, "result=fine\n"), "has a result nobody knows"),
            (|it| append(it, "attempt=-1\n"), "is no number"),
            (|it| append(it, "ended_at=2026-01-31\n"), "is no time"),
            (|it| append(it, "next_eligible=2026-01-31T12:00:00\n"), "is no time"),
        ],
    );
}

#[test]
fn the_checker_sees_records_that_say_something_else() {
    each_is_seen(
        waits,
        &[
            (|it| append(it, "pid=1\n"), "has a worker on record: 1"),
            (|it| append(it, "moved_to=failed\n"), "is in inbox, and its record says failed"),
            (|it| append(it, "attempts=1\n"), "counts 1 attempts and began"),
        ],
    );
    each_is_seen(failed, &[(|it| append(it, "result=\n"), "nothing says why")]);
    each_is_seen(
        shipped,
        &[
            (|it| append(it, "moved_to=\n"), "is in shipped, and its record says nothing of that"),
            (|it| append(it, "moved_to=inbox\n"), "is in shipped, and its record says inbox"),
            (|it| remove(it, RECORD), "a has no record"),
            (|it| remove(it, "logs/a.log"), "a has run, and has no log"),
        ],
    );
}

#[test]
fn the_checker_finds_what_clean_has_put_away() {
    let sandbox = Sandbox::new();
    shipped(&sandbox);
    sandbox.add("b", "", "true");
    sandbox.ok(&["clean", "--keep", "0"]);
    assert_eq!(sandbox.faults(&["a", "b"]), "");
    let archive = fs::read_dir(sandbox.queue(".archive")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(archive.join("a.log")).unwrap();
    assert!(sandbox.faults(&["a"]).contains("a has run, and has no log"));
    fs::remove_file(archive.join("a.meta")).unwrap();
    assert!(sandbox.faults(&["a"]).contains("a has no record"));
    // No job that waits or rests has its record there.
    fs::rename(sandbox.queue(".state/meta/b.meta"), archive.join("b.meta")).unwrap();
    assert!(sandbox.faults(&["b"]).contains("b has no record"));
}

/// A queue in which jobs have failed for other reasons than that they ran.
#[test]
fn the_checker_is_content_with_jobs_that_were_refused() {
    let sandbox = Sandbox::new();
    sandbox.add("other", "engine: none-of-this-name", "true");
    sandbox.add("stopped", "", "true");
    sandbox.ok(&["stop", "stopped"]);
    let file = sandbox.queue("inbox/bad.md");
    fs::write(&file, "---\ntimeout: soon\n---\n").unwrap();
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    fs::File::options().append(true).open(file).unwrap().set_modified(past).unwrap();
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    assert_eq!(sandbox.jobs("failed"), ["bad", "other", "stopped"]);
    assert_eq!(sandbox.faults(&["bad", "other", "stopped"]), "");
}

#[test]
fn the_checker_knows_what_a_power_cut_may_take() {
    let sandbox = Sandbox::new();
    shipped(&sandbox);
    remove(&sandbox, "logs/a.log");
    append(&sandbox, "moved_to=testing\n\0\0\0");
    assert_eq!(sandbox.faults_with(&["--power-cut"], &["a"]), "");
    write(&sandbox, RECORD, b"\0\0\0");
    assert!(sandbox.faults_with(&["--power-cut"], &["a"]).contains("a has an empty record"));
}
