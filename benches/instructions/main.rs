//! Instruction counts of aq's hot paths, compared with a baseline.
//!
//! `cargo run --profile instructions -p aq-benches --bin instructions` counts them with valgrind's
//! callgrind and compares them with `benches/instructions/baseline.txt`; `--update` writes that
//! file. Only the program's own instructions count, the standard library's included, and not those
//! of the system's C library: they depend on its version and on the processor. So an allocation or
//! a copy counts for what it takes to ask for it. The profiles stay beside the program.

mod baseline;
mod callgrind;
mod paths;

use std::process::ExitCode;

use baseline::Baseline;

const USAGE: &str = "usage: instructions [--update]";

/// Some path takes more, or something went wrong.
const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;
/// The counts here say nothing about the baseline.
const NOT_HERE: u8 = 3;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let update = match words.as_slice() {
        [] => false,
        ["--update"] => true,
        ["run", name] => return paths::run(name),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(WRONG_USE);
        }
    };
    match count_and_compare(update) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err((code, reason)) => {
            eprintln!("{reason}");
            ExitCode::from(code)
        }
    }
}

/// Returns the report, or the exit code with the reason.
fn count_and_compare(update: bool) -> Result<String, (u8, String)> {
    let failed = |reason| (FAILED, reason);
    let machine = callgrind::machine().map_err(|reason| (NOT_HERE, reason))?;
    if update {
        let counted = callgrind::count_all().map_err(failed)?;
        return Baseline { machine, counted }.write().map_err(failed);
    }
    let before = Baseline::read().map_err(failed)?;
    if before.machine != machine {
        return Err((NOT_HERE, before.other_machine(&machine)));
    }
    before.judge(&callgrind::count_all().map_err(failed)?).map_err(failed)
}
