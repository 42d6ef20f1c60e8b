//! A supervisor for the tests. Reads its orders from its arguments, passes the output of the
//! commands on, and prints how each ended as the last lines on its standard error.
//!
//! `aq-process-probe [key=value]... -- program args... [-- program args...]...`
//!
//! As `aq-process-probe worker QUEUE JOB` it is the worker of a loop.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use aq_runner::process::{
    CommandInput, ControlGroup, DrainTimes, ObserverVerdict, OutputObserver, OutputStream,
    ProcessId, ProcessMarkers, ProcessSupervisor, Signal, SupervisedCommand, sweep, take_secrets,
};
use aq_runner::run::work_if_asked;

#[derive(Default)]
struct Orders {
    quiet: bool,
    end_at_byte: Option<u64>,
    result_at_byte: Option<u64>,
    result_grace: Duration,
    more_at_byte: Option<u64>,
    ending_at: Option<u64>,
    seen: u64,
}

impl OutputObserver for Orders {
    fn output(&mut self, stream: OutputStream, chunk: &[u8]) -> ObserverVerdict {
        self.seen += chunk.len() as u64;
        if !self.quiet {
            let written = match stream {
                OutputStream::Stdout => {
                    io::stdout().write_all(chunk).and_then(|()| io::stdout().flush())
                }
                OutputStream::Stderr => io::stderr().write_all(chunk),
            };
            written.expect("the test reads what the probe prints");
        }
        if self.end_at_byte.is_some_and(|at| self.seen >= at) {
            return ObserverVerdict::End;
        }
        if self.more_at_byte.take_if(|at| self.seen >= *at).is_some() {
            return ObserverVerdict::NotYet;
        }
        match self.result_at_byte.take_if(|at| self.seen >= *at) {
            Some(_) => ObserverVerdict::EndAfter(self.result_grace),
            None => ObserverVerdict::Continue,
        }
    }

    fn ending(&mut self) {
        self.ending_at = Some(self.seen);
    }

    fn settled(&mut self) {
        let group = ControlGroup::enter("test");
        let path = group.as_ref().map_or("none".into(), |group| group.path().to_string_lossy());
        say(&mut io::stdout(), format_args!("cgroup {path}"));
    }
}

fn say(to: &mut dyn Write, line: std::fmt::Arguments<'_>) {
    writeln!(to, "{line}").expect("the test reads what the probe prints");
}

fn main() -> ExitCode {
    if let Some(done) = work_if_asked(std::env::args_os()) {
        return if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    for (name, value) in take_secrets(|name| name.starts_with(b"PROBE_SECRET")) {
        say(&mut io::stdout(), format_args!("took {}={}", name.display(), value.display()));
    }
    let mut supervisor =
        ProcessSupervisor::install().expect("the test runs on a system that can do it");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = arguments.split(|argument| argument == "--");
    let mut orders = Orders::default();
    let mut task = SupervisedCommand {
        program: OsString::new(),
        args: Vec::new(),
        cwd: std::env::current_dir().expect("tests run in a directory"),
        env: std::env::vars_os().collect(),
        stdin: CommandInput::Null,
        deadline: None,
        settle: None,
        grace: Duration::from_secs(5),
        drain: DrainTimes::default(),
    };
    for order in parts.next().unwrap_or_default() {
        let (key, value) = order.split_once('=').expect("an order is key=value");
        let number = || value.parse::<u64>().expect("a number");
        match key {
            "deadline" => task.deadline = Some(Duration::from_millis(number())),
            "grace" => task.grace = Duration::from_millis(number()),
            "drain" => task.drain.total = Duration::from_millis(number()),
            "idle" => task.drain.idle = Duration::from_millis(number()),
            "stdin" => task.stdin = CommandInput::Bytes(vec![b'x'; number() as usize]),
            "cwd" => task.cwd = value.into(),
            "path" => task.env = vec![("PATH".into(), value.into())],
            "quiet" => orders.quiet = true,
            "end-at-byte" => orders.end_at_byte = Some(number()),
            "result-at-byte" => orders.result_at_byte = Some(number()),
            "more-at-byte" => orders.more_at_byte = Some(number()),
            "result-grace" => orders.result_grace = Duration::from_millis(number()),
            "settle" => task.settle = Some(Duration::from_millis(number())),
            "sweep" => {
                let traces =
                    ProcessMarkers { markers: &[("PROBE_MARK", value.as_ref())], cgroup: None };
                let swept = sweep(&traces, task.grace).expect("processes can be listed");
                say(&mut io::stdout(), format_args!("swept {} {}", swept.found, swept.left));
            }
            "stop-self" => {
                let own = ProcessId::current().expect("this process is listed");
                own.signal(Signal::TERM).expect("a process may signal itself");
            }
            _ => panic!("unknown order {key}"),
        }
    }
    for command in parts {
        task.program = command[0].clone().into();
        task.args = command[1..].iter().map(OsString::from).collect();
        orders.seen = 0;
        match supervisor.run(task.clone(), &mut orders) {
            Ok(ended) => say(
                &mut io::stderr(),
                format_args!(
                    "ended status={:?} cause={:?} killed={} left={} bytes={} ending={:?} ms={}",
                    ended.status,
                    ended.cause,
                    ended.survivors_killed,
                    ended.left,
                    orders.seen,
                    orders.ending_at,
                    ended.duration.as_millis()
                ),
            ),
            Err(e) => say(&mut io::stderr(), format_args!("error {e}")),
        }
    }
    ExitCode::SUCCESS
}
