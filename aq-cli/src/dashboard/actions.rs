//! The actions of a person on a job: the same calls as `aq promote`, `ship`, `reply`, `reject`,
//! `requeue` and `stop`.

use aq_manifest::{JobId, ShipMode, Stage};
use aq_runner::run;
use aq_runner::run::QueueSettings;
use aq_runner::run::place::require_trust;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::error::PageError;
use super::guard::PageViewer;
use super::state::{QueueDashboard, job_id};
use crate::commands::by_the_train;
use crate::exit::CliFailure;
use crate::output::job::pulled;

/// One step of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum JobAction {
    Promote,
    Ship,
    /// Into the branch that the job started from.
    Merge,
    /// Words for its agent, which goes on with it.
    Reply,
    Reject,
    /// From the end of its last attempt, as `aq requeue --resume`.
    Resume,
    Requeue,
    Stop,
}

impl JobAction {
    const ALL: [Self; 8] = [
        Self::Promote,
        Self::Ship,
        Self::Merge,
        Self::Reject,
        Self::Resume,
        Self::Requeue,
        Self::Stop,
        Self::Reply,
    ];

    /// Tests for a folder whose jobs it can be done with.
    pub(super) fn fits(self, stage: Stage) -> bool {
        match self {
            Self::Promote | Self::Ship | Self::Merge | Self::Reject => {
                matches!(stage, Stage::Review | Stage::Testing)
            }
            Self::Resume | Self::Requeue => matches!(stage, Stage::Failed | Stage::Quarantine),
            Self::Reply => !matches!(stage, Stage::Shipped | Stage::Quarantine),
            Self::Stop => stage == Stage::Building,
        }
    }

    /// Its part of the path, and what the button says.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Promote => ("promote", "Promote"),
            Self::Ship => ("ship", "Ship"),
            Self::Merge => ("merge", "Merge and ship"),
            Self::Reply => ("reply", "Reply"),
            Self::Reject => ("reject", "Reject"),
            Self::Resume => ("resume", "Go on"),
            Self::Requeue => ("requeue", "Requeue"),
            Self::Stop => ("stop", "Stop"),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ActionForm {
    csrf: String,
    #[serde(default)]
    reason: String,
}

/// The buttons of a job, for those who may press them.
pub(super) fn buttons(id: &JobId, stage: Stage, viewer: &PageViewer) -> Markup {
    let Some(csrf) = &viewer.csrf else { return html! {} };
    html! {
        div.actions {
            @for action in JobAction::ALL.into_iter().filter(|action| action.fits(stage)) {
                @let (path, words) = action.words();
                form method="post" action={ "/jobs/" (id) "/" (path) } {
                    input type="hidden" name="csrf" value=(csrf);
                    @if action == JobAction::Reject {
                        input name="reason" placeholder="Reason" aria-label="Why it is rejected"
                            maxlength="1000";
                    }
                    @if action == JobAction::Reply {
                        textarea name="reason" rows="1" maxlength="60000" required
                            placeholder="What its agent should do" aria-label="Words for its agent"
                            {}
                    }
                    button class=(path) { (words) }
                }
            }
        }
    }
}

/// `POST /jobs/{id}/{action}`
pub(super) async fn act(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Path((id, action)): Path<(String, JobAction)>,
    Form(filled): Form<ActionForm>,
) -> Response {
    let done = try_to(&dashboard, &viewer, &id, action, filled).await;
    dashboard.feed.look_again();
    match done {
        Ok(message) if viewer.is_script => Json(json!({ "message": message })).into_response(),
        Ok(_) => Redirect::to(&format!("/jobs/{id}")).into_response(),
        Err(error) if viewer.is_script => error.into_json(),
        Err(error) => error.into_response(),
    }
}

/// Answers what was done.
async fn try_to(
    dashboard: &QueueDashboard,
    viewer: &PageViewer,
    id: &str,
    action: JobAction,
    filled: ActionForm,
) -> Result<String, PageError> {
    viewer.may_act(&filled.csrf)?;
    let id = job_id(id)?;
    dashboard.blocking(move |dashboard| run_it(dashboard, &id, action, &filled.reason)).await
}

/// The way in which a job is shipped, also by a config that was correct last.
fn way_of(dashboard: &QueueDashboard, id: &JobId) -> Result<(ShipMode, QueueSettings), CliFailure> {
    let loaded = QueueSettings::load_or_last(&dashboard.queue, dashboard.environment.clone());
    let (settings, _) = loaded.map_err(CliFailure::usage)?;
    Ok((run::way_to_ship(&dashboard.queue, &settings, id)?, settings))
}

/// The next steps of a job that may be shipped, for people; `None` for another one, and where that
/// is not known.
pub(super) fn next_steps(
    dashboard: &QueueDashboard,
    id: &JobId,
    stage: Stage,
) -> Option<&'static str> {
    if !JobAction::Ship.fits(stage) {
        return None;
    }
    Some(match (way_of(dashboard, id).ok()?.0, stage) {
        (ShipMode::Accept, Stage::Review) => {
            "Promote runs its verify; Ship accepts the work and leaves the branch as it is."
        }
        (ShipMode::Accept, _) => "Promote and Ship accept the work and leave the branch as it is.",
        (ShipMode::Merge, Stage::Review) => {
            "Promote runs its verify; Ship has the merge train check it on its target and merge \
             it, or send it back to its agent."
        }
        (ShipMode::Merge, _) => {
            "Promote and Ship have the merge train check it on its target and merge it, or send it \
             back to its agent."
        }
        (ShipMode::Pr, Stage::Review) => {
            "Promote runs its verify; Ship pushes the branch and opens a pull request."
        }
        (ShipMode::Pr, _) => "Promote and Ship push the branch and open a pull request.",
    })
}

/// Ships a job as its file or the config says, where its next step is that. `None` where it is
/// another one, or the work is only to be accepted.
fn by_its_way(
    dashboard: &QueueDashboard,
    id: &JobId,
    action: JobAction,
) -> Result<Option<String>, CliFailure> {
    let (queue, now) = (&dashboard.queue, Timestamp::now());
    let is_next = match (action, queue.find(id)) {
        (JobAction::Ship, _) => true,
        (JobAction::Promote, stage) => stage == Some(Stage::Testing),
        _ => false,
    };
    if !is_next {
        return Ok(None);
    }
    Ok(match way_of(dashboard, id)? {
        (ShipMode::Accept, _) => None,
        (ShipMode::Pr, settings) => {
            Some(pulled(id, &run::ship_by_pull(queue, &settings, id, false, now)?))
        }
        (ShipMode::Merge, _) => {
            let worker = &dashboard.worker;
            let end = run::ship_by_train(queue, &dashboard.environment, id, worker, now)?;
            Some(by_the_train(id, &end)?)
        }
    })
}

/// Does it.
pub(super) fn run_it(
    dashboard: &QueueDashboard,
    id: &JobId,
    action: JobAction,
    reason: &str,
) -> Result<String, PageError> {
    let (queue, environment, now) = (&dashboard.queue, &dashboard.environment, Timestamp::now());
    require_trust(queue, environment)?;
    if let Some(done) = by_its_way(dashboard, id, action)? {
        return Ok(done);
    }
    Ok(match action {
        JobAction::Promote => {
            let stage = run::promote(queue, environment, id, &dashboard.worker, now)?;
            format!("{id} is in {stage}/")
        }
        JobAction::Ship => {
            run::ship(queue, environment, id, false, now)?;
            format!("{id} is shipped")
        }
        JobAction::Merge => {
            let settings = dashboard.settings()?;
            let merged = run::ship_merged(queue, &settings, id, false, now)?;
            let at = merged.remote.map_or(String::new(), |remote| format!(" of {remote}"));
            format!("{id} is merged into {}{at} and shipped", merged.into)
        }
        JobAction::Reject => {
            run::reject(queue, id, Some(reason.trim()).filter(|reason| !reason.is_empty()), now)?;
            format!("{id} is rejected")
        }
        JobAction::Reply => {
            let replied = run::reply(queue, id, reason).map_err(|e| CliFailure::of_reply(id, e))?;
            crate::output::job::replied(id, replied)
        }
        JobAction::Resume => {
            run::resume(queue, id, true)?;
            format!("{id} is back in the inbox; it goes on where it ended")
        }
        JobAction::Requeue => {
            // The button of a job in quarantine/ is the force of the command.
            run::requeue(queue, id, true)?;
            format!("{id} is back in the inbox")
        }
        JobAction::Stop => {
            crate::output::job::stopped(id, &run::stop(queue, environment, id, now)?)
        }
    })
}
