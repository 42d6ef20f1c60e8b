//! Checks job files as `aq check` does, without a queue: those that are named, or one with a
//! mistake.
//!
//! `cargo run -p aq-examples --example check_manifest -- FILE...`

use std::io::Write;
use std::process::ExitCode;

use aq_manifest::{parse, render, resolve};

/// A job file with a word that is none, to have something to look at.
const MISTAKEN: &str = "---\nengine: claude\npriority: hgh\ntimeout: 45m\n---\nFix the login.\n";

fn main() -> std::io::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        let is_good = check("fix-login.md", MISTAKEN, &mut out)?;
        writeln!(out, "with `high` in its place:")?;
        let mended = check("fix-login.md", &MISTAKEN.replace("hgh", "high"), &mut out)?;
        return Ok(if !is_good && mended { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut all_good = true;
    for name in names {
        all_good &= check(&name, &std::fs::read_to_string(&name)?, &mut out)?;
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what is wrong with a job file, and the values that apply when it is good.
fn check(name: &str, source: &str, out: &mut impl Write) -> std::io::Result<bool> {
    let parsed = parse(source);
    write!(out, "{}", render(name, source, &parsed.diagnostics, false))?;
    if parsed.has_errors() {
        return Ok(false);
    }
    let spec = resolve(&parsed.manifest, None);
    let engine = spec.engine.as_deref().unwrap_or("the first that is installed");
    writeln!(out, "{name}: good; engine {engine}, priority {}", spec.priority)?;
    Ok(true)
}
