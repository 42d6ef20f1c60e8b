//! Helpers that the tests of the engines share.

use std::ffi::OsString;
use std::path::Path;

use super::{
    EndedBy, EngineCommand, EngineConfig, EngineInvocation, EngineRegistry, ProcessExit, RunVerdict,
};

/// The built-in engines, each with `/bin/sh` for its program.
pub(super) fn registry() -> EngineRegistry {
    with_config(&EngineConfig::default())
}

/// The same with `config`.
pub(super) fn with_config(config: &EngineConfig) -> EngineRegistry {
    let env = |name: &str| name.ends_with("_BIN").then(|| OsString::from("/bin/sh"));
    EngineRegistry::new(config, &env).unwrap()
}

/// A job that says nothing but its prompt.
pub(super) fn job() -> EngineInvocation<'static> {
    EngineInvocation {
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

pub(super) fn command(engine: &str, job: &EngineInvocation<'_>) -> EngineCommand {
    registry().command(engine, job).unwrap()
}

/// The arguments of a plain job, and of one that says everything, as one line each.
pub(super) fn plain_and_full(engine: &str) -> [String; 2] {
    let args = ["--extra".to_owned(), "two words".to_owned()];
    let full = EngineInvocation {
        model: Some("big"),
        args: &args,
        yolo: true,
        session: Some("0a-1b"),
        ..job()
    };
    [job(), full].map(|job| line(&command(engine, &job).args))
}

pub(super) fn line(args: &[OsString]) -> String {
    args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The verdict on a run that printed `stdout` and ended by itself.
pub(super) fn judged(engine: &str, stdout: &str, exit: ProcessExit) -> RunVerdict {
    judged_with(engine, stdout, "", exit, EndedBy::Engine)
}

pub(super) fn judged_with(
    engine: &str,
    stdout: &str,
    stderr: &str,
    exit: ProcessExit,
    ended: EndedBy,
) -> RunVerdict {
    let mut records = registry().records(engine).unwrap();
    records.stdout(stdout.as_bytes());
    records.stderr(stderr.as_bytes());
    records.verdict(exit, ended)
}

/// The reason of a verdict, which must be a failure.
pub(super) fn why(verdict: RunVerdict) -> String {
    assert!(!verdict.success);
    verdict.why.unwrap()
}
