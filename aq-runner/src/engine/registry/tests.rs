//! Tests of the engines, their order and their programs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::engine::testing::registry;

fn program(path: &Path, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn prefers_reorders_a_class() {
    let registry = registry();
    let coders = |prefers: &str| {
        registry.candidates(None, "agentic-coder", &names(prefers)).unwrap().join(" ")
    };
    assert_eq!(coders(""), "devin claude codex gemini opencode");
    assert_eq!(coders("opencode claude"), "opencode claude devin codex gemini");
    assert_eq!(coders("claude claude"), "claude devin codex gemini opencode");
    assert_eq!(coders("shell copilot nothing"), coders(""));
    assert_eq!(registry.candidates(None, "chat-coder", &[]).unwrap(), ["copilot"]);
}

#[test]
fn explicit_engine_is_only_one() {
    let registry = registry();
    let prefers = names("claude");
    let only = registry.candidates(Some("shell"), "agentic-coder", &prefers).unwrap();
    assert_eq!(only, ["shell"]);
    let error = registry.candidates(Some("cluade"), "agentic-coder", &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("there is no engine \"cluade\" (did you mean claude?); known are claude,")
    );
    let error = registry.candidates(None, "poet", &[]).unwrap_err();
    assert!(error.to_string().contains("known are agentic-coder, chat-coder"), "{error}");
}

#[test]
fn variable_config_and_path_find_programs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let path = std::env::join_paths([at("empty"), at("plain"), at("bin")]).unwrap();
    program(&at("plain/claude"), 0o644);
    program(&at("bin/claude"), 0o755);
    program(&at("home/mine"), 0o755);
    fs::create_dir_all(at("bin/codex")).unwrap();
    let find = |bin: Option<&str>, config: Option<&str>| {
        let change =
            crate::engine::EngineChange { bin: config.map(str::to_owned), ..Default::default() };
        let engines = [("claude".to_owned(), change)].into();
        let env = |name: &str| match name {
            "PATH" => Some(path.clone()),
            "HOME" => Some(at("home").into()),
            "CLAUDE_BIN" => bin.map(OsString::from),
            _ => None,
        };
        EngineRegistry::new(&EngineConfig { engines, ..Default::default() }, &env).unwrap()
    };
    assert_eq!(find(None, None).installed("claude"), Some(at("bin/claude")));
    assert_eq!(find(Some(""), None).installed("claude"), Some(at("bin/claude")));
    assert_eq!(find(None, None).installed("codex"), None);
    assert_eq!(find(None, Some("~/mine")).installed("claude"), Some(at("home/mine")));
    assert_eq!(find(Some("claude"), Some("~/mine")).installed("claude"), Some(at("bin/claude")));
    let missing = find(Some("/no/such/claude"), Some("~/mine"));
    assert_eq!(missing.installed("claude"), None);
    let info = missing.info();
    let claude = info.iter().find(|engine| engine.name == "claude").unwrap();
    assert_eq!(claude.classes, ["agentic-coder"]);
    assert_eq!(claude.variable, "CLAUDE_BIN");
    let error = claude.binary.as_ref().unwrap_err().to_string();
    assert!(error.starts_with("CLAUDE_BIN names /no/such/claude, which is not"), "{error}");
    let codex = info.iter().find(|engine| engine.name == "codex").unwrap();
    let error = codex.binary.as_ref().unwrap_err().to_string();
    assert!(error.contains("no codex in any directory of PATH") && error.ends_with("CODEX_BIN"));
}

#[test]
fn a_relative_directory_in_path_is_passed_over() {
    let env = |name: &str| (name == "PATH").then(|| OsString::from(".:src:target"));
    let registry = EngineRegistry::new(&EngineConfig::default(), &env).unwrap();
    assert!(registry.names().all(|name| name == "shell" || registry.installed(name).is_none()));
    assert!(registry.installed("shell").is_some());
}

#[test]
fn marks_of_all_outer_agents_are_known() {
    let change =
        crate::engine::EngineChange { child_env: Some(names("MINE")), ..Default::default() };
    let engines = [("mine".to_owned(), change)].into();
    let config = EngineConfig { engines, ..Default::default() };
    let registry = EngineRegistry::new(&config, &|_| None).unwrap();
    for mark in ["CLAUDECODE", "CLAUDE_CODE_RETRY_WATCHDOG", "CODEX_THREAD_ID", "GEMINI_CLI"] {
        assert!(registry.child_env().iter().any(|name| name == mark), "{mark}");
    }
    assert!(registry.child_env().iter().any(|name| name == "MINE"));
}

#[test]
fn shell_cannot_resume_and_agents_can() {
    let registry = registry();
    assert!(!registry.can_resume("shell") && registry.can_resume("claude"));
    assert!(!registry.can_resume("nothing"));
    assert!(registry.records("nothing").is_err());
}
