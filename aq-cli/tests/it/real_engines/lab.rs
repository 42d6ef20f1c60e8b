//! The needs of each of these tests, and checks that hold in more than one of them.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::unistd::Pid;

use crate::model_server::{Answer, Fault, ModelServer};
use crate::sandbox::{Sandbox, skipped, wait_child};

use super::program::{CLAUDE_CALL_USD, Engine};
use super::report::{Case, Report, is_wanted, words_of};

/// The prompt of the jobs.
pub(super) const PROMPT: &str = "Write the file made.txt and nothing else.";

/// The command of a model that does it.
pub(super) const MAKE: &str = "echo made > made.txt";

/// The tokens of a run that got no answer.
pub(super) const NO_NUMBERS: &str = "no numbers";

/// The longest that a real program may take with one thing.
const PATIENCE: Duration = Duration::from_secs(150);

/// Where the programs keep things.
const HOMES: [&str; 7] = [
    "HOME",
    "CODEX_HOME",
    "CLAUDE_CONFIG_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// Variables that lead a program to another machine. All lead to the test's own server, which
/// reports of it.
const WAYS_OUT: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Runs a case with one program, where it is there, and says how it went.
pub(super) fn try_case(engine: Engine, name: &str, case: fn(&mut Lab, &mut Report)) {
    if !is_wanted(name) {
        return skipped("it runs for tools/engine-matrix, or with AQ_E2E_ALL=1");
    }
    let Some(mut lab) = Lab::new(engine) else { return };
    let mut report = Report::default();
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| case(&mut lab, &mut report)));
    let log = lab.sandbox.log("a");
    if let Some(dir) = std::env::var_os("AQ_ENGINE_MATRIX").filter(|dir| !dir.is_empty()) {
        let broke = outcome.as_ref().err().map(|panic| words_of(panic.as_ref()));
        let (seconds, surprises) = (begun.elapsed().as_secs(), lab.server.surprises());
        let log = format!("{report}\n{seconds} s\n{surprises:?}\n{log}");
        let (engine, broke) = (engine.name(), broke.as_deref());
        report.write(Path::new(&dir), &Case { name, engine, broke, log: &log });
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    assert!(report.is_right(), "{} {name}: {report}\n{log}", engine.name());
}

/// A queue, a repository, and a model.
pub(super) struct Lab {
    pub(super) engine: Engine,
    pub(super) server: ModelServer,
    pub(super) sandbox: Sandbox,
}

impl Lab {
    /// `None`, and it says so, when the program is not there.
    fn new(engine: Engine) -> Option<Self> {
        let name = engine.name();
        let Some(dir) = std::env::var_os("AQ_E2E_ENGINES").filter(|dir| !dir.is_empty()) else {
            skipped("AQ_E2E_ENGINES does not name a directory with real engines in it");
            return None;
        };
        let dir = std::path::absolute(dir).unwrap();
        let places = [dir.join(name), dir.join("node_modules/.bin").join(name)];
        let Some(program) = places.into_iter().find(|place| place.exists()) else {
            skipped(&format!("AQ_E2E_ENGINES has no {name}"));
            return None;
        };
        let mut sandbox = Sandbox::with_repository();
        if let Engine::Acp(agent) = engine {
            agent.configure(&sandbox);
        }
        let known = sandbox.json(&["engines", "--json"]);
        let known = known["engines"].as_array().unwrap().iter().any(|known| known["name"] == name);
        if !known {
            skipped(&format!("aq has no engine {name}"));
            return None;
        }
        let server = ModelServer::start();
        sandbox.set(&format!("{}_BIN", name.to_uppercase().replace('-', "_")), program);
        if dir.join("node").exists() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all = [dir.join("node")].into_iter().chain(std::env::split_paths(&path));
            sandbox.set("PATH", std::env::join_paths(all.collect::<Vec<PathBuf>>()).unwrap());
        }
        for name in HOMES {
            fs::create_dir(sandbox.path(name)).unwrap();
            sandbox.set(name, sandbox.path(name));
        }
        // The list of trusted queues is in another place now.
        sandbox.ok(&["trust".as_ref(), sandbox.queue("").as_os_str()]);
        for name in WAYS_OUT {
            sandbox.set(name, server.url());
        }
        sandbox.set("no_proxy", "127.0.0.1");
        sandbox.set("NO_PROXY", "127.0.0.1");
        engine.set_up(&mut sandbox, &server.url());
        server.tolerate(engine.asks_elsewhere());
        Some(Self { engine, server, sandbox })
    }

    /// Adds the job `a`, which may do all.
    pub(super) fn add(&self, front: &str) {
        self.add_job("a", &format!("yolo: true\n{front}"));
    }

    pub(super) fn add_job(&self, id: &str, front: &str) {
        let mut front = format!("{}{front}", self.engine.front(&self.server.url()));
        if !front.contains("\ntimeout:") {
            front += "timeout: 120s\n";
        }
        self.sandbox.add(id, &front, PROMPT);
    }

    pub(super) fn meta(&self, key: &str) -> String {
        self.sandbox.meta_value("a", key)
    }

    /// Where the job is, why, and how many attempts were counted: `inbox, quota, attempts 0`.
    pub(super) fn state(&self) -> String {
        let class = self.meta("engine_error");
        let result = if class.is_empty() { self.meta("result") } else { class };
        let attempts = self.meta("attempts");
        let attempts = format!("attempts {}", if attempts.is_empty() { "0" } else { &attempts });
        let all = [self.sandbox.folders("a").join("+"), result, attempts];
        all.into_iter().filter(|part| !part.is_empty()).collect::<Vec<String>>().join(", ")
    }

    /// Tokens on record under `prefix`: new input, cached, output.
    pub(super) fn tokens(&self, prefix: &str) -> String {
        let keys = ["input_tokens", "cached_tokens", "output_tokens"];
        let values = keys.map(|key| self.meta(&format!("{prefix}{key}")));
        if values.iter().all(String::is_empty) {
            return NO_NUMBERS.to_owned();
        }
        values.join("/")
    }

    /// The tokens that so many calls of the model use.
    pub(super) fn true_tokens(&self, calls: usize) -> String {
        if calls == 0 {
            return NO_NUMBERS.to_owned();
        }
        self.engine.truth().map(|tokens| (tokens * calls as u64).to_string()).join("/")
    }

    /// The tokens of this run and of all runs.
    pub(super) fn expect_tokens(&self, report: &mut Report, calls: usize, total: usize) {
        let counted = |calls| self.engine.counted(calls);
        let (calls, total) = (counted(calls), counted(calls) + counted(total - calls));
        report.show("tokens", self.true_tokens(calls), self.tokens(""));
        report.expect("tokens in all", self.true_tokens(total), self.tokens("total_"));
        if self.engine == Engine::Claude {
            for (name, prefix, calls) in [("cost", "", calls), ("cost in all", "total_", total)] {
                let seen = self.meta(&format!("{prefix}cost_usd")).parse().unwrap_or(0.0);
                let wanted = f64::from(u32::try_from(calls).unwrap()) * CLAUDE_CALL_USD;
                report.expect(name, format!("${wanted:.4}"), format!("${seen:.4}"));
            }
        }
    }

    /// Every answer was asked for, and nothing else was.
    pub(super) fn expect_no_surprise(&self, report: &mut Report) {
        let surprises = self.server.surprises();
        if !surprises.is_empty() {
            report.expect("surprises", "none", surprises.join(", "));
        }
    }

    /// The content of a file on the job's branch; empty where it has none.
    pub(super) fn made(&self) -> String {
        let (is_there, text) = self.sandbox.try_git(&["show", "aq/wip/a:made.txt"]);
        if is_there { text.trim().to_owned() } else { String::new() }
    }

    /// Checks the environment of these processes: no way but to the server, and no home but the
    /// test's own.
    pub(super) fn assert_enclosed(&self, agents: &[Pid]) {
        let root = self.sandbox.path("");
        let mut found = BTreeSet::new();
        for agent in agents {
            // One of them may have ended by now.
            let environment = fs::read(format!("/proc/{agent}/environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            for (name, value) in environment.split('\0').filter_map(|line| line.split_once('=')) {
                if HOMES.contains(&name) {
                    assert!(Path::new(value).starts_with(&root), "{name}={value}");
                    found.insert(name.to_owned());
                }
                if WAYS_OUT.contains(&name) || name == "ANTHROPIC_BASE_URL" {
                    assert_eq!(value, self.server.url(), "{name}");
                    found.insert(name.to_owned());
                }
            }
        }
        assert!(HOMES.iter().chain(&WAYS_OUT).all(|&name| found.contains(name)), "{found:?}");
    }

    /// The state that `status` shows of the engine that rests: `cooling_down`, `out_of_use`, or
    /// nothing.
    pub(super) fn resting(&self) -> (String, Option<Timestamp>) {
        let status = self.sandbox.json(&["status", "--json"]);
        let resting = status["resting_engines"].as_array().into_iter().flatten();
        let mut resting = resting.filter(|engine| engine["name"] == self.engine.name());
        let Some(engine) = resting.next() else { return ("in use".to_owned(), None) };
        let until = engine["until"].as_str().and_then(|until| until.parse().ok());
        (engine["state"].as_str().unwrap_or_default().to_owned(), until)
    }

    /// A person says that the engine can be used again, and it can.
    pub(super) fn retry(&self) {
        self.server.always(None);
        self.server.will([Answer::Say("done")]);
        let told = self.sandbox.ok(&["engines", "--retry", self.engine.name()]);
        assert_eq!(told, format!("engine {} is used again\n", self.engine.name()));
    }

    /// The model answers every call with a limit, the engine rests, and the job goes on when a
    /// person says that the rest is over. The end of the rest.
    pub(super) fn meets_a_limit(
        &self,
        report: &mut Report,
        fault: Fault,
        class: &str,
    ) -> Option<Timestamp> {
        self.server.always(Answer::Fail(fault));
        self.add(&format!("timeout: {}\n", self.engine.limit_of_tries()));
        let mut running = self.sandbox.start_loop(&["--once"]);
        self.wait("the end of the run", || {
            !matches!(self.sandbox.folders("a")[..], ["inbox" | "building"])
                || !self.meta("engine_error").is_empty() && self.sandbox.folders("a") == ["inbox"]
        });
        if self.engine.tries_in_silence(fault) {
            wait_patiently(&mut running);
            report.show("job", "failed, timeout, attempts 1", self.state());
            return None;
        }
        report.show("job", format!("inbox, {class}, attempts 0"), self.state());
        let (state, until) = self.resting();
        report.expect("engine", "cooling_down", state);
        let calls = self.server.calls().len();
        report.expect("numbers", NO_NUMBERS, self.tokens(""));
        self.server.always(None);
        if self.sandbox.folders("a") == ["inbox"] {
            self.retry();
            self.expect_mended(report, || wait_patiently(&mut running));
        } else {
            wait_patiently(&mut running);
        }
        if self.engine.is_quick() {
            report.expect("calls", 2, self.server.calls().len().min(calls + 1));
        }
        until
    }

    /// After a mended limit or key the job ends well, and its attempt is the first.
    pub(super) fn expect_mended(&self, report: &mut Report, run: impl FnOnce() -> i32) {
        let _ = run();
        report.show("mended", "testing, success, attempts 1", self.state());
        self.expect_tokens(report, 1, 1);
        self.expect_no_surprise(report);
    }

    /// Runs all jobs. The exit code, or -1 when the loop waits for the end of an engine's rest.
    pub(super) fn run(&self) -> i32 {
        let mut running = self.sandbox.start_loop(&["--once"]);
        let give_up = Instant::now() + PATIENCE;
        let rests = || {
            self.sandbox.folders("a") == ["inbox"]
                && !self.meta("engine_error").is_empty()
                && self.resting().0 == "cooling_down"
        };
        while !ends_within(&mut running, Duration::from_secs(1)) {
            if rests() || Instant::now() >= give_up {
                let _ = running.kill();
                running.wait().unwrap();
                return -1;
            }
        }
        wait_child(&mut running)
    }

    /// Waits longer than the tests without real programs do.
    #[expect(clippy::unused_self, reason = "it reads as the others")]
    pub(super) fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < give_up, "waited {PATIENCE:?} for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Tests for the end of a loop within this time.
fn ends_within(child: &mut std::process::Child, patience: Duration) -> bool {
    let give_up = Instant::now() + patience;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= give_up {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Waits for a loop, and kills it when it takes too long.
pub(super) fn wait_patiently(child: &mut std::process::Child) -> i32 {
    ends_within(child, PATIENCE);
    wait_child(child)
}
