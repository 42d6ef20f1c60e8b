//! A look at the whole queue: every job with its stage and why it waits. Read only; the
//! loop, when there is one, is not asked, because everything is on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aq_ledger::{KeyValues, RecordKey};
use aq_manifest::{JobId, Stage};
use aq_scheduler::EngineState;
use jiff::Timestamp;

use crate::process::ProcessId;
use crate::store::{
    JobRecord, LoopKey, OrderSpan, QueueDir, QueueStamp, Result, WaitingOrder, read_values,
    spent_of_last,
};

use crate::run::at_work::loop_process;
use crate::run::engines::availability::resting_engines;
use crate::run::fleet::{FleetPart, FleetProblem, fleet_part};
use crate::run::place::require_trust;
use crate::run::queue::folder_identity::folder_identity;
use crate::run::settings::QueueSettings;
use crate::run::tracking::outbox;
use crate::run::view::explained::LookContext;
use crate::run::view::job_view::{JobActivity, JobView};
use crate::run::view::single_look::{first_look, single_look};

/// The most that a look reads of the numbers of jobs that were put away, in bytes: each look reads
/// it again.
const SPENT_READ: u64 = 4 << 20;

/// The state of a queue at one moment.
#[derive(Debug)]
pub struct QueueOverview {
    /// The queue's directory.
    pub queue: PathBuf,
    /// When this was looked up.
    pub now: Timestamp,
    /// The run loop, when one is at work.
    pub run_loop: Option<RunLoop>,
    /// Jobs that have not ended: running ones, then waiting ones in the order in which they will
    /// run, then review/ and testing/.
    pub jobs: Vec<JobView>,
    /// Number of waiting jobs that are not in `jobs`: all of them run after those that are.
    pub unlisted: usize,
    /// Jobs that have ended, newest first, as many as were asked for.
    pub ended: Vec<JobView>,
    /// Engines that are installed and may not simply be used.
    pub resting: Vec<(String, EngineState)>,
    /// How many jobs lie in each folder.
    pub counts: BTreeMap<Stage, usize>,
    /// Files in the inbox that cannot be jobs because of their names.
    pub strangers: Vec<String>,
    /// The front end has said that nothing of this queue is run: [`QueueOverview::distrust`].
    pub is_untrusted: bool,
    /// This host's part in a fleet; `None` offline. An error says what is wrong with the switches.
    pub fleet: Option<std::result::Result<FleetPart, FleetProblem>>,
}

impl QueueOverview {
    /// Says of each job that waits that the queue is not trusted: nothing else matters then.
    pub fn distrust(&mut self) {
        self.is_untrusted = true;
        self.jobs.iter_mut().for_each(|job| job.distrust(&self.queue));
    }
}

/// A run loop at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLoop {
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// Its number of slots.
    pub max: u32,
    /// Its cap on jobs in review/.
    pub max_review: Option<u32>,
    /// It ships what reaches testing/.
    pub ships: bool,
}

/// Looks at the queue.
///
/// # Errors
/// When its folders cannot be read.
pub fn overview(
    queue: &QueueDir,
    settings: &QueueSettings,
    ended: usize,
    now: Timestamp,
) -> Result<QueueOverview> {
    let live = all_live(queue, settings, now)?;
    with_ended(queue, settings, ended, live, now)
}

/// As [`overview`], where only so many waiting jobs are wanted: those that run first. Of a long
/// queue that has not changed since the last look the others are counted and not read.
///
/// # Errors
/// As [`overview`].
pub fn brief_overview(
    queue: &QueueDir,
    settings: &QueueSettings,
    ended: usize,
    waiting: usize,
    now: Timestamp,
) -> Result<QueueOverview> {
    let live = match few_live(queue, settings, waiting, now)? {
        Some(few) => few,
        None => all_live(queue, settings, now)?,
    };
    with_ended(queue, settings, ended, live, now)
}

/// The jobs that have not ended.
struct LiveJobs {
    run_loop: Option<RunLoop>,
    views: Vec<JobView>,
    counts: BTreeMap<Stage, usize>,
    strangers: Vec<String>,
    unlisted: usize,
}

fn all_live(queue: &QueueDir, settings: &QueueSettings, now: Timestamp) -> Result<LiveJobs> {
    let run_loop = run_loop(queue)?;
    let stamp = QueueStamp::of(queue);
    let (mut counts, mut live) = (BTreeMap::new(), Vec::new());
    for stage in Stage::ALL.into_iter().filter(|stage| !stage.is_final()) {
        let before = live.len();
        live.extend(queue.each_job(stage)?.map(|id| (stage, id)));
        counts.insert(stage, live.len() - before);
    }
    let context = LookContext { queue, settings, run_loop: run_loop.as_ref(), now };
    let views = context.explained(live)?.into_views();
    let strangers = queue.strangers()?;
    // Of a queue that is not trusted nothing is changed.
    if strangers.is_empty() && require_trust(queue, &settings.environment).is_ok() {
        let waiting = || views.iter().filter(|view| view.record.stage == Stage::Inbox);
        let pauses = waiting().filter_map(|view| view.record.meta.time(RecordKey::NextEligible));
        let span = OrderSpan::new(now, pauses);
        WaitingOrder::keep(queue, stamp, span, waiting().map(|view| &view.record.id));
    }
    Ok(LiveJobs { run_loop, views, counts, strangers, unlisted: 0 })
}

/// The same of a queue in which only the first waiting jobs are read; `None` when that does not do.
fn few_live(
    queue: &QueueDir,
    settings: &QueueSettings,
    waiting: usize,
    now: Timestamp,
) -> Result<Option<LiveJobs>> {
    // Any job may have something left to say to its tracker.
    if !outbox(queue).jobs().is_empty() {
        return Ok(None);
    }
    let Some(order) = WaitingOrder::read(queue, now) else { return Ok(None) };
    let run_loop = run_loop(queue)?;
    let context = LookContext { queue, settings, run_loop: run_loop.as_ref(), now };
    let Some(views) = first_look(context, &order, waiting)? else { return Ok(None) };
    let count = |stage| views.iter().filter(|view| view.record.stage == stage).count();
    let unfinished = Stage::ALL.into_iter().filter(|stage| !stage.is_final());
    let mut counts: BTreeMap<Stage, usize> =
        unfinished.map(|stage| (stage, count(stage))).collect();
    counts.insert(Stage::Inbox, order.count());
    let unlisted = order.count().saturating_sub(waiting);
    // An order is kept only where there are no strangers.
    let strangers = Vec::new();
    Ok(Some(LiveJobs { run_loop, views, counts, strangers, unlisted }))
}

fn with_ended(
    queue: &QueueDir,
    settings: &QueueSettings,
    ended: usize,
    live: LiveJobs,
    now: Timestamp,
) -> Result<QueueOverview> {
    let LiveJobs { run_loop, views, mut counts, strangers, unlisted } = live;
    let (newest, ended_counts) = newest_ended(queue, ended)?;
    counts.extend(ended_counts);
    Ok(QueueOverview {
        queue: queue.root().to_owned(),
        now,
        jobs: views,
        unlisted,
        run_loop,
        ended: newest,
        resting: resting_engines(queue, settings, now),
        counts,
        strangers,
        is_untrusted: false,
        fleet: fleet_part(Some(queue), &settings.environment)
            .map_err(FleetProblem::from)
            .transpose(),
    })
}

/// The run loop of a queue, if one is at work.
///
/// # Errors
/// When its file cannot be read.
pub fn run_loop(queue: &QueueDir) -> Result<Option<RunLoop>> {
    let signature = read_values(&queue.daemon_pid())?;
    let Some(process) = loop_process(&signature).filter(ProcessId::is_alive) else {
        return Ok(None);
    };
    if !is_of(queue, &signature) {
        return Ok(None);
    }
    Ok(Some(RunLoop {
        pid: process.pid(),
        started_at: signature.time(LoopKey::StartedAt),
        max: signature.parsed(LoopKey::Max).unwrap_or(1),
        max_review: signature.parsed(LoopKey::MaxReview),
        ships: signature.get(LoopKey::Ship) == Some("true"),
    }))
}

/// Answers whether the loop of a signature works on this directory. A queue that was moved takes
/// the file of its loop along, and the loop is about to end.
fn is_of(queue: &QueueDir, signature: &KeyValues<LoopKey>) -> bool {
    let Some(named) = signature.get(LoopKey::Queue).map(Path::new) else { return true };
    if named == queue.root() {
        return true;
    }
    // The same directory may be seen under two paths.
    let identity = |path: &Path| folder_identity(path).ok().flatten();
    identity(named).is_some_and(|found| identity(queue.root()) == Some(found))
}

/// Why one job does not run, or what it does instead.
///
/// # Errors
/// When there is no such job, or the queue's folders cannot be read.
pub fn look_up(
    queue: &QueueDir,
    settings: &QueueSettings,
    id: &JobId,
    now: Timestamp,
) -> Result<JobView> {
    let stage = queue.expect(id)?;
    if stage.is_final() {
        return ended_view(queue, stage, id.clone());
    }
    let run_loop = run_loop(queue)?;
    let context = LookContext { queue, settings, run_loop: run_loop.as_ref(), now };
    if let Some(view) = single_look(context, stage, id)? {
        return Ok(view);
    }
    let found =
        overview(queue, settings, 0, now)?.jobs.into_iter().find(|job| job.record.id == *id);
    found.map_or_else(
        || {
            let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
            Ok(JobView::new(queue, record, JobActivity::Resting))
        },
        Ok,
    )
}

fn ended_view(queue: &QueueDir, stage: Stage, id: JobId) -> Result<JobView> {
    let record = JobRecord::read(queue, stage, id)?;
    let fault = record.fault(queue).map(|fault| JobActivity::Unusable(Box::new(fault)));
    Ok(JobView::new(queue, record, fault.unwrap_or(JobActivity::Resting)))
}

/// The jobs that ended last, and how many have ended in each way.
fn newest_ended(queue: &QueueDir, most: usize) -> Result<(Vec<JobView>, BTreeMap<Stage, usize>)> {
    let mut counts = BTreeMap::new();
    let mut found = Vec::new();
    for stage in Stage::ALL.into_iter().filter(|stage| stage.is_final()) {
        let ids = queue.jobs(stage)?;
        counts.insert(stage, ids.len());
        if most == 0 {
            continue;
        }
        for id in ids {
            // The time of the record's last change orders them without reading every one.
            let changed = queue.meta(&id).metadata().and_then(|about| about.modified());
            found.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), stage, id));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    let newest = found.into_iter().take(most).map(|(_, stage, id)| ended_view(queue, stage, id));
    let mut newest: Vec<JobView> = newest.collect::<Result<_>>()?;
    if newest.iter().any(|job| job.record.meta.is_empty()) {
        for line in spent_of_last(queue, SPENT_READ)? {
            let of_line = newest.iter_mut().filter(|job| job.record.id == line.id);
            of_line.for_each(|job| job.put_away(&line));
        }
    }
    Ok((newest, counts))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aq_scheduler::WaitReason;

    use super::*;
    use crate::run::{ProcessEnvironment, WorkProblem};
    use crate::store::testing::{TestQueue, id};

    fn look(queue: &TestQueue, ended: usize) -> QueueOverview {
        let settings = QueueSettings::load(queue, ProcessEnvironment::default()).unwrap();
        overview(queue, &settings, ended, Timestamp::now()).unwrap()
    }

    fn ids(jobs: &[JobView]) -> Vec<&str> {
        jobs.iter().map(|job| job.record.id.as_str()).collect()
    }

    #[test]
    fn overview_has_the_running_order() {
        let queue = TestQueue::new();
        queue.place("lost", Stage::Building, "x");
        queue.place("rests", Stage::Review, "x");
        let job = |front: &str| format!("---\nengine: shell\nlock: none\n{front}\n---\ntrue\n");
        queue
            .add(&[
                ("low", &job("priority: low")),
                ("waits", &job("deps: [nowhere]\npriority: critical")),
                ("first", &job("priority: high")),
                ("middle", &job("")),
            ])
            .unwrap();
        let found = look(&queue, 0);
        assert_eq!(ids(&found.jobs), ["lost", "first", "middle", "low", "waits", "rests"]);
        let activity = |at: usize| &found.jobs[at].activity;
        assert_eq!(*activity(0), JobActivity::Lost);
        assert_eq!(*activity(1), JobActivity::Waiting(None));
        assert_eq!(*activity(2), JobActivity::Waiting(Some(WaitReason::NoSlot { n: 1 })));
        assert!(matches!(activity(4), JobActivity::Waiting(Some(WaitReason::WaitingOn { .. }))));
        assert_eq!(found.counts[&Stage::Inbox], 4);
        assert_eq!(found.run_loop, None);
    }

    #[test]
    fn newest_ends_come_first() {
        let queue = TestQueue::new();
        for (age, name) in ["new", "old", "older"].into_iter().enumerate() {
            queue.place(name, Stage::Failed, "x");
            let meta = std::fs::File::options().append(true).open(queue.meta(&id(name))).unwrap();
            meta.set_modified(SystemTime::now() - Duration::from_secs(60 * age as u64)).unwrap();
        }
        let found = look(&queue, 2);
        assert_eq!(ids(&found.ended), ["new", "old"]);
        assert_eq!(found.counts[&Stage::Failed], 3);
        assert!(look(&queue, 0).ended.is_empty());
    }

    #[test]
    fn jobs_of_untrusted_queues_say_so() {
        let queue = TestQueue::new();
        queue.add(&[("a", "---\nengine: shell\n---\ntrue\n")]).unwrap();
        std::fs::write(queue.job_file(Stage::Inbox, &id("dropped")), "x").unwrap();
        queue.place("rests", Stage::Testing, "x");
        let mut found = look(&queue, 0);
        found.distrust();
        let why = format!("the queue is not trusted: aq trust {}", queue.root().display());
        let said: Vec<String> = (found.jobs.iter())
            .map(|job| match &job.activity {
                JobActivity::Waiting(Some(reason)) => reason.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(said, [why.as_str(), why.as_str(), "Resting"]);
    }

    #[test]
    fn unread_files_differ_from_waiting() {
        let queue = TestQueue::new();
        std::fs::write(queue.job_file(Stage::Inbox, &id("dropped")), "x").unwrap();
        std::fs::write(queue.stage(Stage::Inbox).join("no job.md"), "x").unwrap();
        let found = look(&queue, 0);
        assert_eq!(found.jobs[0].activity, JobActivity::Unread);
        assert_eq!(found.strangers, ["no job.md"]);
    }

    #[test]
    fn dead_loops_record_is_doubted() {
        let queue = TestQueue::new();
        // A process that was there at another start of the machine.
        let text = "pid=1\npidstart=1\nboot=00000000-0000-0000-0000-000000000000\nmax=3\n";
        std::fs::write(queue.daemon_pid(), text).unwrap();
        assert_eq!(run_loop(&queue).unwrap(), None);
    }

    #[test]
    fn checkouts_that_went_are_named() {
        let queue = TestQueue::new();
        for (name, stage) in [("gone", Stage::Review), ("saved", Stage::Testing)] {
            queue.place(name, stage, "x");
        }
        let gone = queue.base().join("elsewhere/gone");
        let note = |name: &str, text: String| {
            let path = queue.meta(&id(name));
            std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &text).unwrap();
        };
        note("gone", format!("checkout={}\nwip_branch=aq/wip/gone\n", gone.display()));
        note("saved", "checkpoint_error=no room\ncwd=/w\n".to_owned());
        let problem = |name: &str| {
            let jobs = look(&queue, 0).jobs;
            jobs.into_iter().find(|job| job.record.id == id(name)).unwrap().work_problem
        };
        let branch = "aq/wip/gone".to_owned();
        let expected = WorkProblem::CheckoutGone { dir: gone.clone(), branch };
        assert_eq!(problem("gone"), Some(expected));
        let not_saved = WorkProblem::NotSaved { why: "no room".into(), dir: Some("/w".into()) };
        assert_eq!(problem("saved"), Some(not_saved));
        std::fs::create_dir_all(&gone).unwrap();
        assert_eq!(problem("gone"), None);
    }

    #[test]
    fn one_job_is_looked_up_wherever_it_lies() {
        let queue = TestQueue::new();
        queue.place("shipped", Stage::Shipped, "x");
        queue.add(&[("waits", "---\nengine: shell\ncapabilities: [gpu]\n---\nx\n")]).unwrap();
        let settings = QueueSettings::load(&queue, ProcessEnvironment::default()).unwrap();
        let look = |name: &str| look_up(&queue, &settings, &id(name), Timestamp::now());
        assert_eq!(look("shipped").unwrap().activity, JobActivity::Resting);
        let JobActivity::Waiting(Some(WaitReason::Needs { requirements: missing })) =
            look("waits").unwrap().activity
        else {
            panic!("it cannot run here");
        };
        assert_eq!(missing[0].to_string(), "gpu");
        assert!(matches!(look("nobody"), Err(crate::store::StoreError::NoSuchJob(_))));
    }
}
