//! The page of one job: its state, its prompt, the work of its agent, and the result.
//!
//! A page has views, each with a path of its own. Whatever a job wrote, a view is bounded: logs and
//! steps are shown from their end and go back a piece at a time, diffs are cut.

mod ansi;
mod checks;
mod diff;
mod facts;
mod files;
mod head;
mod live;
mod log;
mod overview;
mod patch;
mod steps;
mod visible;

use aq_manifest::JobId;
use aq_runner::run::place::require_trust;
use aq_runner::run::{JobView, job_numbers, look_up};
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::error::PageError;
use super::guard::PageViewer;
use super::page::{self, DashboardPage};
use super::state::{QueueDashboard, job_id};

use facts::is_put_away;
pub(super) use files::{artifact, whole_log};
pub(super) use live::events;
pub(super) use log::piece as log_piece;

/// The views of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum JobPageView {
    #[default]
    Overview,
    Steps,
    Log,
    Diff,
    Record,
}

impl JobPageView {
    const ALL: [Self; 5] = [Self::Overview, Self::Steps, Self::Log, Self::Diff, Self::Record];

    /// Its part of the path, and its title.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("overview", "Overview"),
            Self::Steps => ("steps", "Steps"),
            Self::Log => ("log", "Log"),
            Self::Diff => ("diff", "Diff"),
            Self::Record => ("record", "Record"),
        }
    }
}

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobPageQuery {
    view: JobPageView,
    /// Up to which byte of the log; `None`: to its end.
    to: Option<u64>,
}

/// `GET /jobs/{id}?view=…`
pub(super) async fn page(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Path(id): Path<String>,
    Query(wanted): Query<JobPageQuery>,
) -> Result<Markup, PageError> {
    let id = job_id(&id)?;
    let job = find(&dashboard, &id).await?;
    let head = head::head(&dashboard, &job, &viewer, wanted.view)?;
    let digest = live::digest(&job);
    let shown = wanted.view;
    let content = content(&dashboard, job, wanted).await?;
    let body = html! {
        main.job-page data-job=(id) data-digest=(digest) data-view=(shown.words().0) {
            div #head { (head) }
            div #view { (content) }
        }
    };
    Ok(page::page(id.as_str(), DashboardPage::Job, &viewer, &["job.css", "job.js"], &body))
}

/// `GET /jobs/{id}/head?view=…`: the part above a view, which changes with the job.
pub(super) async fn head(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Path(id): Path<String>,
    Query(wanted): Query<JobPageQuery>,
) -> Result<Markup, PageError> {
    let job = find(&dashboard, &job_id(&id)?).await?;
    head::head(&dashboard, &job, &viewer, wanted.view)
}

/// `GET /jobs/{id}/view?view=…`: a view without the page around it.
pub(super) async fn view(
    State(dashboard): State<QueueDashboard>,
    Path(id): Path<String>,
    Query(wanted): Query<JobPageQuery>,
) -> Result<Markup, PageError> {
    let job = find(&dashboard, &job_id(&id)?).await?;
    content(&dashboard, job, wanted).await
}

async fn content(
    dashboard: &QueueDashboard,
    job: JobView,
    wanted: JobPageQuery,
) -> Result<Markup, PageError> {
    let to = wanted.to;
    match wanted.view {
        JobPageView::Overview => {
            dashboard.blocking(move |this| overview::overview(this, &job)).await
        }
        JobPageView::Steps => {
            let work = move |this: &QueueDashboard| steps::steps(this, &job, to);
            dashboard.in_turn(&dashboard.costly, work).await
        }
        JobPageView::Log => dashboard.blocking(move |this| log::log(this, &job, to)).await,
        JobPageView::Diff => diff::view(dashboard, job).await,
        JobPageView::Record => dashboard.blocking(move |_| Ok(facts::record(&job))).await,
    }
}

/// The job as it is now.
async fn find(dashboard: &QueueDashboard, id: &JobId) -> Result<JobView, PageError> {
    // Of one that has ended the record says all; why another one waits, only a look at all of them.
    if !dashboard.queue.expect(id)?.is_final()
        && let Ok(look) = &*dashboard.feed.fresh().await
        && let Some(job) = look.jobs.iter().find(|job| job.record.id == *id)
    {
        return Ok(job.clone());
    }
    let id = id.clone();
    dashboard
        .blocking(move |dashboard| {
            let settings = dashboard.settings()?;
            let mut job = look_up(&dashboard.queue, &settings, &id, Timestamp::now())?;
            if require_trust(&dashboard.queue, &dashboard.environment).is_err() {
                job.distrust(dashboard.queue.root());
            }
            if is_put_away(&job.record) {
                job.numbers = Some(job_numbers(&dashboard.queue, &id)?);
            }
            Ok(job)
        })
        .await
}
