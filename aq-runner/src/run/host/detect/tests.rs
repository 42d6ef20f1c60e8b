//! Detection with tools that are shell scripts in a directory of the test's own.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use super::*;

/// A directory of scripts and a config that asks for them and nothing else.
struct Fixture {
    dir: TempDir,
    config: HostConfig,
}

impl Fixture {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let system = ["/usr/bin", "/bin"].map(PathBuf::from);
        let dirs = [dir.path().join("bin")].into_iter().chain(system);
        let config = HostConfig {
            path: std::env::join_paths(dirs).unwrap(),
            tools: Vec::new(),
            // Long, for a busy machine; tests that wait for it set a short one.
            time_limit: Duration::from_secs(30),
            ..HostConfig::default()
        };
        Self { dir, config }
    }

    /// Writes the script `tool` and asks for it.
    fn tool(&mut self, tool: &str, script: &str) {
        self.write(tool, script);
        let command = vec![tool.to_owned(), "--version".to_owned()];
        self.config.tools.push(ProbedProgram { name: tool.to_owned(), command });
    }

    fn write(&self, tool: &str, script: &str) {
        let file = self.dir.path().join("bin").join(tool);
        let dir = self.dir.path().display();
        fs::write(&file, format!("#!/bin/sh\ndir='{dir}'\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes a FIFO and opens it for reading.
    fn fifo(&self, name: &str) -> File {
        let fifo = self.dir.path().join(name);
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo).unwrap()
    }

    fn detect(&self) -> HostReport {
        detect(&self.config)
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.dir.path().join("runs")).unwrap_or_default().lines().count()
    }
}

/// What was written to the FIFO, once no process has it open any more.
fn wait_for_end(mut fifo: File) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut text = Vec::new();
    while fifo.read_to_end(&mut text).is_err() {
        assert!(Instant::now() < deadline, "a process of the probe is still there");
        thread::yield_now();
    }
    text
}

fn holds(host: &HostReport, requirement: &str) -> bool {
    host.capabilities.satisfies(&requirement.parse().unwrap())
}

fn problems(host: &HostReport) -> Vec<String> {
    host.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn tokens_come_from_everywhere_with_their_source() {
    let mut fixture = Fixture::new();
    fixture.tool("acme", "echo acme version 1.2.3");
    fixture.tool("warned", "echo 'Warning 9.9' >&2; echo warned 4.5.6");
    fixture.tool("stderr-only", "echo 7.8.9 >&2");
    fixture.config.engines = vec!["claude".to_owned()];
    fixture.config.aq_caps = "gpu, acme:1.2.3\tzone:eu/west".to_owned();
    fixture.config.extra = vec!["pool:a".to_owned(), "pool:b,gpu".to_owned()];
    let host = fixture.detect();
    assert_eq!(problems(&host), [""; 0]);
    for requirement in [
        "os:any",
        "arch:any",
        "cpus>=1",
        "mem-gb>=0",
        "engine:claude",
        "has:acme",
        "acme=1.2.3",
        "warned=4.5.6",
        "stderr-only>=7",
        "gpu",
        "zone:eu/west",
        "pool:a",
        "pool:b",
    ] {
        assert!(holds(&host, requirement), "{requirement}");
    }
    let sources = |text: &str| -> Vec<String> {
        let of = host.tokens.iter().filter(|found| found.token.to_string() == text);
        of.map(|found| found.source.to_string()).collect()
    };
    let acme = fixture.dir.path().join("bin/acme");
    assert_eq!(sources("acme:1.2.3"), [acme.display().to_string()], "the first one, once");
    assert_eq!(sources("engine:claude"), ["engines"]);
    assert_eq!(sources("gpu"), ["AQ_CAPS"]);
    assert_eq!(sources("pool:b"), ["config"]);
    assert!(host.tokens.is_sorted_by(|a, b| a.token < b.token));
}

#[test]
fn bad_tokens_are_reported() {
    let mut fixture = Fixture::new();
    fixture.config.aq_caps = "gpu,,node>=20 zone:".to_owned();
    fixture.config.extra = vec!["-x".to_owned()];
    fixture.config.engines = vec!["a b".to_owned()];
    fixture.config.tools =
        vec![ProbedProgram { name: "é".to_owned(), command: vec!["sh".to_owned()] }];
    let host = fixture.detect();
    assert!(holds(&host, "gpu"));
    let problems = problems(&host);
    for (problem, start) in problems.iter().zip([
        "engines: `engine:a b` at byte 8 ",
        "tools in config: `é` at byte 0 ",
        "AQ_CAPS: `node>=20` at byte 9 ",
        "AQ_CAPS: `zone:` at byte 19 ",
        "config: `-x` at byte 0 ",
    ]) {
        assert!(problem.starts_with(start), "{problem}");
    }
    assert_eq!(problems.len(), 5, "{problems:?}");
}

#[test]
fn absent_tool_is_no_problem() {
    let mut fixture = Fixture::new();
    let bin = fixture.dir.path().join("bin");
    fs::write(bin.join("plain-file"), "#!/bin/sh\necho 1.2\n").unwrap();
    fs::create_dir(bin.join("directory")).unwrap();
    for name in ["plain-file", "directory", "nowhere", "bin/relative", ""] {
        let command = vec![name.to_owned()];
        fixture.config.tools.push(ProbedProgram { name: "tool".to_owned(), command });
    }
    fixture.config.tools.push(ProbedProgram { name: "tool".to_owned(), command: Vec::new() });
    let host = fixture.detect();
    assert_eq!(host.absent.len(), 6);
    assert_eq!(problems(&host), [""; 0]);
    assert!(holds(&host, "!has:tool"));
}

#[test]
fn tools_that_misbehave_do_not_break_the_others() {
    let mut fixture = Fixture::new();
    fixture.tool("floods", "exec yes");
    fixture.tool("fails", "echo 1.2.3; exit 3");
    fixture.tool("dies", "kill -9 $$");
    fixture.tool("silent", "");
    fixture.tool("reads", "read line || echo reads 5.5");
    fixture.tool("good", "echo good 1.0");
    // Not a program at all.
    fixture.tool("broken", "");
    fs::write(fixture.dir.path().join("bin/broken"), "\0\0\0\0").unwrap();
    let host = fixture.detect();
    let problems = problems(&host);
    for (tool, what) in [
        ("floods", "more than 64 KiB"),
        ("fails", "exit code 3"),
        ("dies", "signal 9"),
        ("silent", "nothing that looks like a version"),
        ("broken", "could not be run"),
    ] {
        let found = problems.iter().find(|text| text.starts_with(&format!("{tool}: ")));
        assert!(found.is_some_and(|text| text.contains(what)), "{tool}: {found:?}");
        assert_eq!(holds(&host, &format!("has:{tool}")), tool == "silent", "{tool}");
        assert!(holds(&host, &format!("!{tool}")), "{tool}");
    }
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(holds(&host, "good=1.0"));
    assert!(holds(&host, "reads=5.5"), "stdin is empty");
}

#[test]
fn a_tool_that_hangs_is_killed_at_the_limit() {
    let mut fixture = Fixture::new();
    let fifo = fixture.fifo("alive");
    fixture.tool("hangs", "exec 3>\"$dir/alive\"; sleep 600; sleep 600");
    fixture.config.time_limit = Duration::from_millis(200);
    let host = fixture.detect();
    assert!(holds(&host, "os"));
    assert!(holds(&host, "!has:hangs"));
    let problems = problems(&host);
    assert!(problems[0].contains("did not end within 200ms"), "{problems:?}");
    wait_for_end(fifo);
}

#[test]
fn tools_are_asked_at_the_same_time() {
    let mut fixture = Fixture::new();
    drop(fixture.fifo("meet"));
    fixture.tool("first", "read -r word < \"$dir/meet\"; echo 1.1");
    fixture.tool("second", "echo word > \"$dir/meet\"; echo 2.2");
    let host = fixture.detect();
    assert!(holds(&host, "first=1.1"), "{:?}", host.problems);
    assert!(holds(&host, "second=2.2"), "{:?}", host.problems);
}

#[test]
fn leftovers_of_probes_are_killed() {
    let mut fixture = Fixture::new();
    let fifo = fixture.fifo("alive");
    // The background process keeps both the output and the FIFO open.
    fixture.tool("forks", "exec 3>\"$dir/alive\"; echo x >&3; sleep 600 & echo forks 1.2");
    let host = fixture.detect();
    assert!(holds(&host, "forks=1.2"), "{:?}", host.problems);
    assert_eq!(wait_for_end(fifo), b"x\n");
}

#[test]
fn a_warm_cache_answers_until_something_changes() {
    let mut fixture = Fixture::new();
    fixture.config.cache_dir = Some(fixture.dir.path().join("cache"));
    fixture.tool("acme", "echo run >> \"$dir/runs\"; echo 1.2.3");
    fixture.tool("silent", "");
    fixture.tool("fails", "exit 3");
    let cold = fixture.detect();
    assert_eq!((cold.problems.len(), fixture.runs()), (2, 1));

    let warm = fixture.detect();
    assert_eq!(fixture.runs(), 1, "answered from the cache");
    assert_eq!(warm.capabilities, cold.capabilities);
    assert_eq!(problems(&warm), problems(&cold));
    let acme = warm.tokens.iter().find(|found| found.token.key() == "acme").unwrap();
    assert!(acme.source.to_string().ends_with("(cached)"));

    fixture.config.probing = ProbePolicy::Refresh;
    fixture.detect();
    assert_eq!(fixture.runs(), 2, "refresh asks again");
    fixture.config.probing = ProbePolicy::AsNeeded;

    fixture.write("acme", "echo run >> \"$dir/runs\"; echo acme 1.3.0");
    assert!(holds(&fixture.detect(), "acme=1.3.0"), "another file");
    assert_eq!(fixture.runs(), 3);

    fixture.config.tools[0].command[1] = "-V".to_owned();
    fixture.detect();
    assert_eq!(fixture.runs(), 4, "another command");

    fixture.config.path.push(":/nowhere");
    fixture.detect();
    assert_eq!(fixture.runs(), 5, "another PATH");
    fixture.detect();
    assert_eq!(fixture.runs(), 5);
}

#[test]
fn hanging_tool_keeps_its_answer() {
    let mut fixture = Fixture::new();
    fixture.config.cache_dir = Some(fixture.dir.path().join("cache"));
    fixture.tool("acme", "[ -e \"$dir/hang\" ] && exec sleep 600; echo 1.2.3");
    fixture.detect();
    fs::write(fixture.dir.path().join("hang"), "").unwrap();
    fixture.config.probing = ProbePolicy::Refresh;
    fixture.config.time_limit = Duration::from_millis(100);
    for _ in 0..2 {
        let host = fixture.detect();
        assert!(holds(&host, "acme=1.2.3"));
        assert!(problems(&host)[0].contains("did not end within 100ms"), "{:?}", host.problems);
    }
    fixture.write("acme", "exec sleep 600");
    assert!(holds(&fixture.detect(), "!has:acme"), "another file never answered");
}

#[test]
fn unwritable_cache_is_no_failure() {
    let mut fixture = Fixture::new();
    fixture.tool("acme", "echo 1.2.3");
    let file = fixture.dir.path().join("file");
    fs::write(&file, "").unwrap();
    fixture.config.cache_dir = Some(file.join("cache"));
    let host = fixture.detect();
    assert!(holds(&host, "acme=1.2.3"));
    assert!(matches!(host.problems[..], [HostProblem::Cache { .. }]), "{:?}", host.problems);
}

#[test]
fn probe_gets_path_and_root() {
    let mut fixture = Fixture::new();
    fixture.tool("inner", "echo inner 3.4");
    fixture.tool("outer", "[ \"$(pwd)\" = / ] && inner");
    let host = fixture.detect();
    assert!(holds(&host, "outer=3.4"), "{:?}", host.problems);
}

#[test]
fn cached_answers_alone_start_nothing() {
    let mut fixture = Fixture::new();
    fixture.tool("acme", "echo run >>$dir/runs; echo 1.2.3");
    fixture.config.cache_dir = Some(fixture.dir.path().join("cache"));
    fixture.config.probing = ProbePolicy::CachedOnly;
    let host = fixture.detect();
    assert_eq!((fixture.runs(), host.unasked), (0, vec!["acme".to_owned()]));
    assert!(!fixture.dir.path().join("cache").exists());
    fixture.config.probing = ProbePolicy::AsNeeded;
    fixture.detect();
    fixture.config.probing = ProbePolicy::CachedOnly;
    let host = fixture.detect();
    assert_eq!((fixture.runs(), host.unasked), (1, Vec::new()));
    let tokens: Vec<String> = host.tokens.iter().map(|found| found.token.to_string()).collect();
    assert!(tokens.contains(&"acme:1.2.3".to_owned()), "{tokens:?}");
}
