//! Adding a job from a page, as `aq add` does from a file.

use aq_manifest::JobId;
use aq_runner::run::add_context;
use aq_runner::run::place::require_trust;
use aq_runner::store::{DraftResult, JobDraft, add as put_in};
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::html;
use serde::Deserialize;

use super::error::PageError;
use super::guard::PageViewer;
use super::page::{self, DashboardPage};
use super::state::QueueDashboard;

/// The text of a new job before anybody has typed.
const EXAMPLE: &str = "---\nengine: shell\n---\necho hello\n";

#[derive(Debug, Deserialize)]
pub(super) struct JobForm {
    csrf: String,
    name: String,
    text: String,
}

/// `GET /add`
pub(super) async fn page(viewer: PageViewer) -> Response {
    form(&viewer, "", EXAMPLE, None).into_response()
}

fn form(viewer: &PageViewer, name: &str, text: &str, problem: Option<&str>) -> maud::Markup {
    let body = html! {
        main.narrow.wide {
            h1 { "Add a job" }
            @match &viewer.csrf {
                None => p { a href="/sign-in" { "Sign in" } " to add jobs." },
                Some(csrf) => {
                    p {
                        "What you would put into a file for "
                        code { "aq add" }
                        ": settings between the lines, then the prompt."
                    }
                    @if let Some(problem) = problem {
                        pre.problem.words role="alert" { (problem) }
                    }
                    form.stack method="post" action="/add" data-plain="" {
                        input type="hidden" name="csrf" value=(csrf);
                        label for="name" { "Name" }
                        input #name name="name" value=(name) required maxlength="200"
                            pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*"
                            title="Letters, digits, dots, dashes and underscores" autocomplete="off"
                                spellcheck="false";
                        label for="text" { "Job file" }
                        // The first newline after the tag is not part of the text.
                        textarea #text name="text" rows="20" required spellcheck="false" {
                            "\n" (text)
                        }
                        button { "Add" }
                    }
                }
            }
        }
    };
    page::page("Add a job", DashboardPage::Add, viewer, &[], &body)
}

/// `POST /add`
pub(super) async fn add(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Form(filled): Form<JobForm>,
) -> Response {
    if let Err(error) = viewer.may_act(&filled.csrf) {
        return error.into_response();
    }
    let JobForm { name, text, .. } = filled;
    // Browsers send the lines of a text with carriage returns.
    let text = text.replace("\r\n", "\n");
    let draft = (name.clone(), text.clone());
    let added = dashboard.blocking(move |dashboard| put(dashboard, &draft.0, draft.1)).await;
    match added {
        Ok(id) => {
            dashboard.feed.look_again();
            Redirect::to(&format!("/jobs/{id}")).into_response()
        }
        // What was typed is not lost.
        Err(error) => {
            (error.status(), form(&viewer, &name, &text, Some(&error.to_string()))).into_response()
        }
    }
}

fn put(dashboard: &QueueDashboard, name: &str, text: String) -> Result<JobId, PageError> {
    let id = JobId::new(name).map_err(crate::exit::CliFailure::usage)?;
    require_trust(&dashboard.queue, &dashboard.environment)?;
    // There is no directory that the person is in.
    let base = dashboard.base()?;
    let context = add_context(&dashboard.queue, &dashboard.environment, base, Timestamp::now());
    let draft = JobDraft::new(format!("{id}.md"), id, text);
    let report = put_in(&dashboard.queue, &[draft], &context)?;
    let first = report.added.first().map(DraftResult::id);
    first.cloned().ok_or_else(|| PageError::environment("nothing was added"))
}
