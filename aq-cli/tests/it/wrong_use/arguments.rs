//! Commands and flags.

use super::{DONE, FAILED, MISSING, REFUSED, USAGE, wrong};
use crate::sandbox::Sandbox;

type PlotRow = (&'static str, i32, &'static [&'static str]);

const NO_NUMBER: &[&str] = &["a whole number is expected"];
const NO_ADDRESS: &[&str] = &["expected an IP address and a port, such as 127.0.0.1:7331"];
const NO_JOB: &[&str] = &["there is no job nobody", "`aq status --all` lists the jobs"];

const ROWS: &[PlotRow] = &[
    ("", USAGE, &["First steps:", "demo", "Usage: aq [OPTIONS] <COMMAND>"]),
    ("frobnicate", USAGE, &["unrecognized subcommand 'frobnicate'"]),
    ("help frobnicate", USAGE, &["unrecognized subcommand"]),
    ("status --frob", USAGE, &["--frob"]),
    ("status /tmp", USAGE, &["`--queue DIR` names another queue"]),
    ("status --json --watch", USAGE, &["cannot be used with"]),
    ("status --watch", USAGE, &["redraws a terminal"]),
    ("why", USAGE, &["<JOB>", "`aq status` lists the jobs"]),
    ("why a b", USAGE, &["one job at a time"]),
    ("why ..", USAGE, &["\"..\" is no job's name"]),
    ("why nobody", MISSING, NO_JOB),
    ("logs nobody", MISSING, NO_JOB),
    ("logs -n x nobody", USAGE, NO_NUMBER),
    ("logs -n -1 nobody", USAGE, &["not negative"]),
    ("diff nobody", MISSING, NO_JOB),
    ("diff", USAGE, &["<JOB>"]),
    ("insights nobody", MISSING, NO_JOB),
    ("insights --since x", USAGE, &["write a duration such as `90s`"]),
    ("insights --since 7", USAGE, &["the last number has no unit"]),
    ("insights --since -1d", USAGE, &["not negative"]),
    ("stop nobody", MISSING, NO_JOB),
    ("stop --all nobody", USAGE, &["'--all' cannot be used with"]),
    ("promote nobody", MISSING, NO_JOB),
    ("promote", USAGE, &["<JOB>", "`aq status` lists the jobs"]),
    ("ship", USAGE, &["<JOBS>...", "`aq status` lists the jobs"]),
    ("ship nobody other", MISSING, &["there is no job nobody", "there is no job other"]),
    ("ship --force x", USAGE, &["`--leave-out`"]),
    ("reject nobody", MISSING, NO_JOB),
    ("reject nobody --reason", USAGE, &["a value is required for '--reason <REASON>'"]),
    ("requeue", USAGE, &["--failed", "--all"]),
    ("requeue nobody", MISSING, NO_JOB),
    ("requeue --result nonsense", USAGE, &["it can be crash, timeout, verify_failed"]),
    ("requeue --failed nobody", USAGE, &["cannot be used with"]),
    ("requeue --all --failed", USAGE, &["cannot be used with"]),
    ("requeue --failed", DONE, &["no job is to be put back"]),
    ("run --max 0", USAGE, &["1 or more is expected"]),
    ("run --max x", USAGE, NO_NUMBER),
    ("run --max -1", USAGE, &["not negative"]),
    ("run --max 99999999999", USAGE, &["--max <N>"]),
    ("run --max-review 0", USAGE, &["1 or more is expected"]),
    ("run nobody", USAGE, &["`aq run` runs all that waits"]),
    ("run -j3", USAGE, &["`--max N`"]),
    ("run --jobs 3", USAGE, &["`--max N`"]),
    ("clean --keep x", USAGE, NO_NUMBER),
    ("clean --keep -1", USAGE, &["not negative"]),
    ("clean nobody", USAGE, &["the whole queue"]),
    ("completions", USAGE, &["<SHELL>"]),
    ("completions tcsh", USAGE, &["possible values: bash, elvish, fish"]),
    ("schema x", USAGE, &["unexpected argument 'x'"]),
    ("caps x", USAGE, &["unexpected argument 'x'"]),
    ("engines --retry nobody", USAGE, &["there is no engine \"nobody\"; see `aq engines`"]),
    ("engines --retry", USAGE, &["a value is required for '--retry <NAME>'"]),
    ("coordinator --listen x", USAGE, NO_ADDRESS),
    ("coordinator --listen 127.0.0.1", USAGE, NO_ADDRESS),
    ("coordinator --lease x", USAGE, &["write a duration such as `90s`"]),
    ("coordinator --database x", USAGE, &["a database is `sqlite:FILE`"]),
    ("coordinator", USAGE, &["no token", "--token-file"]),
    ("coordinator --token-file nowhere", USAGE, &["cannot read the token file nowhere"]),
    ("dashboard --listen x", USAGE, NO_ADDRESS),
    ("dashboard --listen 127.0.0.1:99999", USAGE, NO_ADDRESS),
    ("dashboard --listen 0.0.0.0:0", USAGE, &["--token-file", "127.0.0.1"]),
    ("dashboard --token-file nowhere", USAGE, &["cannot read the token file nowhere"]),
    ("fleet-status x", USAGE, &["unexpected argument 'x'"]),
    ("fleet-shadow-report --min-rate 2", USAGE, &["a number from 0 to 1"]),
    ("fleet-shadow-report --min-rate x", USAGE, &["a number is expected, such as 0.98"]),
    ("fleet-shadow-report --min-samples -1", USAGE, &["not negative"]),
    ("service --max 0", USAGE, &["1 or more is expected"]),
    ("service --systemd", USAGE, &["--systemd"]),
    ("trust nowhere", MISSING, &["there is no queue at nowhere"]),
    ("trust /etc/passwd", MISSING, &["/etc/passwd is no directory"]),
    ("init /etc/passwd", MISSING, &["/etc/passwd is no directory"]),
    ("init /etc/passwd/q", FAILED, &["/etc/passwd/q", "a file has the name of a directory"]),
    ("init a b", USAGE, &["a queue is one directory"]),
    ("demo /etc", REFUSED, &["/etc is not empty", "name a new directory"]),
    ("demo /etc/passwd", FAILED, &["/etc/passwd"]),
    ("man --dir /etc/passwd", FAILED, &["cannot write manual pages to /etc/passwd"]),
    ("from-tracker", USAGE, &["github:owner/repo#12"]),
    ("from-tracker github:o/r", USAGE, &["names no issue; write github:owner/repo#12"]),
    ("from-tracker o/r#x", USAGE, &["AQ_TRACKER_URL is not set"]),
    ("from-tracker o/r#12", USAGE, &["AQ_GITHUB_TOKEN nor GITHUB_TOKEN"]),
    ("from-tracker AQ-1 --query x", USAGE, &["names no repository; write github:owner/repo"]),
    ("from-tracker x --limit x", USAGE, NO_NUMBER),
    ("to-tracker nobody", MISSING, NO_JOB),
    ("submit nowhere.md", USAGE, &["there is no file nowhere.md"]),
    ("add", USAGE, &["name job files or a directory"]),
    ("add nowhere.md", USAGE, &["there is no file nowhere.md"]),
    ("add --priority high x.md", USAGE, &["`priority` is a key of the job file"]),
    ("add --prompt x", USAGE, &["aq add - --name NAME"]),
    ("add Fix the login form", USAGE, &["echo 'Fix the login form' | aq add - --name NAME"]),
    ("check nowhere.md", USAGE, &["there is no file nowhere.md"]),
    ("--quee x status", USAGE, &["a similar argument exists: '--queue'"]),
    ("ls", USAGE, &["`aq status`"]),
    ("cancel x", USAGE, &["`aq stop JOB`"]),
    ("version", USAGE, &["`aq --version`"]),
];

#[test]
fn commands_and_flags() {
    let sandbox = Sandbox::new();
    for (args, code, says) in ROWS {
        let words: Vec<&str> = args.split_whitespace().collect();
        wrong(&format!("aq {args}"), &mut sandbox.aq(&words), *code, says);
    }
}

#[test]
fn states_that_do_not_fit() {
    let sandbox = Sandbox::new();
    sandbox.add("waits", "", "true");
    let file = sandbox.write("keyed", "idempotency-key: k\npriority: high", "true");
    sandbox.add("first", "idempotency-key: k", "true");
    sandbox.ok(&["run", "--once"]);
    for (args, code, says) in [
        ("requeue waits", REFUSED, "job waits is in testing/"),
        ("reject nothing", MISSING, "there is no job nothing"),
        ("stop waits", REFUSED, "waits"),
        ("diff waits", REFUSED, "job waits has no branch"),
        ("to-tracker waits", REFUSED, "has no `tracker-item`"),
        ("requeue --all --force", DONE, "no job is to be put back"),
    ] {
        let words: Vec<&str> = args.split_whitespace().collect();
        wrong(&format!("aq {args}"), &mut sandbox.aq(&words), code, &[says]);
    }
    let says = ["the idempotency key \"k\" belongs to job first in testing/"];
    wrong("a clash", &mut sandbox.aq(&["add", file.to_str().unwrap()]), REFUSED, &says);
}

#[test]
fn requeue_takes_many_and_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.add("crash", "", "exit 1");
    sandbox.add("slow", "timeout: 1s", "sleep 100");
    sandbox.add("good", "", "true");
    sandbox.add("stopped", "", "true");
    sandbox.ok(&["stop", "stopped"]);
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    let back = |args: &[&str]| {
        let (code, said) = sandbox.code(args);
        (code, said, sandbox.jobs("inbox"))
    };
    let (code, said, jobs) = back(&["requeue", "good", "crash", "nobody", "slow"]);
    assert_eq!((code, jobs), (3, vec!["crash".to_owned(), "slow".to_owned()]), "{said}");
    assert!(said.contains("2 of 4 are back in the inbox"), "{said}");
    assert!(said.contains("job good is in testing/"), "{said}");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(back(&["requeue", "--result", "timeout"]).2, ["slow"]);
    assert_eq!(back(&["requeue", "--failed"]).2, ["crash", "slow"], "not what a person stopped");
    assert_eq!(back(&["requeue", "--all"]).2, ["crash", "slow", "stopped"]);
}
