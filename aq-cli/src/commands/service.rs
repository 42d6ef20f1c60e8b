//! `aq service`

use std::ffi::OsStr;
use std::path::Path;

use aq_runner::run::ProcessEnvironment;

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::service::ServiceFile;
use crate::output::style::plain;

/// Variables that say where things are. A service manager starts the loop with none of them.
const PLACES: [&str; 7] = [
    "PATH",
    "AQ_HOME",
    "AGENT_QUEUE_PROFILES",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
];

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Example:  aq service --max 2 >~/.config/systemd/user/aq.service\n",
        "\n",
        "The unit carries the PATH and the programs (CLAUDE_BIN, ...) of the shell that prints \
            it.\n",
        "Its first lines say how to install it, under a name of its own for each queue.",
    )
)]
pub(crate) struct ServiceArgs {
    /// Print a launchd plist (macOS)
    #[arg(long)]
    launchd: bool,
    /// Jobs that run at once [default: `max` in config.yaml, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,
    /// Ship what reaches testing/ by itself
    #[arg(long)]
    ship: bool,
}

pub(crate) fn run(here: &CliContext, args: &ServiceArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let program = here.program()?;
    let environment = carried(&here.environment);
    let (root, program) = (text(queue.root())?, text(&program)?);
    if !args.launchd && program.contains(|c: char| c.is_control() || "\"'\\".contains(c)) {
        return Err(CliFailure::usage(format_args!(
            "systemd starts no program whose path has quotes or backslashes, and this one is {}: \
             put aq elsewhere",
            plain(program)
        )));
    }
    let service = ServiceFile {
        name: &unit_name(queue.root()),
        program,
        queue: root,
        max: args.max,
        ship: args.ship,
        environment: &environment,
    };
    output::line(if args.launchd { service.launchd() } else { service.systemd() });
    Ok(CliExit::Done)
}

fn text(path: &Path) -> Result<&str, CliFailure> {
    path.to_str().ok_or_else(|| {
        CliFailure::usage(format_args!(
            "{} is not UTF-8, and a unit cannot name it: give the directory another name",
            plain(&path.display().to_string())
        ))
    })
}

/// Variables of the shell that prints the unit, without which the loop would not find things.
fn carried(environment: &ProcessEnvironment) -> Vec<(String, String)> {
    let is_wanted = |name: &str| PLACES.contains(&name) || is_program(name);
    let mut carried = Vec::new();
    for (name, value) in environment.iter() {
        let Some(name) = name.to_str().filter(|name| is_wanted(name)) else { continue };
        match value.to_str() {
            Some("") => {}
            Some(value) => carried.push((name.to_owned(), value.to_owned())),
            None => output::warning(&format!("warning: {name} is left out: it is not UTF-8")),
        }
    }
    carried
}

/// True for a variable that names an engine's program.
fn is_program(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.strip_suffix("_BIN").is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_part))
}

/// A name for the unit of this queue and of no other.
fn unit_name(queue: &Path) -> String {
    let last = |path: &Path| path.file_name().map(OsStr::to_owned);
    let own = last(queue).filter(|name| !name.as_encoded_bytes().starts_with(b"."));
    let name = own.or_else(|| last(queue.parent()?)).unwrap_or_default();
    let name = name.to_string_lossy();
    let kept = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let kept: String = kept.take(40).collect();
    format!("aq-{}-{:06x}", kept.trim_matches('-'), digest(queue) & 0xff_ffff)
}

/// FNV-1a of a path: the same on every machine and in every version.
fn digest(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_a_unit_of_its_own() {
        let name = |path: &str| unit_name(Path::new(path));
        assert!(name("/home/me/app/.aq").starts_with("aq-app-"));
        assert!(name("/home/me/aq-work/app-1f2e").starts_with("aq-app-1f2e-"));
        assert_ne!(name("/a/app/.aq"), name("/b/app/.aq"));
        assert!(name("/h/a b%$\"").chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    }

    #[test]
    fn only_names_of_programs_are_carried() {
        assert!(is_program("CLAUDE_BIN") && is_program("KIMI_CODE_BIN"));
        assert!(!is_program("_BIN") && !is_program("AQ_FLEET_TOKEN") && !is_program("x_BIN"));
    }
}
