//! System calls that fail, or kill their process, at a place that a test names. `strace` does it.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};

use crate::sandbox::{Sandbox, skipped};
use role::Role;

mod aftermath;
pub(crate) mod role;

/// The fault at the place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// `kill -9` of the process.
    Kill,
    /// The call fails with this error, by the name that C gives it.
    Error(&'static str),
}

impl Fault {
    /// Returns the argument of `strace`, and the mark by which it shows that it was done.
    fn told(self) -> (String, &'static str) {
        match self {
            Fault::Kill => ("signal=SIGKILL".to_owned(), "killed by SIGKILL"),
            Fault::Error(error) => (format!("error={error}"), "(INJECTED)"),
        }
    }
}

/// Tests that processes may be traced here. Where not, the tests say so and prove nothing.
pub(crate) fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    let can = traced.is_ok_and(|output| output.status.success());
    if !can {
        skipped("strace cannot trace here; install it, and allow ptrace");
    }
    can
}

/// Time limit of a command, in seconds. A fault that each new worker meets keeps a loop trying for
/// ever.
const LIMIT: &str = "30";

/// Runs `aq` under `strace` with more options. Answers what it printed, and the calls of all its
/// processes, with what their descriptors mean.
pub(crate) fn traced(sandbox: &Sandbox, options: &[&str], args: &[&str]) -> (Output, String) {
    let seen = sandbox.path("strace");
    let mut command = Command::new("timeout");
    let output = sandbox
        .clean(&mut command)
        .args(["-k", "5", LIMIT, "strace", "-f", "-q", "-y", "-o"])
        .arg(&seen)
        .args(options)
        .arg(env!("CARGO_BIN_EXE_aq"))
        .arg("--queue")
        .arg(sandbox.queue(""))
        .args(args)
        .output()
        .unwrap();
    (output, String::from_utf8_lossy(&fs::read(seen).unwrap()).into_owned())
}

/// Runs `aq`; in each process of it the `n`-th call of this name meets the fault: `strace` counts
/// the calls of each process, and of each name. Answers what it printed, and the calls that came to
/// that, with what their descriptors mean.
pub(crate) fn run_with(
    sandbox: &Sandbox,
    call: &str,
    fault: Fault,
    n: usize,
    args: &[&str],
) -> (Output, Vec<String>) {
    let (what, _) = fault.told();
    let inject = format!("inject={call}:{what}:when={n}");
    let (output, seen) = traced(sandbox, &["-e", &format!("trace={call}"), "-e", &inject], args);
    (output, struck(&seen, fault))
}

/// The calls of a trace that met the fault.
fn struck(seen: &str, fault: Fault) -> Vec<String> {
    let (_, sign) = fault.told();
    let lines: Vec<&str> = seen.lines().collect();
    let met = (0..lines.len()).filter(|&at| lines[at].contains(sign));
    met.map(|at| whole(&lines, at)).collect()
}

/// The most calls of these kinds that one process makes, of a command's that were all let through.
pub(crate) fn most_in_one(seen: &str, calls: &str) -> usize {
    by_process(seen, calls).iter().map(Vec::len).max().unwrap_or_default()
}

/// The calls of these kinds that each process makes, in order.
fn by_process<'a>(seen: &'a str, calls: &str) -> Vec<Vec<&'a str>> {
    let mut made = BTreeMap::<_, Vec<_>>::new();
    for line in seen.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let name = call.trim_start().split('(').next().unwrap_or_default();
        if calls.split(',').any(|kind| kind == name) {
            made.entry(process).or_default().push(line);
        }
    }
    made.into_values().collect()
}

/// Tests for a call that reads or writes something that is only in memory, such as a pipe: no disk
/// makes it fail, and a program or library that relies on that is right. To make such a thing may
/// fail.
pub(crate) fn is_of_memory(call: &str) -> bool {
    const MAKES: [&str; 7] = [
        "pipe2(",
        "socketpair(",
        "dup3(",
        "pidfd_open(",
        "epoll_create1(",
        "inotify_init1(",
        "inotify_add_watch(",
    ];
    let kinds = ["<anon_inode:", "<pipe:", "<socket:", "<UNIX"];
    let has = |words: &[&str]| words.iter().any(|word| call.contains(word));
    has(&kinds) && !has(&MAKES)
}

/// A call that was shown in two halves, because another process was shown between them.
fn whole(lines: &[&str], at: usize) -> String {
    let process = lines[at].split(' ').next().unwrap_or_default();
    let begun = lines[..at]
        .iter()
        .rev()
        .find(|line| line.split(' ').next() == Some(process) && line.ends_with("<unfinished ...>"));
    match begun {
        Some(begun) if lines[at].contains("resumed>") => format!("{begun} {}", lines[at]),
        _ => lines[at].to_owned(),
    }
}

/// A kind of fault, and in which of a command's calls it is tried.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The calls that it meets, as `strace` names them.
    pub(crate) calls: &'a str,
    pub(crate) fault: Fault,
    /// Every how manieth is tried.
    pub(crate) stride: usize,
    /// Later ones of a process are not tried.
    pub(crate) most: usize,
}

impl<'a> Plan<'a> {
    /// The places of it in a command of which all calls were let through, each a call and its
    /// number.
    fn places(&self, seen: &str) -> Vec<(&'a str, usize)> {
        let numbered = |call| (1..=most_in_one(seen, call).min(self.most)).map(move |n| (call, n));
        self.calls.split(',').flat_map(numbered).collect()
    }
}

/// Every how manieth call is tried: what the environment says, or else `share`.
pub(crate) fn stride(variable: &str, share: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(share)
}

/// One place at which a command met a fault.
pub(crate) struct Point<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// Which, for people.
    pub(crate) what: String,
    /// The calls that met it.
    pub(crate) met: Vec<String>,
    /// The output of the command.
    pub(crate) output: Output,
    pub(crate) fault: Fault,
}

impl Point<'_> {
    /// Tests for a kill.
    fn is_kill(&self) -> bool {
        matches!(self.fault, Fault::Kill)
    }

    /// A command that is made again now does what it is for.
    pub(crate) fn again(&self, args: &[&str]) -> String {
        let (code, said) = self.sandbox.code(args);
        assert_eq!(code, 0, "{}, then aq {}: {said}", self.what, args.join(" "));
        said
    }

    /// Nothing is lost, doubled or torn.
    pub(crate) fn is_whole(&self, jobs: &[&str]) {
        assert_eq!(self.sandbox.faults(jobs), "", "{}", self.what);
    }
}

/// Lets a command meet each fault of the plans, each time in a fresh queue, and looks after each.
/// Answers how many there were.
pub(crate) fn everywhere<'a>(
    plans: impl IntoIterator<Item = Plan<'a>>,
    prepare: impl Fn(&Sandbox),
    args: &[&str],
    look: impl Fn(&Point<'_>),
) -> usize {
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    let (_, seen) = traced(&sandbox, &[], args);
    let (mut passed, mut points) = (0, 0);
    let mut broken = Vec::<String>::new();
    for plan in plans {
        let fault = plan.fault;
        for (call, n) in plan.places(&seen) {
            passed += 1;
            if passed % plan.stride != 0 {
                continue;
            }
            let sandbox = Sandbox::new();
            prepare(&sandbox);
            let (output, met) = run_with(&sandbox, call, fault, n, args);
            if met.is_empty() {
                // This time there were fewer.
                continue;
            }
            let what = format!("aq {}: {fault:?} at {call} number {n}", args.join(" "));
            let point = Point { sandbox: &sandbox, what, met, output, fault };
            // Each is looked at, also after one that does not hold.
            if catch_unwind(AssertUnwindSafe(|| look(&point))).is_err() {
                broken.push(point.what);
            }
            points += 1;
        }
    }
    assert!(broken.is_empty(), "{} of {points} do not hold: {broken:#?}", broken.len());
    points
}

/// Lets one alone of those that take part in a job meet faults of these kinds, one at a time and
/// each time in a fresh queue, at every how manieth of its calls, and looks after each. Those kinds
/// that name a call of `must` are met at least once, whatever the share.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
pub(crate) fn one_by_one<'a>(
    role: Role,
    kinds: impl IntoIterator<Item = (&'a str, Fault)>,
    variable: &str,
    share: usize,
    must: &[&str],
    look: impl Fn(&Point<'_>),
) {
    let runs = role::unharmed(role);
    let stride = stride(variable, share);
    // Not the first of them.
    let mut passed = stride / 2;
    let (mut tried, mut broken) = (Vec::new(), Vec::<String>::new());
    for (calls, fault) in kinds {
        let places = role::places(role, &runs, calls, fault);
        let before = passed;
        let is_due = |at: usize| (before + at).is_multiple_of(stride);
        let mut chosen: Vec<usize> = (0..places.len()).filter(|&at| is_due(at)).collect();
        passed += places.len();
        let must = calls.split(',').any(|call| must.contains(&call));
        if must && chosen.is_empty() {
            // From the middle to the end, until one is met.
            chosen.extend(places.len() / 2..places.len());
        }
        let mut met_at = 0;
        for at in chosen {
            if must && met_at > 0 && !is_due(at) {
                break;
            }
            let (sandbox, output, met) = role::strike(&places[at]);
            if met.is_empty() {
                // This time there were fewer.
                continue;
            }
            met_at += 1;
            let point = Point { sandbox: &sandbox, what: places[at].words(), met, output, fault };
            // Each is looked at, also after one that does not hold.
            if catch_unwind(AssertUnwindSafe(|| look(&point))).is_err() {
                broken.push(point.what);
            }
        }
        assert!(!must || met_at > 0, "{role:?} met no {fault:?} at {calls}");
        tried.push((calls, fault, met_at));
    }
    let sum: usize = tried.iter().map(|(.., n)| n).sum();
    println!("{role:?} alone: {sum} faults:{}", role::summary(&tried));
    assert!(broken.is_empty(), "{} of them do not hold: {broken:#?}", broken.len());
    assert!(sum > 0, "{role:?} met nothing");
}
