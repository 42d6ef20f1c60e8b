//! The log of a program that serves: lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts it. `AQ_LOG` sets the level, such as `debug` or `aq_coordinator=debug`;
/// `info` without it.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("AQ_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // A second start, which nobody makes, would change nothing.
    let _ = subscriber.try_init();
}
