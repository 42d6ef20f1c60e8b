//! A look at the fleet, for `fleet-status`; and what a queue itself knows of it, for `status`.

use std::time::Duration;

use aq_fleet::client::{CallError, CoordinatorClient};
use aq_fleet::protocol::{
    FactoryPage, FactoryView, FleetJobId, FleetStats, GivenReason, JobQuery, JobSummary, JobView,
    PageQuery,
};
use aq_manifest::Stage;

use super::{FleetSettings, FleetSettingsError, fleet_dir};
use crate::run::environment::ProcessEnvironment;
use crate::store::QueueDir;

/// How long each question may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The stages of jobs that have not ended.
const LIVE: [Stage; 4] = [Stage::Building, Stage::Review, Stage::Testing, Stage::Inbox];

/// Jobs of a stage that are looked at.
const LISTED: u32 = 200;

/// Pages of hosts that are looked at.
const PAGES: usize = 100;

/// Waiting jobs of which it is asked why they wait.
const EXPLAINED: usize = 20;

/// What this host is in the fleet, as far as it knows by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPart {
    /// The switches, in words.
    pub switches: String,
    /// This host's name there.
    pub factory: String,
    /// Jobs of which something is still to be sent.
    pub unsent: usize,
}

/// The fleet as its coordinator sees it.
#[derive(Clone, Debug)]
pub struct FleetOverview {
    /// The numbers.
    pub stats: FleetStats,
    /// The hosts, by their ids.
    pub factories: Vec<FactoryView>,
    /// Jobs that have not ended, the running ones first; each with the reason why it waits, for the
    /// first ones.
    pub jobs: Vec<(JobSummary, Option<GivenReason>)>,
    /// Whether there are more jobs than are listed.
    pub more: bool,
}

/// What a queue knows of the fleet; `None` offline.
///
/// # Errors
/// When the switches are wrong.
pub fn fleet_part(
    queue: Option<&QueueDir>,
    environment: &ProcessEnvironment,
) -> Result<Option<FleetPart>, FleetSettingsError> {
    let Some(settings) = FleetSettings::read(environment)? else { return Ok(None) };
    let waiting = queue.and_then(|queue| fleet_dir(queue).join("outbox").read_dir().ok());
    let is_message = |entry: &std::fs::DirEntry| {
        entry.path().extension().is_some_and(|extension| extension == "jsonl")
    };
    let unsent = waiting.map_or(0, |dir| dir.flatten().filter(is_message).count());
    Ok(Some(FleetPart {
        switches: settings.switches.to_string(),
        factory: settings.factory.to_string(),
        unsent,
    }))
}

/// Asks the coordinator.
///
/// # Errors
/// When it cannot be asked, or does not answer.
pub fn fleet_overview(settings: &FleetSettings) -> Result<FleetOverview, FleetError> {
    let client = settings.client(PATIENCE)?;
    let stats = client.stats()?.value;
    let factories = factories(&client)?;
    let mut jobs = Vec::new();
    let mut more = false;
    for stage in LIVE {
        let query = JobQuery { stage: Some(stage), limit: Some(LISTED), ..JobQuery::default() };
        let page = client.jobs(&query)?.value;
        more |= page.next.is_some();
        jobs.extend(page.jobs.into_iter().map(|job| (job, None)));
    }
    let waiting = jobs.iter_mut().filter(|(job, _)| job.stage == Stage::Inbox);
    for (job, why) in waiting.take(EXPLAINED) {
        // One that is gone by now waits for nothing.
        *why = client.job(job.job_id).ok().and_then(|view| view.value.waits());
    }
    Ok(FleetOverview { stats, factories, jobs, more })
}

/// Everything that is known of one job of the fleet.
///
/// # Errors
/// When the coordinator cannot be asked, does not answer, or knows no such job.
pub fn fleet_job(settings: &FleetSettings, job: FleetJobId) -> Result<JobView, FleetError> {
    Ok(settings.client(PATIENCE)?.job(job)?.value)
}

/// All hosts, by their ids.
pub(super) fn factories(client: &CoordinatorClient) -> Result<Vec<FactoryView>, CallError> {
    let mut all = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES {
        let query = PageQuery { cursor, limit: None };
        let FactoryPage { factories, next } = client.factories(&query)?.value;
        all.extend(factories);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

/// Why the fleet cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// This host's own settings.
    #[error(transparent)]
    Settings(#[from] FleetSettingsError),
    /// The coordinator.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No job of the fleet has this key or name.
    #[error("there is no job of this key or name in the fleet: {0:?}")]
    NoSuchJob(String),
    /// Several jobs have the name.
    #[error("several jobs are called {name:?}; say which by its key or id: {}", list(ids))]
    ManyJobs {
        /// The name.
        name: String,
        /// The jobs.
        ids: Vec<FleetJobId>,
    },
    /// It does not know the call.
    #[error("the coordinator is older than this aq and does not know this call; upgrade it first")]
    OlderCoordinator,
}

/// The first ones, for a message.
fn list(ids: &[FleetJobId]) -> String {
    const SHOWN: usize = 10;
    let mut words: Vec<String> = ids.iter().take(SHOWN).map(ToString::to_string).collect();
    if ids.len() > SHOWN {
        words.push(format!("and {} more", ids.len() - SHOWN));
    }
    words.join(", ")
}
