//! Logins, versions and settings of agents.

use std::path::Path;

use aq_runner::run::{QueueSettings, engine_pitfalls, untried_version};

use crate::output::doctor::DoctorFinding;
use crate::output::engines::{pitfall_line, untried_line};

/// Engines that are installed and to which nobody has signed in, as far as that can be seen.
pub(super) fn never_signed_in(settings: &QueueSettings) -> Vec<DoctorFinding> {
    let env = |name: &str| settings.environment.get(name);
    let is_set = |name: &String| env(name).is_some_and(|value| !value.is_empty());
    let mut found = Vec::new();
    for engine in settings.engines.info() {
        let Some(places) = settings.engines.login_places(&engine.name, &env) else { continue };
        let is_signed_in =
            places.files.iter().any(|file| file.exists()) || places.variables.iter().any(is_set);
        if engine.binary.is_err() || is_signed_in {
            continue;
        }
        let files: Vec<String> =
            places.files.iter().map(|file| file.display().to_string()).collect();
        let keys = match places.variables.first() {
            Some(first) => format!(", or set its key, such as {first}"),
            None => String::new(),
        };
        found.push(DoctorFinding::doubtful(
            format!(
                "nobody has signed in to engine {} here: there is no {}",
                engine.name,
                files.join(", no ")
            ),
            format!("start it once by hand and sign in{keys}"),
        ));
    }
    found
}

/// Versions that nobody has tried, and settings with which unattended runs go wrong, of the engines
/// that are installed.
pub(super) fn untried_or_unfit(settings: &QueueSettings, cwd: Option<&Path>) -> Vec<DoctorFinding> {
    let mut found = Vec::new();
    for engine in settings.engines.info().into_iter().filter(|engine| engine.binary.is_ok()) {
        if let Some(untried) = untried_version(&engine) {
            let mend = format!("`aq engines --check {}` tries it with one short run", engine.name);
            found.push(DoctorFinding::doubtful(untried_line(&engine.name, &untried), mend));
        }
        for pitfall in engine_pitfalls(settings, &engine.name, cwd) {
            let line = format!("{}: {}", engine.name, pitfall_line(&pitfall));
            found.push(DoctorFinding::doubtful(line, pitfall.mend));
        }
    }
    found
}
