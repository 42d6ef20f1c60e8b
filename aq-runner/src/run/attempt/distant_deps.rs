//! The work of a fleet's deps at a job's first start: on a branch here, or fetched from the remote
//! to which their hosts have pushed it.

use std::time::{Duration, Instant};

use super::JobAttempt;
use super::checkout::not_started;
use super::failure::AttemptFailure;
use crate::checkpoint::{CheckpointJob, DistantWork, StartPoint, fetch_deps};
use crate::run::fleet::{DepWork, FleetDep, fleet_deps};
use crate::run::workplace::checkpoint_job;

/// The time for which work is looked for that is not at its remote: the coordinator lets a job ship
/// a moment before it is pushed.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(250);

/// Adds the work of a job's deps in the fleet to its start. Nothing is added to one that has
/// started, or that names another start.
pub(super) fn add(
    attempt: &mut JobAttempt<'_>,
    job: &mut CheckpointJob,
) -> Result<(), AttemptFailure> {
    let (queue, is_first) = (attempt.queue, !job.base_file.exists());
    let StartPoint::Deps(here) = &mut job.start else { return Ok(()) };
    let deps = if is_first { fleet_deps(attempt.record.content()) } else { Vec::new() };
    let mut distant = Vec::new();
    for dep in deps {
        let record = dep.record_here(queue).map_err(|e| AttemptFailure::not_counted(&e))?;
        match record {
            Some(record) => here.push(checkpoint_job(queue, &dep.name, &record)),
            None => distant.push(dep),
        }
    }
    let mut pushed = Vec::new();
    for dep in &distant {
        match &dep.work {
            DepWork::Pushed(work) => pushed.push((dep, work.clone())),
            DepWork::Behind => return Err(elsewhere(dep, "which has not pushed it")),
            DepWork::None => {}
        }
    }
    let work: Vec<_> = pushed.iter().map(|(_, work)| work.clone()).collect();
    if work.is_empty() {
        return Ok(());
    }
    let remote = attempt.settings.config.fleet.push_wip.as_deref();
    let begun = Instant::now();
    let found = loop {
        let found = fetch_deps(job, remote, &work);
        let found = found.map_err(|e| not_started(&mut attempt.record, &e, job))?;
        let is_whole = !found.contains(&DistantWork::Missing);
        if is_whole || begun.elapsed() > PATIENCE || (attempt.record.stop_check())() {
            break found;
        }
        std::thread::sleep(PAUSE);
    };
    for ((dep, _), found) in pushed.iter().zip(found) {
        match found {
            DistantWork::Here(tip) => {
                let (name, host) = (&dep.name, dep.shown_host());
                attempt.record.note(&format!("fetched the work of {name} from host {host}"));
                job.fetched.push(tip);
            }
            DistantWork::InTarget => {}
            DistantWork::OtherRepository => {
                attempt.record.note(&format!("{} has worked in another repository", dep.name));
            }
            DistantWork::Missing if dep.is_guessed() => {
                let note = format!("nothing is known here of the work of {}", dep.name);
                attempt.record.note(&note);
            }
            DistantWork::Missing => {
                let why = match remote {
                    Some(_) => "and is not at the remote of fleet.push-wip",
                    None => "and config.yaml has no fleet.push-wip to fetch it from",
                };
                return Err(elsewhere(dep, why));
            }
        }
    }
    Ok(())
}

/// The names of a fleet job's deps that are in no folder of this queue.
pub(super) fn names(attempt: &JobAttempt<'_>) -> Result<Vec<String>, AttemptFailure> {
    let mut names = Vec::new();
    for dep in fleet_deps(attempt.record.content()) {
        let record = dep.record_here(attempt.queue).map_err(|e| AttemptFailure::not_counted(&e))?;
        if record.is_none() {
            names.push(dep.name.to_string());
        }
    }
    Ok(names)
}

fn elsewhere(dep: &FleetDep, why: &str) -> AttemptFailure {
    let (name, host) = (&dep.name, dep.shown_host());
    AttemptFailure::DepElsewhere {
        dep: name.to_string(),
        why: format!("the work of {name} is on host {host}, {why}"),
        host,
    }
}
