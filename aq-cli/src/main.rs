//! The `aq` binary. What it does is in [`app`]; what it prints is in [`output`].

mod app;
mod commands;
#[cfg(feature = "dashboard")]
mod dashboard;
mod exit;
mod output;

fn main() -> std::process::ExitCode {
    app::run()
}
