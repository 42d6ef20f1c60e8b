//! Makes a table and a plot of what the scripts in this directory measured. `run.sh` starts it.

mod page;
mod plot;
mod results;
mod rows;
mod table;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use crate::results::Results;

const USAGE: &str = "usage: against-peers table RESULTS | against-peers plot RESULTS PICTURE | \
                     against-peers page RESULTS PAGE";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<String, Box<dyn Error>> {
    match *words {
        ["table", from] => Ok(table::markdown(&read(from)?)),
        ["plot", from, to] => {
            write(to, &plot::picture(&read(from)?)?)?;
            Ok(String::new())
        }
        ["page", from, to] => {
            let old = fs::read_to_string(to).map_err(|error| format!("{to}: {error}"))?;
            write(to, &page::with(&old, &table::markdown(&read(from)?), to)?)?;
            Ok(String::new())
        }
        _ => Err(USAGE.into()),
    }
}

fn read(path: &str) -> Result<Results, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(Results::parse(&text).map_err(|error| format!("{path}: {error}"))?)
}

fn write(path: &str, text: &str) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(path, text).map_err(|error| format!("{path}: {error}"))?)
}
