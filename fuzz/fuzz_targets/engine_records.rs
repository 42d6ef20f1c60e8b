//! What coding agents print, in pieces of any size: a verdict comes out of it, in bounded memory.
#![no_main]

use std::sync::LazyLock;

use aq_runner::engine::{EndedBy, EngineConfig, EngineRegistry, ProcessExit};
use libfuzzer_sys::fuzz_target;

static ENGINES: LazyLock<EngineRegistry> = LazyLock::new(|| {
    EngineRegistry::new(&EngineConfig::default(), &|_| None).expect("the built-in engines")
});

fuzz_target!(|input: (u8, u8, u8, &[u8], &[u8])| {
    let (engine, piece, exit, stdout, stderr) = input;
    let names: Vec<&str> = ENGINES.names().collect();
    let name = names[usize::from(engine) % names.len()];
    let mut records = ENGINES.records(name).expect("a name of its own");
    for chunk in stdout.chunks(usize::from(piece) + 1) {
        records.stdout(chunk);
    }
    records.stderr(stderr);
    let _ = records.usage_so_far();
    let verdict = records.verdict(ProcessExit::Code(i32::from(exit)), EndedBy::Engine);
    assert!(!(verdict.success && exit != 0));
    if let Some(why) = &verdict.why {
        assert!(!why.chars().any(char::is_control), "{why:?}");
    }
});
