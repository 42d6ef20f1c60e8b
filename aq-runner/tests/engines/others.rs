use std::fs;

use aq_runner::engine::{EngineAccount, EngineRegistry};

use crate::{killed, numbers, registry, run};

#[test]
fn a_generic_line_comes_before_the_engines_own_numbers() {
    let own = r#"{"type":"thread.started","thread_id":"01a2"}
{"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":4,"output_tokens":3}}
"#;
    let all = format!("AQ_USAGE {{\"output_tokens\":99,\"cost_usd\":1.5}}\n{own}");
    run("codex", 0, &all, "").is("ok - 01a2 - | 6 4 99 1.5 | -");
    // Only as a line of its own, on either stream; the last value of a key wins.
    let script = "x\nAQ_USAGE {\"input_tokens\":1,\"cost_usd\":2}\nAQ_USAGE {\"input_tokens\":7}\n\
        say AQ_USAGE {\"input_tokens\":9}\n";
    run("shell", 0, script, "").is("ok - - - | 7 - - 2 | -");
    run("shell", 0, "", script).is("ok - - - | 7 - - 2 | -");
    let model = "AQ_USAGE {\"model\":\"mine\",\"input_tokens\":1}";
    run("shell", 3, model, "").is("failed - - mine | 1 - - - | -");
}

#[test]
fn a_script_has_no_vendor() {
    let text = "Error: You've hit your usage limit, try again in 5s\n";
    run("shell", 1, text, text).is("failed - - - | - - - - | -");
}

#[test]
fn text_engine_is_classified_by_stderr() {
    let limit = "You've hit your usage limit, try again in 5s\n";
    run("devin", 1, limit, "Error: boom\n").is("failed unknown - - | - - - - | -");
    run("devin", 1, "", limit).is("failed quota - - | - - - - | 2026-11-22T12:00:05Z");
    let far = format!("{limit}{}", "working\n".repeat(20));
    run("devin", 1, "", &far).is("failed unknown - - | - - - - | -");
    let trace = format!("Error: not logged in\n{}", "    at run (x.js:1)\n".repeat(20));
    run("devin", 1, "", &trace).is("failed auth - - | - - - - | -");
    run("devin", 0, limit, limit).is("ok - - - | - - - - | -");
    killed("devin", 1, limit).is("failed - - - | - - - - | -");
}

#[test]
fn devins_export_is_a_total() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("usage.json");
    fs::write(
        &file,
        concat!(
            r#"{"agent":{"model_name":"swe"},"final_metrics":{"total_prompt_tokens":100,"#,
            r#""total_cached_tokens":40,"total_completion_tokens":9,"total_cost_usd":0.25}}"#,
        ),
    )
    .unwrap();
    let done = run("devin", 0, "done\n", "").settled_with(Some(&file), None, None);
    assert_eq!(
        (numbers(&done.run), done.model.as_deref()),
        ("60 40 9 0.25".to_owned(), Some("swe"))
    );
}

#[test]
fn a_whole_log_can_be_read_at_once() {
    let usage = registry().parse_usage("aider", "Tokens: 1.2k sent, 56 received.\n");
    assert_eq!((numbers(&usage), usage.estimated), ("1200 - 56 -".to_owned(), true));
    let log = "aq: started\n\
        {\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}\n";
    assert_eq!(numbers(&registry().parse_usage("codex", log)), "9 - 1 -");
}

#[test]
fn accounts_are_told_apart_without_their_secrets() {
    let account = |registry: &EngineRegistry, key: Option<&str>| -> EngineAccount {
        registry.account("claude", &|name| {
            (name == "ANTHROPIC_API_KEY").then_some(key).flatten().map(Into::into)
        })
    };
    let registry = registry();
    assert_eq!(account(&registry, None).account, "default");
    let [one, other] = ["key-1", "key-2"].map(|key| account(&registry, Some(key)));
    assert_ne!(one, other);
    assert_eq!(one, account(&registry, Some("key-1")));
    assert!(!one.account.contains("key") && one.account.len() == 12);
}
