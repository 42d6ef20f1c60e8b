//! `aq` with the real programs of engines, and a model server of our own in place of their
//! vendors'.
//!
//! A test runs only when `AQ_E2E_ENGINES` names a directory with its program in it: `.ci/engines`
//! makes one. No key and no account is needed. What a program would fetch from elsewhere comes to
//! our server as well, and is refused. `tools/engine-matrix` makes a table of the same cases.

mod acp;
mod ends;
mod lab;
mod limits;
mod program;
mod report;
mod traps;
mod work;

use std::fs;
use std::path::Path;

use acp::AcpAgent;

/// Each case is a test for each engine that it is named for.
macro_rules! cases {
    ($($variant:ident $(($agent:ident))? $name:ident { $($room:ident: $($case:ident),+;)+ })+) => {
        $(mod $name {
            use super::lab::try_case;
            use super::program::Engine;

            const ENGINE: Engine = Engine::$variant$((super::acp::AcpAgent::$agent))?;

            $($(#[test]
            fn $case() {
                try_case(ENGINE, stringify!($case), super::$room::$case);
            })+)+
        })+
    };
}

/// The cases that every engine has, in the order of the table.
macro_rules! all_engines {
    ($($engine:ident $name:ident { $($more:tt)* })+) => {
        cases! {
            $($engine $name {
                work: success, unasked, resume, reply, nested;
                limits: wrong_key, too_many_requests, no_credit, broken_service, overloaded,
                    context_overflow;
                ends: hang, hang_midway, tool_that_hangs, cut, hang_up;
                $($more)*
            })+
        }
    };
}

all_engines! {
    Claude claude {
        limits: long_wait, used_up;
        traps: budget_of_a_resumed_session, no_history, background, limit_of_time_over_an_error,
            watchdog, refused_prompt, stopped_by_a_hook, yolo_switched_off;
    }
    Codex codex { limits: long_wait, used_up; }
    Gemini gemini { traps: yolo_switched_off; }
    Copilot copilot {}
    Opencode opencode {}
    Qwen qwen {}
    Kilo kilo {}
    Pi pi {}
    KimiCode kimi_code {}
    Cline cline {}
    Vibe vibe {}
    Droid droid {}
}

/// The cases of agents behind the Agent Client Protocol: what their headless modes do otherwise.
macro_rules! all_agents {
    ($($agent:ident $name:ident)+) => {
        cases! {
            $(Acp($agent) $name {
                work: success, unasked, resume;
                limits: wrong_key;
                ends: tool_that_hangs, cancel;
            })+
        }
    };
}

all_agents! {
    Claude claude_acp
    Copilot copilot_acp
    Opencode opencode_acp
    Qwen qwen_acp
    Kilo kilo_acp
    KimiCode kimi_code_acp
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap()
}

/// The row of an engine in `.ci/engines`: name, package, newest version, oldest one, program.
fn pinned<'a>(script: &'a str, engine: &str) -> Vec<&'a str> {
    let rows = script.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.into_iter().find(|row| row.len() >= 2 && row[0] == engine).unwrap()
}

/// The versions that `.ci/engines` installs are those that aq says were tried.
#[test]
fn pinned_versions_are_tried_ones() {
    let script = read(".ci/engines");
    let pins = script.lines().filter(|line| line.contains(" npm:") || line.contains(" pypi:"));
    let mut engines = 0;
    for line in pins.filter(|line| !line.contains("-acp ")) {
        let [engine, _, newest, oldest, _] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let text = read(&format!("aq-runner/src/engine/builtin/{engine}.yaml"));
        let tried = text.lines().find(|line| line.starts_with("tried:")).unwrap_or_default();
        for version in [newest, oldest].into_iter().filter(|&version| version != "-") {
            assert!(tried.contains(version), "{engine} {version}: {tried}");
        }
        engines += 1;
    }
    assert_eq!(engines, 12);
}

/// The same of agents, which have a page and no description.
#[test]
fn pinned_agents_are_tried_ones() {
    let (script, page) = (read(".ci/engines"), read("docs/acp.md"));
    for name in AcpAgent::ALL.map(AcpAgent::name) {
        let mut row = pinned(&script, name);
        if let Some(engine) = row[1].strip_prefix("as:") {
            row = pinned(&script, engine);
        }
        let (version, program) = (format!(" {} |", row[2]), format!("| `{}", row[4]));
        let is_it = |line: &str| line.contains(&version) && line.contains(&program);
        assert!(page.lines().any(is_it), "{name}{version}");
    }
}
