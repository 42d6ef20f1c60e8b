//! `aq` with the real programs of engines, and a model server of our own in place of their vendors'.
//!
//! A test runs only when `AQ_E2E_ENGINES` names a directory with its program in it: `.ci/engines`
//! makes one. No key and no account is needed. What a program would fetch from elsewhere comes to
//! our server as well, and is told. `tools/engine-matrix` makes a table of the same cases.

mod ends;
mod lab;
mod limits;
mod program;
mod report;
mod traps;
mod work;

use std::fs;
use std::path::Path;

/// Each case is a test for each engine that it is named for.
macro_rules! cases {
    ($($engine:ident $name:ident { $($room:ident: $($case:ident),+;)+ })+) => {
        $(mod $name {
            use super::lab::try_case;
            use super::program::Engine;

            $($(#[test]
            fn $case() {
                try_case(Engine::$engine, stringify!($case), super::$room::$case);
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
        traps: budget_of_a_resumed_session, no_history, background, limit_of_time_over_an_error, watchdog,
            refused_prompt, stopped_by_a_hook, yolo_switched_off;
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

/// The versions that `.ci/engines` installs are those that aq says were tried.
#[test]
fn pinned_versions_are_tried_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let script = fs::read_to_string(root.join(".ci/engines")).unwrap();
    let pins = script.lines().filter(|line| line.contains(" npm:") || line.contains(" pypi:"));
    let mut engines = 0;
    for line in pins {
        let [engine, _, newest, oldest, _] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let description = format!("aq-runner/src/engine/builtin/{engine}.yaml");
        let text = fs::read_to_string(root.join(description)).unwrap();
        let tried = text.lines().find(|line| line.starts_with("tried:")).unwrap_or_default();
        for version in [newest, oldest].into_iter().filter(|&version| version != "-") {
            assert!(tried.contains(version), "{engine} {version}: {tried}");
        }
        engines += 1;
    }
    assert_eq!(engines, 12);
}
