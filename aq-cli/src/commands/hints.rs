//! Hints for commands and flags that `aq` does not know.

use aq_manifest::{KEYS, nearest};

/// A hint for an unknown verb. Verbs of other programs are answered by their meaning; a typo
/// gets the nearest verb, unless that one ends, ships or throws away something.
pub(crate) fn verb(typed: &str, known: &[&str]) -> Option<String> {
    if let Some(meant) = meaning(&typed.to_ascii_lowercase()) {
        return Some(meant.to_owned());
    }
    let near = nearest(typed, known.iter().copied())?;
    (!CAREFUL.contains(&near)).then(|| format!("did you mean `aq {near}`?"))
}

/// Verbs that nobody is to be led to by a typo.
const CAREFUL: [&str; 10] = [
    "stop", "ship", "promote", "reject", "requeue", "clean", "recover", "trust", "submit", "answer",
];

fn meaning(typed: &str) -> Option<&'static str> {
    Some(match typed {
        "list" | "ls" | "l" | "jobs" | "queue" | "ps" | "stat" | "stats" | "st" | "top"
        | "watch" | "monitor" | "state" | "overview" => {
            "`aq status` shows the queue; `aq insights` shows what jobs took"
        }
        "show" | "view" | "get" | "info" | "describe" | "inspect" | "explain" | "reason"
        | "job" => {
            "`aq why JOB` says what became of a job, `aq logs JOB` what it printed, `aq diff JOB` \
             what it changed"
        }
        "cancel" | "kill" | "abort" | "end" | "terminate" | "halt" | "quit" | "exit" => {
            "`aq stop JOB` ends one job for good; `aq stop` ends the run loop and leaves agents at \
             work"
        }
        "pause" | "suspend" | "freeze" => {
            "`aq hold JOB` keeps a waiting job from its start; `aq stop` ends the run loop, and \
             running agents go on"
        }
        "rm" | "remove" | "delete" | "del" | "drop" | "purge" | "unqueue" | "dequeue" => {
            "aq deletes no job: `aq stop JOB` takes one out of the queue, into failed/; `aq clean` \
             puts logs of ended jobs away"
        }
        "modify" | "change" | "update" => {
            "`aq edit JOB` opens the file of a job that waits; `aq set JOB KEY=VALUE` sets a key"
        }
        "version" | "ver" => "`aq --version` prints the version",
        "log" | "output" | "tail" | "cat" | "print" | "trace" => {
            "`aq logs JOB` shows what a job printed; `aq logs -f JOB` follows it"
        }
        "start" | "daemon" | "work" | "exec" | "execute" | "loop" | "go" | "launch" | "begin"
        | "continue" => {
            "`aq run` runs the jobs of the queue; `aq run --once` ends when none is left"
        }
        "serve" | "server" | "ui" | "web" | "open" | "board" | "gui" => {
            "`aq dashboard` shows the queue in a browser"
        }
        "resume" | "unpause" => {
            "`aq release JOB` lets a held job go; `aq requeue --resume JOB` goes on with a failed \
            one"
        }
        "comment" | "tell" | "say" | "feedback" => {
            "`aq reply JOB TEXT` puts a job back with your words"
        }
        "retry" | "rerun" | "restart" | "again" | "reset" | "redo" => {
            "`aq requeue JOB` puts a failed job back; `aq requeue --failed` all of them"
        }
        "push" | "merge" | "accept" | "approve" | "land" | "apply" | "finish" | "done" => {
            "`aq ship JOB` accepts a job that is in review/ or testing/; with --merge it merges \
             the job's branch"
        }
        "deny" | "decline" | "discard" | "refuse" => "`aq reject JOB` turns a job's work down",
        "new" | "create" | "enqueue" | "put" | "insert" | "post" | "task" | "prompt" => {
            "`aq add FILE` adds a job; `echo 'PROMPT' | aq add - --name NAME` one from words"
        }
        "config" | "configure" | "settings" | "setting" | "conf" | "env" => {
            "settings are in config.yaml, in the directory that `aq path` prints"
        }
        "agents" | "agent" | "models" | "model" => "`aq engines` lists the engines",
        "cost" | "costs" | "usage" | "report" | "metrics" => "`aq insights` shows what jobs took",
        "setup" | "install" | "create-queue" | "mkqueue" => "`aq init` makes a queue",
        "validate" | "lint" | "verify" => "`aq check FILE` validates job files",
        "where" | "dir" | "pwd" | "which" | "root" | "home" => {
            "`aq path` prints where the queue is"
        }
        "history" | "all" => "`aq status --all` shows all jobs, also those that ended long ago",
        "changes" | "patch" | "result" => "`aq diff JOB` shows what a job changed",
        "health" | "diagnose" | "verify-install" | "env-check" => {
            "`aq doctor` checks what goes wrong for new users"
        }
        "issue" | "issues" | "import" | "pull" => {
            "`aq from-tracker github:owner/repo#12` makes a job of an issue"
        }
        "systemd" | "unit" | "launchd" | "install-service" => "`aq service` prints a unit",
        "example" | "examples" | "tutorial" | "try" => "`aq demo` runs an example queue",
        _ => return None,
    })
}

/// A hint for an unknown verb of `aq fleet`.
pub(crate) fn fleet_verb(typed: &str) -> Option<&'static str> {
    Some(match typed.to_ascii_lowercase().as_str() {
        "list" | "ls" | "ps" | "job" | "queue" => "`aq fleet jobs` lists the jobs of the fleet",
        "status" | "hosts" | "host" | "show" | "stats" | "overview" => {
            "`aq fleet-status` shows the fleet: hosts, jobs and numbers"
        }
        "log" | "logs" | "output" => {
            "logs are on a job's host, which `aq fleet jobs` names: `aq logs JOB`, there"
        }
        "event" | "watch" | "follow" | "tail" | "history" => {
            "`aq fleet events --follow` shows what happens"
        }
        "undrain" | "uncordon" | "resume" => "`aq fleet drain HOST --off` lets it take jobs again",
        "stop" | "kill" | "abort" | "delete" | "rm" => "`aq fleet cancel JOB` stops a job for good",
        "retry" | "rerun" | "restart" => "`aq fleet requeue JOB` puts a failed job back",
        "submit" | "add" => "`aq submit FILE` hands a job to the fleet",
        _ => return None,
    })
}

/// A hint for a flag that a verb does not have.
pub(crate) fn flag(verb: &str, flag: &str) -> Option<String> {
    if flag.starts_with('-') && flag[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return Some("numbers here are not negative".to_owned());
    }
    if !flag.starts_with('-') {
        return word(verb);
    }
    let name = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
    let text = match (verb, name) {
        ("run" | "service", "j" | "jobs" | "parallel" | "concurrency" | "workers" | "n") => {
            "`--max N` says how many jobs run at once"
        }
        ("run", "watch" | "daemon" | "d" | "loop") => "without --once, `aq run` goes on for good",
        ("run", "dry-run") => {
            "`aq status` shows what would run, in which order, and what waits for what"
        }
        ("status", "w" | "follow" | "f") => "`aq status --watch` looks again every second",
        ("status", "a" | "full" | "every") => "`aq status --all` shows all jobs",
        ("logs", "lines" | "last") => "`-n N` shows the last lines only",
        ("ship", "force" | "f") => {
            "`--leave-out` ships a job whose branch does not hold all of its work; `aq why JOB` \
             says what keeps one"
        }
        ("add" | "submit", name) if is_key(name) => {
            return Some(format!(
                "`{name}` is a key of the job file: write `{name}: ...` between two lines of \
                 `---` at its top"
            ));
        }
        ("add" | "submit", "m" | "p" | "message" | "text" | "title" | "body" | "prompt") => {
            "the prompt comes from a file or standard input: `echo 'PROMPT' | aq add - --name NAME`"
        }
        ("add", "id") => "`--name ID` gives the job another id than the file's name",
        ("add", "force" | "f") => "`--again` adds a file that was added before once more",
        ("add" | "init" | "status" | "run", "dir" | "path" | "C" | "directory" | "repo") => {
            "`--queue DIR` names the queue; a job works where `aq add` ran, or in its `cwd`"
        }
        (_, "v" | "verbose" | "debug") => "there is no such switch; `aq logs JOB` has everything",
        _ => return None,
    };
    Some(text.to_owned())
}

/// A hint for a word too many.
fn word(verb: &str) -> Option<String> {
    let text = match verb {
        "status" => "`aq why JOB` asks of one job; `--queue DIR` names another queue",
        "run" => "`aq run` runs all that waits; `aq add FILE` puts a job there first",
        "why" | "diff" | "logs" | "promote" | "reject" | "stop" | "insights" => {
            "this takes one job at a time"
        }
        "clean" | "recover" => "this looks at the whole queue; `aq stop JOB` ends one job",
        "init" => "a queue is one directory; quote a name with blanks",
        _ => return None,
    };
    Some(text.to_owned())
}

/// A hint for a value that is no number.
pub(crate) fn number(problem: &str) -> Option<&'static str> {
    [
        ("invalid digit found in string", "a whole number is expected, such as 4"),
        ("cannot parse integer", "a whole number is expected, such as 4"),
        ("is not in 1..", "1 or more is expected"),
        ("invalid float literal", "a number is expected, such as 0.98"),
        ("number too large", "a smaller number is expected"),
    ]
    .into_iter()
    .find_map(|(said, hint)| problem.contains(said).then_some(hint))
}

/// A hint for a verb that was given too little.
pub(crate) fn missing(verb: &str) -> Option<String> {
    let text = match verb {
        "requeue" => {
            "name jobs, or take `--failed`, `--result RESULT` or `--all`; `aq status` lists them"
        }
        "add" | "submit" => {
            "name job files or a directory, or `-`: `echo 'PROMPT' | aq add - --name NAME`"
        }
        "why" | "logs" | "diff" | "ship" | "promote" | "reject" | "to-tracker" => {
            "`aq status` lists the jobs"
        }
        "from-tracker" => "an item is AQ-7, or github:owner/repo#12",
        _ => return None,
    };
    Some(text.to_owned())
}

fn is_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 10] =
        ["add", "status", "run", "stop", "ship", "why", "logs", "clean", "requeue", "check"];

    #[test]
    fn a_typo_leads_to_nothing_that_destroys() {
        for (typed, verb_named) in [("statsu", "status"), ("chekc", "check"), ("runn", "run")] {
            let hint = verb(typed, &KNOWN).unwrap();
            assert_eq!(hint, format!("did you mean `aq {verb_named}`?"));
        }
        for typed in ["stpo", "shpi", "cleen", "requeu", "sotp", "hip", "frobnicate", "x", ""] {
            let hint = verb(typed, &KNOWN).unwrap_or_default();
            assert!(CAREFUL.iter().all(|careful| !hint.contains(careful)), "{typed}: {hint}");
        }
    }

    #[test]
    fn verbs_of_others_are_answered() {
        for typed in
            "list ls show cancel rm delete modify version log kill start retry abort push merge \
             queue ps stat LIST jobs pause config history serve create"
                .split_whitespace()
        {
            assert!(verb(typed, &KNOWN).unwrap().contains('`'), "{typed}");
        }
    }

    #[test]
    fn flags_are_answered_by_verb() {
        assert!(flag("run", "-j").unwrap().contains("--max"));
        assert!(flag("run", "--jobs=3").unwrap().contains("--max"));
        assert!(flag("add", "--priority").unwrap().contains("`priority: ...`"));
        assert!(flag("add", "--message").unwrap().contains("aq add -"));
        assert_eq!(flag("status", "--frob"), None);
    }
}
