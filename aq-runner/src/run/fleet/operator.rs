//! Requests of a person to the fleet: its jobs, what happens, and a word about a job or a host.

use std::collections::BTreeMap;
use std::time::Duration;

use aq_fleet::client::{CallError, CoordinatorClient};
use aq_fleet::protocol::{EventPage, FactoryId, FeedQuery, FleetJobId, JobQuery, JobSummary};
use aq_manifest::Stage;

use super::overview::{PATIENCE, factories};
use super::{FleetError, FleetSettings};

/// Jobs of one page.
const PAGE: u32 = 500;

/// Time for which the coordinator may keep an answer without a message.
const WAIT: Duration = Duration::from_secs(20);

/// Which jobs of the fleet to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetJobFilter {
    /// Only those in one of these stages; in any, when there is none.
    pub stages: Vec<Stage>,
    /// Only those that this host has, or had last.
    pub host: Option<FactoryId>,
}

/// Jobs of the fleet, and the machines that hosts are.
#[derive(Clone, Debug, Default)]
pub struct FleetJobs {
    /// The jobs, by stage and then in the order of their submission.
    pub jobs: Vec<JobSummary>,
    /// The name that each host's machine gives itself.
    pub machines: BTreeMap<FactoryId, String>,
}

/// The host that has a job, or had it last: its logs are there. A coordinator of version 0.1
/// knows only who has it.
pub fn log_host(job: &JobSummary) -> Option<&FactoryId> {
    job.last_holder.as_ref().or(job.holder.as_ref())
}

/// Lists jobs of the fleet; mirrors of hosts' own are left out.
///
/// # Errors
/// When the coordinator cannot be asked, or does not answer.
pub fn fleet_jobs(
    settings: &FleetSettings,
    filter: &FleetJobFilter,
) -> Result<FleetJobs, FleetError> {
    let client = settings.client(PATIENCE)?;
    let host = filter.host.as_ref();
    let mut jobs = Vec::new();
    let each: Vec<Option<Stage>> = match filter.stages.as_slice() {
        [] => vec![None],
        stages => stages.iter().copied().map(Some).collect(),
    };
    for stage in each {
        let query = JobQuery { stage, last_holder: host.cloned(), ..JobQuery::default() };
        // A coordinator of version 0.1 looks at the stage alone.
        let is_wanted = |job: &JobSummary| host.is_none_or(|host| log_host(job) == Some(host));
        pages(&client, query, |job| {
            if is_wanted(&job) {
                jobs.push(job);
            }
        })?;
    }
    let machines = factories(&client)?.into_iter().map(|host| (host.factory_id, host.host));
    Ok(FleetJobs { jobs, machines: machines.collect() })
}

/// Hands over each job of all pages.
fn pages(
    client: &CoordinatorClient,
    mut query: JobQuery,
    mut take: impl FnMut(JobSummary),
) -> Result<(), CallError> {
    query.limit = Some(PAGE);
    loop {
        let page = client.jobs(&query)?.value;
        page.jobs.into_iter().filter(|job| !job.shadow).for_each(&mut take);
        // A place that does not go on would be asked for without an end.
        if page.next.is_none() || page.next == query.cursor {
            return Ok(());
        }
        query.cursor = page.next;
    }
}

/// The job that somebody means: by its id, its key, or its name.
///
/// # Errors
/// [`FleetError::NoSuchJob`], [`FleetError::ManyJobs`]; when the coordinator cannot be asked.
pub fn find_fleet_job(settings: &FleetSettings, meant: &str) -> Result<FleetJobId, FleetError> {
    if let Ok(id) = meant.parse() {
        return Ok(id);
    }
    let client = settings.client(PATIENCE)?;
    let query = JobQuery { named: Some(meant.to_owned()), ..JobQuery::default() };
    let mut found = Vec::new();
    pages(&client, query, |job| {
        if job.key == meant || job.name.as_str() == meant {
            found.push(job);
        }
    })?;
    // A key belongs to one job, whatever others are called.
    let by_key = found.iter().find(|job| job.key == meant);
    match (by_key, found.as_slice()) {
        (Some(job), _) | (None, [job]) => Ok(job.job_id),
        (None, []) => Err(FleetError::NoSuchJob(meant.to_owned())),
        (None, many) => Err(FleetError::ManyJobs {
            name: meant.to_owned(),
            ids: many.iter().map(|job| job.job_id).collect(),
        }),
    }
}

/// Stops a job, or has its holder stop it; returns how it is now.
///
/// # Errors
/// When the coordinator cannot be asked, or refuses.
pub fn cancel_fleet_job(
    settings: &FleetSettings,
    job: FleetJobId,
) -> Result<JobSummary, FleetError> {
    Ok(settings.client(PATIENCE)?.cancel(job)?.value)
}

/// Puts a failed job back; answers how it is now.
///
/// # Errors
/// When the coordinator cannot be asked, or refuses.
pub fn requeue_fleet_job(
    settings: &FleetSettings,
    job: FleetJobId,
) -> Result<JobSummary, FleetError> {
    Ok(settings.client(PATIENCE)?.requeue(job)?.value)
}

/// Lets a host take no more jobs, or takes that back.
///
/// # Errors
/// When the coordinator cannot be asked, or knows no such host.
pub fn drain_host(
    settings: &FleetSettings,
    host: &FactoryId,
    drain: bool,
) -> Result<(), FleetError> {
    settings.client(PATIENCE)?.drain(host, drain)?;
    Ok(())
}

/// Follows what happens in the fleet.
#[derive(Debug)]
pub struct FleetEvents {
    client: CoordinatorClient,
    query: FeedQuery,
}

impl FleetEvents {
    /// A reader of the messages behind one of them, else of those of so long ago, else of those
    /// to come.
    ///
    /// # Errors
    /// When there is no token, or the address cannot be used.
    pub fn open(
        settings: &FleetSettings,
        after: Option<u64>,
        since: Option<Duration>,
    ) -> Result<Self, FleetError> {
        let since_ms = since.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let query = FeedQuery { after, since_ms, ..FeedQuery::default() };
        Ok(Self { client: settings.client(PATIENCE)?, query })
    }

    /// The next page. An empty one is the end, for now; with `wait` that takes some seconds.
    ///
    /// # Errors
    /// When the coordinator cannot be asked, does not answer, or is too old; it can be asked again.
    pub fn next_page(&mut self, wait: bool) -> Result<EventPage, FleetError> {
        self.query.wait_ms = wait.then(|| u64::try_from(WAIT.as_millis()).unwrap_or_default());
        let page = match self.client.feed(&self.query) {
            Ok(answer) => answer.value,
            Err(CallError::Refused(problem)) if matches!(problem.status, 404 | 405) => {
                return Err(FleetError::OlderCoordinator);
            }
            Err(error) => return Err(error.into()),
        };
        self.query.after = Some(page.next);
        Ok(page)
    }
}
