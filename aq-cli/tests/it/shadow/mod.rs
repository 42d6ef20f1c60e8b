//! The shadow (docs/fleet.md): it compares, and changes nothing.

mod agreement;
mod nothing_changes;
mod stand_in;

use std::fs;

use crate::sandbox::Sandbox;

/// Turns the fleet on for a sandbox, with the local inbox deciding.
fn join(sandbox: &mut Sandbox, url: &str, shadow: bool) {
    let shadow = if shadow { "1" } else { "0" };
    for (name, value) in [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_ROUTE", "0"),
        ("AQ_FLEET_SHADOW", shadow),
        ("AQ_FLEET_URL", url),
        ("AQ_FLEET_TOKEN", TOKEN),
        ("AQ_FACTORY_ID", "host"),
    ] {
        sandbox.set(name, value);
    }
}

const TOKEN: &str = "a-token-of-a-test-0123456789abcdef";

/// The lines of the shadow's log.
fn lines(sandbox: &Sandbox) -> Vec<String> {
    let log = fs::read_to_string(sandbox.queue(".state/fleet-shadow.log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

/// The value of a field of a line.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let part = line.split(' ').find_map(|part| part.strip_prefix(&format!("{name}=")));
    part.unwrap_or_else(|| panic!("no {name} in {line}"))
}
