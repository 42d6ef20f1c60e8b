//! `aq doctor`

mod agents;
mod jobs;
mod service;

use std::io;
use std::path::Path;
use std::process::Command;

use aq_manifest::Stage;
use aq_runner::engine::EngineInfo;
use aq_runner::run::host::ProbePolicy;
use aq_runner::run::place::{QueueOrigin, TrustProblem, UntrustedQueue, exposed_place};
use aq_runner::run::{
    AskedPrograms, FleetSettings, QueueSettings, TOKEN_VARIABLES, ask_engine_versions,
    fleet_overview, host_capabilities, overview, sandbox_features,
};
use aq_runner::store::{QueueDir, profile_names};
use aq_sandbox::{BoxLevel, KernelFeatures};
use jiff::Timestamp;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output::doctor::{DoctorFinding, report};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq doctor")]
pub(crate) struct DoctorArgs {}

/// Below this much room a run of many jobs is likely to fill the disk.
const ROOM: u64 = 1 << 30;

pub(crate) fn run(here: &CliContext) -> Outcome {
    let mut findings = Vec::new();
    let place = match here.place() {
        Ok(place) => Some(place),
        // A repository that git refuses to read is what it was asked for.
        Err(failure) => {
            findings.push(DoctorFinding::bad(failure, "then ask again: there is more to look at"));
            None
        }
    };
    match place.map(|place| (place, here.silent_queue())) {
        None => {}
        Some((place, Ok(queue))) => {
            let (root, how) = (queue.root().display(), found_by(place.origin));
            findings.push(DoctorFinding::good(format!("the queue is {root}, {how}")));
            let untrusted = here.untrusted(&queue);
            look_at_queue(here, &queue, untrusted.is_some(), &mut findings);
            findings.push(trust(&queue, untrusted));
        }
        Some((place, Err(failure))) if place.path.as_ref().is_some_and(|path| path.is_dir()) => {
            findings.push(DoctorFinding::bad(failure, "see which directory is meant"));
        }
        Some((_, Err(failure))) => {
            findings.push(DoctorFinding::bad(failure, "make one with `aq init`"));
        }
    }
    findings.push(git());
    findings.extend(token_files(here));
    findings.extend(fleet(here));
    let exit = if findings.iter().any(DoctorFinding::is_bad) { CliExit::No } else { CliExit::Done };
    report(&findings);
    Ok(exit)
}

fn sandbox_level(features: &KernelFeatures) -> DoctorFinding {
    match (features.level(), features.why_not_full()) {
        (BoxLevel::Full, _) => DoctorFinding::good("sandboxes are had at the level full"),
        (level, why) => DoctorFinding::doubtful(
            format!("sandboxes are had at the level {level}: {}", why.unwrap_or_default()),
            "`aq caps` says what does not hold then",
        ),
    }
}

fn found_by(origin: QueueOrigin) -> &'static str {
    match origin {
        QueueOrigin::Argument => "as --queue says",
        QueueOrigin::Variable => "as AQ_QUEUE says",
        QueueOrigin::Project => "the nearest .aq/",
        QueueOrigin::Repository => "that of this repository",
        QueueOrigin::Checkout => "that of the job whose checkout this is",
        QueueOrigin::User => "the one for where there is no project",
    }
}

fn trust(queue: &QueueDir, untrusted: Option<UntrustedQueue>) -> DoctorFinding {
    let Some(untrusted) = untrusted else {
        return match exposed_place(queue.root()) {
            Ok(None) => {
                DoctorFinding::good("the queue is trusted, and no other user can change it")
            }
            Ok(Some(place)) => DoctorFinding::doubtful(place, "AQ_TRUST trusts it all the same"),
            Err(e) => DoctorFinding::doubtful(e, "AQ_TRUST trusts the queue all the same"),
        };
    };
    let mend = match untrusted.cause {
        TrustProblem::Unlisted => "look at what is in it, then run that",
        TrustProblem::Exposed(_) => "other users' access control lists are not looked at",
        TrustProblem::Unreadable(_) | TrustProblem::Hidden(_) => "check the owner and mode of that",
    };
    DoctorFinding::bad(untrusted, mend)
}

fn look_at_queue(
    here: &CliContext,
    queue: &QueueDir,
    is_untrusted: bool,
    findings: &mut Vec<DoctorFinding>,
) {
    findings.push(writable(queue));
    findings.push(room(queue));
    let settings = match here.settings(queue) {
        Ok(settings) => settings,
        Err(failure) => {
            return findings.push(DoctorFinding::bad(failure, "correct the file, or take it away"));
        }
    };
    // The settings name what is asked.
    let probing = if is_untrusted { ProbePolicy::CachedOnly } else { ProbePolicy::AsNeeded };
    ask_engine_versions(Some(queue), &settings, AskedPrograms::Installed, probing);
    engines(&settings, findings);
    findings.extend(agents::never_signed_in(&settings));
    findings.extend(agents::untried_or_unfit(&settings, here.cwd().ok().as_deref()));
    findings.extend(service::look(here, queue, &settings));
    for name in profile_names(queue.profiles()) {
        if aq_runner::store::load_profile(queue.profiles(), &name, false).is_err() {
            findings.push(DoctorFinding::bad(
                format!("the profile {name} has errors"),
                "`aq profiles` shows them",
            ));
        }
    }
    let sandbox = here.program().map(|program| sandbox_features(Some(queue), &program, probing));
    findings.extend(sandbox.as_ref().ok().map(sandbox_level));
    let host = host_capabilities(Some(queue), &settings, probing, sandbox.ok());
    for problem in host.problems {
        findings.push(DoctorFinding::doubtful(problem, "`aq caps --refresh` tries again"));
    }
    match overview(queue, &settings, 0, Timestamp::now()) {
        Ok(overview) => {
            findings.push(match &overview.run_loop {
                None => DoctorFinding::doubtful(
                    "no run loop is at work",
                    "`aq run` starts one, `aq service` prints a unit for it",
                ),
                Some(found) => service::release(here, found),
            });
            findings.extend(jobs::without_timeout(queue, &overview));
            if !is_untrusted {
                findings.extend(jobs::refused_repositories(&overview));
            }
        }
        Err(e) => findings.push(DoctorFinding::bad(e, "check the queue's folders")),
    }
}

fn engines(settings: &QueueSettings, findings: &mut Vec<DoctorFinding>) {
    let all = settings.engines.info();
    let installed = all.iter().filter(|engine| engine.binary.is_ok());
    let (by_class, by_name): (Vec<&EngineInfo>, Vec<&EngineInfo>) =
        installed.partition(|engine| !engine.classes.is_empty());
    let names = |engines: &[&EngineInfo]| {
        let names: Vec<&str> = engines.iter().map(|engine| engine.name.as_str()).collect();
        names.join(", ")
    };
    if by_class.is_empty() {
        findings.push(DoctorFinding::doubtful(
            format!(
                "no coding agent of a class is installed; only jobs that name their `engine` can \
                 run, of {}",
                names(&by_name)
            ),
            "install one, name its program with a variable that `aq engines` shows, or put one \
             of these into a class",
        ));
    } else {
        let all = names(&[by_class, by_name].concat());
        findings.push(DoctorFinding::good(format!("engines that can run: {all}")));
    }
    if nix::unistd::geteuid().is_root() {
        findings.push(DoctorFinding::doubtful(
            "aq runs as root, and so will every agent",
            "run it as a user of its own, if you can",
        ));
    }
}

/// Checks that files can be made: all folders are asked, and one is tried, which a full disk or a
/// quota refuses.
fn writable(queue: &QueueDir) -> DoctorFinding {
    let folders = Stage::ALL.map(|stage| queue.stage(stage)).into_iter();
    let others = ["", "logs", ".state", ".state/meta", ".state/wip", ".state/keys", ".state/locks"];
    // These are made when they are needed.
    let later = [
        "artifacts",
        "work",
        ".archive",
        ".state/checkouts",
        ".state/worktrees",
        ".state/fleet",
        ".state/tracker",
    ];
    let others = others.map(|name| queue.root().join(name)).into_iter();
    let later = later.map(|name| queue.root().join(name)).into_iter().filter(|dir| dir.exists());
    for folder in folders.chain(others).chain(later) {
        let wanted = AccessFlags::W_OK | AccessFlags::X_OK;
        if let Err(e) = faccessat(AT_FDCWD, &folder, wanted, AtFlags::AT_EACCESS) {
            return not_writable(&folder, &e.into());
        }
    }
    let tmp = queue.state().join("tmp");
    let probe = tmp.join(".doctor");
    match std::fs::write(&probe, "x").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => DoctorFinding::good("the queue can be written"),
        Err(e) => not_writable(&tmp, &e),
    }
}

fn not_writable(folder: &Path, error: &io::Error) -> DoctorFinding {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => "`aq init` with the queue's directory makes what is missing",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room",
        _ => "check the owner and mode of its folders, and the file system",
    };
    DoctorFinding::bad(format!("{} cannot be written: {error}", folder.display()), mend)
}

fn room(queue: &QueueDir) -> DoctorFinding {
    match free_bytes(queue.root()) {
        Some(free) if free < ROOM => DoctorFinding::doubtful(
            format!("only {} MiB are free on the queue's file system", free >> 20),
            "make room: `aq clean` puts old logs away, and .archive/ can be deleted",
        ),
        Some(free) => DoctorFinding::good(format!("{} GiB are free", free >> 30)),
        None => DoctorFinding::doubtful("cannot tell how much room there is", "check with `df`"),
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

fn git() -> DoctorFinding {
    match Command::new("git").arg("--version").output() {
        Ok(found) if found.status.success() => {
            DoctorFinding::good(String::from_utf8_lossy(&found.stdout).trim().to_owned())
        }
        _ => DoctorFinding::doubtful(
            "git is not installed",
            "install it: agents' work is best kept on branches",
        ),
    }
}

/// Files of tokens that cannot be used, or that others can read.
fn token_files(here: &CliContext) -> impl Iterator<Item = DoctorFinding> {
    TOKEN_VARIABLES.into_iter().filter_map(|variable| match here.environment.token(variable) {
        Ok(token) => {
            Some(DoctorFinding::doubtful(token?.warning?, "or move the token to another file"))
        }
        Err(e) => Some(DoctorFinding::bad(e, "correct the variable, or the file")),
    })
}

/// Only when this host is to be in a fleet is anything asked.
fn fleet(here: &CliContext) -> Option<DoctorFinding> {
    let settings = match FleetSettings::read(&here.environment) {
        Ok(settings) => settings?,
        Err(e) => return Some(DoctorFinding::bad(e, "correct the variable, or set AQ_FLEET=0")),
    };
    Some(match fleet_overview(&settings) {
        Ok(fleet) => DoctorFinding::good(format!(
            "the coordinator answers: {} of {} hosts alive",
            fleet.stats.factories_alive, fleet.stats.factories_known
        )),
        Err(e) => DoctorFinding::bad(e, "look at AQ_FLEET_URL, the token and the coordinator"),
    })
}
