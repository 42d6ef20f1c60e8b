//! What each of these tests needs, and what holds in more than one of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use nix::unistd::Pid;
use serde_json::Value;

use crate::model_server::{Answer, ModelServer, USAGE};
use crate::sandbox::{Sandbox, skipped, wait_child, wait_for};

/// What the jobs ask for.
pub(super) const PROMPT: &str = "Write the file made.txt and nothing else.";

/// What `claude` takes for one call: its price list at $5, $0.50, $6.25 and $25 a million tokens.
const CLAUDE_CALL_USD: f64 = 0.007_857_5;

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

/// What a program looks at on its way to another machine. All lead to the test's own server, which
/// tells of it.
const WAYS_OUT: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Codex,
    Claude,
}

impl Engine {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
        }
    }

    /// Front matter that leads the engine to the server, without retries of its own and without
    /// what it fetches elsewhere.
    fn front(self, url: &str) -> String {
        match self {
            Self::Codex => format!(
                "engine: codex\nmodel: mock\nyolo: true\nargs:\n\
                 - -c\n- features.plugins=false\n\
                 - -c\n- model_provider=\"mock\"\n\
                 - -c\n- 'model_providers.mock={{name=\"mock\",base_url=\"{url}/v1\",\
                 wire_api=\"responses\",env_key=\"MOCK_API_KEY\",request_max_retries=0,\
                 stream_max_retries=0}}'\n"
            ),
            // The price of this model is known to the program.
            Self::Claude => format!(
                "engine: claude\nmodel: claude-opus-4-8\nyolo: true\n\
                 env: {{ANTHROPIC_BASE_URL: \"{url}\", CLAUDE_CODE_MAX_RETRIES: \"0\"}}\n"
            ),
        }
    }
}

/// A queue, a repository, and a model.
pub(super) struct Lab {
    pub(super) engine: Engine,
    pub(super) server: ModelServer,
    pub(super) sandbox: Sandbox,
}

impl Lab {
    /// `None`, and it says so, when the programs are not there.
    pub(super) fn new(engine: Engine) -> Option<Self> {
        let Some(dir) = std::env::var_os("AQ_E2E_ENGINES").filter(|dir| !dir.is_empty()) else {
            skipped("AQ_E2E_ENGINES does not name a directory with codex and claude in it");
            return None;
        };
        let programs = Path::new(&dir).join("node_modules/.bin");
        let mut sandbox = Sandbox::with_repository();
        for (variable, name) in [("CODEX_BIN", "codex"), ("CLAUDE_BIN", "claude")] {
            let program = programs.join(name);
            assert!(program.exists(), "AQ_E2E_ENGINES: {} is not there", program.display());
            sandbox.set(variable, std::path::absolute(program).unwrap());
        }
        for &name in HOMES.iter().filter(|&&name| name != "HOME") {
            fs::create_dir(sandbox.path(name)).unwrap();
            sandbox.set(name, sandbox.path(name));
        }
        // The list of trusted queues is in another place now.
        sandbox.ok(&["trust".as_ref(), sandbox.queue("").as_os_str()]);
        let server = ModelServer::start();
        for name in WAYS_OUT {
            sandbox.set(name, server.url());
        }
        sandbox.set("no_proxy", "127.0.0.1");
        sandbox.set("NO_PROXY", "127.0.0.1");
        sandbox.set("ANTHROPIC_API_KEY", "test-key");
        sandbox.set("MOCK_API_KEY", "test-key");
        Some(Self { engine, server, sandbox })
    }

    /// Adds the job `a`.
    pub(super) fn add(&self, front: &str) {
        let front = format!("{}{front}", self.engine.front(&self.server.url()));
        self.sandbox.add("a", &front, PROMPT);
    }

    pub(super) fn meta(&self, key: &str) -> String {
        self.sandbox.meta_value("a", key)
    }

    /// The tokens on record: under `prefix`, what so many calls of the model use.
    pub(super) fn assert_used(&self, prefix: &str, calls: u32) {
        let input = match self.engine {
            Engine::Codex => USAGE.input - USAGE.cached,
            Engine::Claude => USAGE.input,
        };
        let numbers = [
            ("input_tokens", input),
            ("cached_tokens", USAGE.cached),
            ("output_tokens", USAGE.output),
        ];
        for (key, one) in numbers {
            let key = format!("{prefix}{key}");
            assert_eq!(self.meta(&key), (u64::from(calls) * one).to_string(), "{key}");
        }
    }

    /// The same of the cost.
    pub(super) fn assert_paid(&self, prefix: &str, calls: u32) {
        let cost = self.meta(&format!("{prefix}cost_usd"));
        match self.engine {
            // It names none.
            Engine::Codex => assert_eq!(cost, ""),
            Engine::Claude => {
                let (cost, want) =
                    (cost.parse::<f64>().unwrap(), f64::from(calls) * CLAUDE_CALL_USD);
                assert!((cost - want).abs() < 2e-6, "${cost}, not ${want}");
            }
        }
    }

    /// What these processes have to go by: no way but to the server, and no home but the test's own.
    pub(super) fn assert_enclosed(&self, agents: &[Pid]) {
        let root = self.sandbox.path("");
        let mut found = BTreeSet::new();
        for agent in agents {
            // One of them may have ended by now.
            let environment = fs::read(format!("/proc/{agent}/environ")).unwrap_or_default();
            let environment = String::from_utf8(environment).unwrap();
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

    /// What `status` says of the engine that rests.
    pub(super) fn resting(&self) -> Value {
        let status = self.sandbox.json(&["status", "--json"]);
        assert_eq!(status["resting_engines"][0]["name"], self.engine.name(), "{status}");
        assert_eq!(status["jobs"][0]["attempts"], 0, "{status}");
        status["resting_engines"][0].clone()
    }

    /// A person says that the engine can be used again, and it can.
    pub(super) fn retry(&self) {
        self.server.will([Answer::Say("done")]);
        let told = self.sandbox.ok(&["engines", "--retry", self.engine.name()]);
        assert_eq!(told, format!("engine {} is used again\n", self.engine.name()));
    }

    /// The job ended well at its first attempt that counts, and the server was asked for nothing
    /// that it does not know.
    pub(super) fn assert_done(&self) {
        assert_eq!(self.sandbox.folders("a"), ["testing"], "{}", self.sandbox.log("a"));
        let record = (self.meta("attempts"), self.meta("result"), self.meta("engine_error"));
        assert_eq!(record, ("1".to_owned(), "success".to_owned(), String::new()));
        self.server.assert_all_said();
    }

    /// The model answers with a limit, the engine rests, and the job goes on when a person says
    /// that the rest is over. The end of the rest, and when the job was added.
    pub(super) fn meets_a_limit(&self, answer: Answer, class: &str) -> (Timestamp, Timestamp) {
        let added = Timestamp::now();
        self.server.will([answer]);
        self.add("");
        let mut running = self.sandbox.start_loop(&["--once"]);
        wait_for("the limit", || !self.meta("engine_error").is_empty());
        assert_eq!(self.meta("engine_error"), class, "{}", self.sandbox.log("a"));
        self.sandbox.wait_for_stage("a", "inbox");
        let (resting, session) = (self.resting(), self.meta("session_id"));
        assert_eq!(resting["state"], "cooling_down");
        let until = resting["until"].as_str().unwrap().parse().unwrap();

        self.retry();
        assert_eq!(wait_child(&mut running), 0);
        self.assert_done();
        assert_eq!(self.meta("session_id"), session);
        assert_eq!(self.server.calls().len(), 2);
        (until, added)
    }

    /// As [`Self::meets_a_limit`], when nobody names its end.
    pub(super) fn rests_for_a_minute(&self, answer: Answer, class: &str) {
        let (until, added) = self.meets_a_limit(answer, class);
        let minute = SignedDuration::from_mins(1);
        assert!((added + minute..Timestamp::now() + minute).contains(&until), "{added} {until}");
    }
}
