//! Jobs with the reasons why they wait, as the scheduler's own code gives them.

use std::collections::HashMap;

use aq_manifest::{JobId, Stage};
use aq_scheduler::{EngineState, HostLimits};
use jiff::Timestamp;

use crate::run::engines::sightings::EngineSightings;
use crate::run::host::ProbePolicy;
use crate::run::host_capabilities;
use crate::run::queue::model::QueueModel;
use crate::run::queue::reading::read_host;
use crate::run::room::room_lack;
use crate::run::sandbox::cached_sandbox;
use crate::run::settings::QueueSettings;
use crate::run::view::job_view::{JobActivity, JobView};
use crate::run::view::overview::RunLoop;
use crate::run::view::read_jobs::{ReadContext, ReadView};
use crate::run::view::train_places::seat_jobs;
use crate::store::{QueueDir, Result};

/// The queue and the moment of a look.
#[derive(Clone, Copy)]
pub(super) struct LookContext<'a> {
    pub(super) queue: &'a QueueDir,
    pub(super) settings: &'a QueueSettings,
    /// The run loop that is at work.
    pub(super) run_loop: Option<&'a RunLoop>,
    pub(super) now: Timestamp,
}

/// Jobs that have not ended, with what the next plan makes of them.
pub(super) struct ExplainedJobs {
    /// Running jobs, then waiting ones in the order in which they will run, then the others.
    views: Vec<JobView>,
    /// Jobs that the plan starts.
    pub(super) started: Vec<JobId>,
    /// Jobs that it could start.
    pub(super) slots: usize,
    /// Some of them wait for each other.
    pub(super) has_circle: bool,
}

impl ExplainedJobs {
    /// The view of one of the jobs.
    pub(super) fn view(&self, id: &JobId) -> Option<&JobView> {
        self.views.iter().find(|view| view.record.id == *id)
    }

    /// As [`Self::view`].
    pub(super) fn into_view(self, id: &JobId) -> Option<JobView> {
        self.views.into_iter().find(|view| view.record.id == *id)
    }

    /// All views.
    pub(super) fn into_views(self) -> Vec<JobView> {
        self.views
    }
}

impl LookContext<'_> {
    /// Reads jobs and explains why they wait, as if there were no others.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn explained(self, jobs: Vec<(Stage, JobId)>) -> Result<ExplainedJobs> {
        let Self { queue, settings, run_loop, now } = self;
        let limits = self.limits();
        // A look starts nothing, least of all what a queue names that nobody trusts.
        let host = host_capabilities(
            Some(queue),
            settings,
            ProbePolicy::CachedOnly,
            cached_sandbox(queue),
        );
        let mut model = QueueModel::new(read_host(queue, settings, host.capabilities, limits, now));
        model.set_lack(room_lack(queue, settings));
        let missed = EngineSightings::read(queue).missed_by_loop(settings);
        // Its PATH may be another one.
        for (name, lack) in missed.into_iter().filter(|_| run_loop.is_some()) {
            model.set_engine(&name, EngineState::Absent { lack });
        }
        let unasked = &host.unasked;
        let read = ReadContext { queue, settings, model: &model, unasked, now }.read_all(jobs)?;
        let mut has_circle = false;
        let mut views = Vec::with_capacity(read.len());
        for ReadView { place, view, queued } in read {
            // A circle of dependencies that came by hand shows as waiting until the loop refuses
            // it.
            if let Some((job, state, ends)) = queued {
                has_circle |= model.insert(job, state, ends).is_err();
            }
            views.push((place, view));
        }
        seat_jobs(queue, settings, &mut views, now);
        let plan = model.plan(now);
        for (_, view) in &mut views {
            if let JobActivity::Waiting(reason @ None) = &mut view.activity {
                *reason = model.explain(&plan, &view.record.id);
            }
        }
        let turns: HashMap<&JobId, usize> =
            model.order().into_iter().enumerate().map(|(n, id)| (id, n)).collect();
        let turn = |view: &JobView| turns.get(&view.record.id).copied().unwrap_or(usize::MAX);
        views.sort_by_cached_key(|(place, view)| (*place, turn(view), view.record.id.clone()));
        let free = limits.max.saturating_sub(model.counts().running);
        Ok(ExplainedJobs {
            views: views.into_iter().map(|(_, view)| view).collect(),
            started: plan.start.into_iter().map(|start| start.job).collect(),
            slots: usize::try_from(free).unwrap_or(usize::MAX),
            has_circle,
        })
    }

    fn limits(self) -> HostLimits {
        let config = &self.settings.config;
        self.run_loop.map_or_else(
            || HostLimits { max: config.max.unwrap_or(1), max_review: config.max_review },
            |found| HostLimits { max: found.max, max_review: found.max_review },
        )
    }
}
