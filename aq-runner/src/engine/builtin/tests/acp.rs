use crate::engine::testing::{job, line, with_config};
use crate::engine::{
    EndedBy, EngineConfig, EngineInvocation, EngineRegistry, ErrorClass, ProcessExit, RunVerdict,
};

const BEGUN: &str = "{\"type\":\"session\",\"id\":\"ses_1\"}\n";
const SAID: &str = "{\"type\":\"message\",\"text\":\"done\"}\n";
const OK: &str = "{\"type\":\"result\",\"success\":true,\"stop_reason\":\"end_turn\"}\n";

fn registry(keys: &str) -> EngineRegistry {
    let yaml = format!("engines: {{mine: {{protocol: acp, bin: /bin/sh{keys}}}}}");
    with_config(&serde_yaml::from_str::<EngineConfig>(&yaml).unwrap())
}

fn judged(stdout: &str, exit: ProcessExit) -> RunVerdict {
    let mut records = registry("").records("mine").unwrap();
    records.stdout(stdout.as_bytes());
    records.verdict(exit, EndedBy::Engine)
}

fn error(text: &str) -> String {
    format!(
        "{{\"type\":\"error\",\"text\":\"{text}\"}}\n\
         {{\"type\":\"result\",\"success\":false,\"text\":\"{text}\"}}\n"
    )
}

#[test]
fn agent_gets_its_own_arguments() {
    let registry =
        registry(", argv: [--acp], yolo-args: [--all], safe-args: [--few], yolo-mode: free");
    let args = ["--extra".to_owned()];
    let full = EngineInvocation {
        model: Some("big"),
        args: &args,
        yolo: true,
        session: Some("s1"),
        feedback: Some("It failed."),
        ..job()
    };
    let command = registry.command("mine", &full).unwrap();
    assert_eq!(line(&command.args), "--acp --all --extra");
    let talk = command.acp.unwrap();
    assert_eq!((talk.session.as_deref(), talk.model.as_deref()), (Some("s1"), Some("big")));
    assert_eq!(talk.mode.as_deref(), Some("free"));
    assert!(talk.yolo && command.resumes && registry.can_resume("mine"));
    assert_eq!(command.stdin.unwrap(), b"It failed.");
    assert_eq!(line(&registry.command("mine", &job()).unwrap().args), "--acp --few");
}

#[test]
fn a_model_that_argv_takes_is_not_chosen_again() {
    let registry = registry(", model-args: [-m, '{model}']");
    let command =
        registry.command("mine", &EngineInvocation { model: Some("big"), ..job() }).unwrap();
    assert_eq!((line(&command.args).as_str(), command.acp.unwrap().model), ("-m big", None));
    let nul = EngineInvocation { model: Some("a\0b"), ..job() };
    assert!(self::registry("").command("mine", &nul).is_err());
}

#[test]
fn a_built_in_engine_keeps_no_argument() {
    let yaml = "engines: {copilot: {protocol: acp, argv: [--acp]}}";
    let registry = with_config(&serde_yaml::from_str::<EngineConfig>(yaml).unwrap());
    let yolo = EngineInvocation { yolo: true, session: Some("s1"), ..job() };
    assert_eq!(line(&registry.command("copilot", &yolo).unwrap().args), "--acp");
}

#[test]
fn keys_that_the_protocol_replaces_are_refused() {
    for key in ["prompt: file", "output: text", "resume-args: [x]"] {
        let yaml = format!("engines: {{mine: {{protocol: acp, {key}}}}}");
        let config = serde_yaml::from_str::<EngineConfig>(&yaml).unwrap();
        let error = EngineRegistry::new(&config, &|_| None).unwrap_err().to_string();
        let name = key.split(':').next().unwrap();
        assert!(error.starts_with(&format!("engines.mine.{name}: it goes over")), "{error}");
    }
    let config = "engines: {mine: {yolo-mode: all}}";
    let config = serde_yaml::from_str::<EngineConfig>(config).unwrap();
    let error = EngineRegistry::new(&config, &|_| None).unwrap_err().to_string();
    assert!(error.starts_with("engines.mine.yolo-mode: only an engine"), "{error}");
}

#[test]
fn success_is_a_good_result() {
    let denied = "{\"type\":\"denied\",\"tool\":\"rm\"}\n";
    let verdict = judged(&format!("{BEGUN}{denied}{SAID}{OK}"), ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("ses_1"));
    assert_eq!(verdict.final_text.as_deref(), Some("done"));
    assert_eq!(verdict.permission_denials, 1);
    assert!(!judged(&format!("{BEGUN}{SAID}"), ProcessExit::Code(0)).success);
    assert!(!judged(&format!("{BEGUN}{SAID}{OK}"), ProcessExit::Code(1)).success);
}

#[test]
fn failure_has_words_of_agent() {
    let stopped = "{\"type\":\"result\",\"success\":false,\"text\":\"it stopped (refusal)\"}\n";
    let verdict = judged(&format!("{BEGUN}{SAID}{stopped}"), ProcessExit::Code(1));
    assert_eq!(verdict.why.as_deref(), Some("mine: it stopped (refusal)"));
    let key = error("Incorrect API key provided");
    let verdict = judged(&format!("{BEGUN}{SAID}{key}"), ProcessExit::Code(1));
    assert_eq!(verdict.why.as_deref(), Some("mine: Incorrect API key provided"));
    assert_eq!(verdict.error.unwrap().class, ErrorClass::Auth);
    let status = "{\"type\":\"error\",\"text\":\"no\",\"code\":-32000,\"status\":401}\n";
    let verdict = judged(&format!("{status}{stopped}"), ProcessExit::Code(1));
    assert_eq!(verdict.error.unwrap().class, ErrorClass::Auth);
}

#[test]
fn a_session_that_is_gone_is_named_so() {
    let gone = "{\"type\":\"session_gone\",\"text\":\"no such thing\"}\n\
                {\"type\":\"result\",\"success\":false,\"text\":\"no such thing\"}\n";
    let verdict = judged(gone, ProcessExit::Code(1));
    assert!(verdict.session_gone && verdict.session_id.is_none());
}

#[test]
fn usage_spans_what_line_says() {
    let line = |spans: &str| {
        format!(
            "{{\"type\":\"usage\",\"spans\":\"{spans}\",\"input_tokens\":9,\"cost_usd\":0.5}}\n"
        )
    };
    let run = |spans: &str| {
        let mut records = registry("").records("mine").unwrap();
        records.stdout(format!("{BEGUN}{}", line(spans)).as_bytes());
        records.usage_so_far().settle(Some("ses_1"), None).run
    };
    assert_eq!((run("run").input_tokens, run("run").cost_usd), (Some(9), Some(0.5)));
    assert!(run("session").is_empty(), "its earlier total is not known");
}
