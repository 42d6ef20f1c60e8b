//! How fast a coordinator is, beside what its database could do. The scripts in this directory
//! start it: `claims.sh`, `transactions.sh`, `heartbeats.sh` and `connections.sh`.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

mod beats;
mod claims;
mod crowd;
mod server;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use aq_coordinator::{ApiTokens, CallerRate, CoordinatorConfig, DatabaseLocation};

const USAGE: &str = "usage: fleet claims DATABASE FACTORIES EACH | fleet fill DATABASE JOBS | \
                     fleet beats DATABASE FACTORIES PERIOD_S SECONDS IDLE SLOW";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    // `cargo bench` adds an argument of its own.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let line = match words.as_slice() {
        // Found by `cargo bench` with no wish: it has nothing to measure by itself.
        [] => return ExitCode::SUCCESS,
        ["serve", database] => return server::serve(config(database)),
        ["crowd", address, idle, slow] => {
            return crowd::gather(address.parse().unwrap(), [number(idle), number(slow)]);
        }
        ["fill", database, jobs] => claims::fill(database, number(jobs)),
        ["claims", database, factories, each] => {
            claims::measure(database, number(factories), number(each))
        }
        ["beats", database, factories, period, seconds, idle, slow] => {
            let times = [number(period), number(seconds)];
            let crowd = [number(idle), number(slow)];
            beats::measure(database, number(factories), times, crowd)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("{line}");
    ExitCode::SUCCESS
}

fn number(word: &str) -> usize {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number; {USAGE}"))
}

fn config(database: &str) -> CoordinatorConfig {
    CoordinatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: database.parse::<DatabaseLocation>().unwrap(),
        tokens: ApiTokens::parse("bench", wire::TOKEN).unwrap(),
        lease: Duration::from_secs(600),
        heartbeat: Duration::from_secs(10),
        tls: None,
        insecure: false,
        rate: CallerRate { per_second: 1e6, burst: 1e6 },
        run_doubted: false,
        keep: None,
        echoes: None,
    }
}
