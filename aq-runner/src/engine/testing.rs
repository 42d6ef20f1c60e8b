//! Helpers that the tests of the engines share.

use std::ffi::OsString;
use std::path::Path;

use super::{EndedBy, EngineCommand, EngineConfig, Exit, Invocation, Registry, Verdict};

/// The built-in engines, each with `/bin/sh` for its program.
pub(super) fn registry() -> Registry {
    with_config(&EngineConfig::default())
}

/// The same with `config`.
pub(super) fn with_config(config: &EngineConfig) -> Registry {
    let env = |name: &str| name.ends_with("_BIN").then(|| OsString::from("/bin/sh"));
    Registry::new(config, &env).unwrap()
}

/// A job that says nothing but its prompt.
pub(super) fn job() -> Invocation<'static> {
    Invocation {
        prompt: "do it",
        persona: None,
        feedback: None,
        model: None,
        args: &[],
        yolo: false,
        session: None,
        scratch: Path::new("/scratch"),
        is_root: false,
    }
}

pub(super) fn command(engine: &str, job: &Invocation<'_>) -> EngineCommand {
    registry().command(engine, job).unwrap()
}

/// The arguments of a plain job, and of one that says everything, as one line each.
pub(super) fn plain_and_full(engine: &str) -> [String; 2] {
    let args = ["--extra".to_owned(), "two words".to_owned()];
    let full =
        Invocation { model: Some("big"), args: &args, yolo: true, session: Some("0a-1b"), ..job() };
    [job(), full].map(|job| line(&command(engine, &job).args))
}

pub(super) fn line(args: &[OsString]) -> String {
    args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The verdict on a run that printed `stdout` and ended by itself.
pub(super) fn judged(engine: &str, stdout: &str, exit: Exit) -> Verdict {
    judged_with(engine, stdout, "", exit, EndedBy::Engine)
}

pub(super) fn judged_with(
    engine: &str,
    stdout: &str,
    stderr: &str,
    exit: Exit,
    ended: EndedBy,
) -> Verdict {
    let mut records = registry().records(engine).unwrap();
    records.stdout(stdout.as_bytes());
    records.stderr(stderr.as_bytes());
    records.verdict(exit, ended)
}

/// The reason of a verdict, which must be a failure.
pub(super) fn why(verdict: Verdict) -> String {
    assert!(!verdict.success);
    verdict.why.unwrap()
}
