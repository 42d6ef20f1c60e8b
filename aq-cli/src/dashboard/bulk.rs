//! One step of many jobs: those whose cards on the board are selected.

use aq_manifest::{JobId, Stage};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::json;

use super::actions::{JobAction, run_it};
use super::brief::count;
use super::document;
use super::error::PageError;
use super::guard::PageViewer;
use super::state::{QueueDashboard, job_id};

/// Jobs of one request; a page can show that many that have ended.
const MOST: usize = 1_000;

/// The steps that make sense for many at once.
const ACTIONS: [JobAction; 4] =
    [JobAction::Ship, JobAction::Merge, JobAction::Requeue, JobAction::Reject];

/// A form of the board as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct BulkForm {
    csrf: String,
    step: String,
    reason: String,
    jobs: Vec<String>,
}

impl BulkForm {
    fn parse(form: &[u8]) -> Self {
        let mut filled = Self::default();
        for (name, value) in form_urlencoded::parse(form) {
            let value = value.into_owned();
            match &*name {
                "csrf" => filled.csrf = value,
                "step" => filled.step = value,
                "reason" => filled.reason = value,
                "job" if !filled.jobs.contains(&value) => filled.jobs.push(value),
                _ => {}
            }
        }
        filled
    }
}

/// The outcome for one job, in words; of one that was refused with its name.
type Outcome = Result<String, (JobId, String)>;

/// The buttons for what is selected. Without a script they are there for what is checked.
pub(super) fn bar(viewer: &PageViewer) -> Markup {
    let Some(csrf) = &viewer.csrf else { return html! {} };
    html! {
        form #bulk .actions method="post" action="/jobs" {
            // Enter in the field of the reason presses the first button: none of those that act.
            button disabled hidden { }
            input type="hidden" name="csrf" value=(csrf);
            span #selected role="status" { "Selected:" }
            @for action in ACTIONS {
                @let (path, words) = action.words();
                @if action == JobAction::Reject {
                    input name="reason" placeholder="Reason" aria-label="Why they are rejected"
                        maxlength="1000";
                }
                button class=(path) name="step" value=(path) { (words) }
            }
            button type="reset" hidden { "Clear" }
        }
    }
}

/// The box that selects a job, where one of the steps can be done with it.
pub(super) fn selector(id: &JobId, stage: Stage) -> Markup {
    html! {
        @if can_be_selected(stage) {
            input type="checkbox" form="bulk" name="job" value=(id) aria-label={ "Select " (id) };
        }
    }
}

/// Tests for a folder in which one of the steps can be done with a job.
pub(super) fn can_be_selected(stage: Stage) -> bool {
    ACTIONS.into_iter().any(|action| action.fits(stage))
}

/// `POST /jobs`
pub(super) async fn act(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    form: Bytes,
) -> Response {
    match try_to(&dashboard, &viewer, &form).await {
        Ok(outcomes) => {
            dashboard.feed.look_again();
            answer(&viewer, &outcomes)
        }
        Err(error) if viewer.is_script => error.into_json(),
        Err(error) => error.into_response(),
    }
}

async fn try_to(
    dashboard: &QueueDashboard,
    viewer: &PageViewer,
    form: &[u8],
) -> Result<Vec<Outcome>, PageError> {
    let filled = BulkForm::parse(form);
    viewer.may_act(&filled.csrf)?;
    let wrong = |words: &str| PageError::new(StatusCode::BAD_REQUEST, words);
    let action = ACTIONS.into_iter().find(|action| action.words().0 == filled.step);
    let action = action.ok_or_else(|| wrong("this cannot be done with many jobs"))?;
    if filled.jobs.is_empty() {
        return Err(wrong("select jobs first"));
    }
    if filled.jobs.len() > MOST {
        return Err(wrong("select fewer jobs: at most 1000 go at once"));
    }
    let jobs: Vec<JobId> = filled.jobs.iter().map(|job| job_id(job)).collect::<Result<_, _>>()?;
    // One that cannot go does not stop the next.
    let work = move |dashboard: &QueueDashboard| {
        let outcome = |id| {
            run_it(dashboard, id, action, &filled.reason)
                .map_err(|error| (JobId::clone(id), format!("{id}: {error}")))
        };
        Ok(jobs.iter().map(outcome).collect())
    };
    dashboard.blocking(work).await
}

fn answer(viewer: &PageViewer, outcomes: &[Outcome]) -> Response {
    let refused: Vec<&(JobId, String)> =
        outcomes.iter().filter_map(|one| one.as_ref().err()).collect();
    let done = outcomes.len() - refused.len();
    let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    if viewer.is_script {
        let mut lines: Vec<String> = refused.iter().map(|(_, text)| text.clone()).collect();
        match outcomes {
            [Ok(message)] => lines.push(message.clone()),
            _ => lines.insert(0, format!("done with {done} of {}", count(outcomes.len(), "job"))),
        }
        let ids: Vec<&str> = refused.iter().map(|(id, _)| id.as_str()).collect();
        return (status, Json(json!({ "message": lines.join("\n"), "refused": ids })))
            .into_response();
    }
    if refused.is_empty() {
        return Redirect::to("/").into_response();
    }
    let body = html! {
        main.narrow {
            h1 { "Done with " (done) " of " (count(outcomes.len(), "job")) }
            ul { @for (_, text) in &refused { li.words { (text) } } }
            p { a href="/" { "To the board" } }
        }
    };
    (status, document::bare("Not all was done", &body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_named_twice_goes_once() {
        let filled = BulkForm::parse(b"job=a&csrf=c&job=b&job=a&step=ship&other=x&reason=not+so");
        let jobs = vec!["a".to_owned(), "b".to_owned()];
        let [csrf, step, reason] = ["c", "ship", "not so"].map(str::to_owned);
        assert_eq!(filled, BulkForm { csrf, step, reason, jobs });
    }
}
