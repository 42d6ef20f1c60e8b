//! Pitfalls that are found in settings.

use super::*;
use crate::engine::{EngineConfig, EngineRegistry};

fn env_of(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
    move |name| {
        let found = pairs.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    }
}

fn places(engine: &str, env: &dyn Fn(&str) -> Option<OsString>) -> Vec<SettingsPlace> {
    settings_places(engine, env, Some(Path::new("/repo")))
}

/// The keys and the first words of effects in a text of an engine's first place.
fn found(engine: &str, text: &str) -> Vec<String> {
    let env = env_of(&[("HOME", "/h")]);
    let place = places(engine, &env).into_iter().next().unwrap();
    place.of_text(text).into_iter().map(|pitfall| pitfall.key).collect()
}

#[test]
fn places_follow_home_variables_and_repository() {
    let paths = |engine: &str, env: &dyn Fn(&str) -> Option<OsString>| -> Vec<String> {
        places(engine, env).iter().map(|place| place.path.display().to_string()).collect()
    };
    let home = env_of(&[("HOME", "/h")]);
    let claude = paths("claude", &home);
    assert_eq!(claude[0], "/h/.claude/settings.json");
    assert!(claude.contains(&"/repo/.claude/settings.local.json".to_owned()), "{claude:?}");
    let moved = env_of(&[("HOME", "/h"), ("CLAUDE_CONFIG_DIR", "/work")]);
    assert_eq!(paths("claude", &moved)[0], "/work/settings.json");
    let opencode = paths("opencode", &home);
    assert_eq!(opencode[0], "/h/.config/opencode/opencode.json", "OPENCODE_CONFIG is not set");
    assert!(opencode.contains(&"/repo/.opencode/plugin".to_owned()), "{opencode:?}");
    assert_eq!(paths("shell", &home), [""; 0]);
    let nowhere = settings_places("codex", &env_of(&[]), None);
    assert!(nowhere.is_empty(), "{nowhere:?}");
}

#[test]
fn settings_of_claude_are_judged() {
    let text = r#"{"hooks": {"UserPromptSubmit": [{"hooks": []}], "Stop": [], "PreToolUse": [1]},
        "permissions": {"deny": ["Bash"], "ask": [], "disableBypassPermissionsMode": "disable"},
        "env": {"CLAUDE_CODE_RETRY_WATCHDOG": "1", "CLAUDE_CODE_SKIP_PROMPT_HISTORY": "0"},
        "cleanupPeriodDays": 0}"#;
    let keys = [
        "hooks.UserPromptSubmit",
        "hooks.PreToolUse",
        "permissions.disableBypassPermissionsMode",
        "permissions.deny",
        "env.CLAUDE_CODE_RETRY_WATCHDOG",
    ];
    assert_eq!(found("claude", text), keys);
    let off = text.replacen('{', r#"{"disableAllHooks": true,"#, 1);
    assert_eq!(found("claude", &off), keys[2..]);
    assert_eq!(found("claude", r#"{"hooks": 3, "permissions": []}"#), [""; 0]);
    assert_eq!(found("claude", "[]"), [""; 0]);
}

#[test]
fn settings_of_others_are_judged() {
    let text = "{ // mine\n\"plugin\": [\"x\"], \"permission\": {\"bash\": {\"rm *\": \"deny\"}, \
                \"edit\": \"ask\", \"webfetch\": \"allow\"}, }";
    assert_eq!(found("opencode", text), ["plugin", "permission.edit", "permission.bash.rm *"]);
    assert_eq!(found("opencode", "{\"permission\": \"deny\"}"), ["permission"]);
    let text = "[mcp_servers.docs]\nrequired = true\n[mcp_servers.b]\nrequired = false\n";
    assert_eq!(found("codex", text), ["mcp_servers.docs.required"]);
    let text = "{\"security\": {\"disableYoloMode\": true}}";
    assert_eq!(found("gemini", text), ["security.disableYoloMode"]);
}

#[test]
fn broken_file_is_a_pitfall() {
    let env = env_of(&[("HOME", "/h")]);
    for (engine, effect) in [
        ("claude", "it is no JSON, and claude passes over the whole file in silence (EOF"),
        ("gemini", "gemini does not start with it (EOF"),
        ("opencode", "opencode does not start with it (EOF"),
    ] {
        let [broken] = &places(engine, &env)[0].of_text("{\"a\": ")[..] else { panic!("{engine}") };
        assert!(broken.effect.starts_with(effect) && broken.key.is_empty(), "{broken:?}");
    }
}

#[test]
fn hostile_settings_are_bounded() {
    let keys = (0..1000).map(|n| format!("\"{n}\\u001b\": \"deny\"")).collect::<Vec<_>>().join(",");
    let text = format!("{{\"permission\": {{{keys}}}}}");
    let found = found("opencode", &text);
    assert_eq!(found.len(), PITFALLS_MAX);
    assert!(found.iter().all(|key| !key.contains('\u{1b}')), "{found:?}");
    let deep = "[".repeat(100_000);
    let env = env_of(&[("HOME", "/h")]);
    assert_eq!(places("claude", &env)[0].of_text(&deep).len(), 1);
}

#[test]
fn variables_that_are_set_are_found() {
    let engines = EngineRegistry::new(&EngineConfig::default(), &|_| None).unwrap();
    let name = "CLAUDE_CODE_SKIP_PROMPT_HISTORY";
    let set = env_of(&[("CLAUDE_CODE_SKIP_PROMPT_HISTORY", "1")]);
    assert_eq!(engines.variable_pitfalls("claude", &set)[0].place, name);
    let off = env_of(&[("CLAUDE_CODE_SKIP_PROMPT_HISTORY", "0")]);
    assert_eq!(engines.variable_pitfalls("claude", &off), []);
    assert_eq!(engines.variable_pitfalls("codex", &set), []);
}
