//! The head of a job's page: what it is, what it does, what can be done with it.

use aq_ledger::RecordKey;
use aq_manifest::Stage;
use aq_runner::run::{JobActivity, JobView, recorded_left_out};
use jiff::Timestamp;
use maud::{Markup, html};

use super::JobPageView;
use super::facts::has_steps;
use super::visible::visible;
use crate::dashboard::actions::{buttons, next_steps};
use crate::dashboard::error::PageError;
use crate::dashboard::guard::PageViewer;
use crate::dashboard::moment::{age, ago, at};
use crate::dashboard::page;
use crate::dashboard::state::QueueDashboard;
use crate::output::job::{builds_on, changed_deps, what, work_problem};

pub(super) fn head(
    dashboard: &QueueDashboard,
    job: &JobView,
    viewer: &PageViewer,
    shown: JobPageView,
) -> Result<Markup, PageError> {
    let has_steps = has_steps(dashboard, job)?;
    let views =
        JobPageView::ALL.into_iter().filter(|view| *view != JobPageView::Steps || has_steps);
    let record = &job.record;
    let meta = &record.meta;
    let word = |key: RecordKey| meta.get(key).map(visible);
    // What is still known when `clean` has put the record away.
    let put_away = job.numbers.as_ref().filter(|_| meta.is_empty());
    let engine = word(RecordKey::Engine).or_else(|| word(RecordKey::EngineWanted));
    let engine = engine.or_else(|| Some(visible(put_away?.engine.as_ref()?)));
    let profile = word(RecordKey::Profile).or_else(|| Some(visible(put_away?.profile.as_ref()?)));
    let now = Timestamp::now();
    let left = recorded_left_out(meta);
    let base = aq_runner::run::builds_on(&dashboard.queue, record)?;
    Ok(html! {
        div.title {
            h1 { (record.id) }
            span.stage.(kind(job)) { (record.stage) }
        }
        p.what.(kind(job)) { (page::with_code(&what(job, now))) }
        @if !left.is_empty() {
            section.left-out aria-label="Work that is not on the branch" {
                p { "Not on its branch:" }
                ul {
                    @for one in &left {
                        li { code { (visible(&one.what)) } " " (visible(&one.why)) }
                    }
                }
            }
        }
        @if let Some(base) = &base {
            p.faint { (visible(&builds_on(base))) }
            @for one in changed_deps(base) { p.notice.words { (visible(one.text())) } }
        }
        @if let Some(problem) = work_problem(job) { p.notice.words { (page::with_code(&problem)) } }
        dl.facts {
            @if let Some(priority) = word(RecordKey::Priority) {
                div { dt { "Priority" } dd { (priority) } }
            }
            @if let Some(engine) = engine {
                div {
                    dt { "Engine" }
                    dd { (engine) @if let Some(model) = word(RecordKey::Model) { " · " (model) } }
                }
            }
            @if let Some(profile) = profile { div { dt { "Profile" } dd { (profile) } } }
            @if let Some(attempts) = attempts(job) { div { dt { "Attempts" } dd { (attempts) } } }
            @if let Some(added) = meta.time(RecordKey::AddedAt) {
                div { dt { "Added" } dd { (at(Some(added))) } }
            }
            @match &job.activity {
                JobActivity::Running { since, .. } => div {
                    dt { "Runs for" } dd { (age(*since)) }
                },
                _ => @if let Some(ended) =
                    meta.time(RecordKey::EndedAt).or_else(|| put_away?.ended_at) {
                    div { dt { "Ended" } dd { (ago(Some(ended))) } }
                },
            }
            @if let Some(url) = word(RecordKey::PullRequest) {
                div { dt { "Pull request" } dd {
                    // A record may hold anything.
                    @if url.starts_with("https://") || url.starts_with("http://") {
                        a href=(url) rel="noreferrer" { (url) }
                    } @else { (url) }
                } }
            }
            @if let Some(tracker) = &job.tracker {
                div { dt { "Item" } dd {
                    (visible(&tracker.item))
                    @if tracker.waiting > 0 { " · " (tracker.waiting) " to be told" }
                    @if let Some(problem) = &tracker.problem {
                        " · " span.bad { (visible(problem)) }
                    }
                } }
            }
        }
        @match viewer.csrf {
            Some(_) => {
                (buttons(&record.id, record.stage, viewer))
                @if let Some(words) = next_steps(dashboard, &record.id, record.stage) {
                    p.faint.next-steps { (words) }
                }
            }
            None => p.faint.signed-out { a href="/sign-in" { "Sign in" } " to act on it." },
        }
        nav.tabs aria-label="Views of the job" {
            @for (at, view) in views.enumerate() {
                @let (path, title) = view.words();
                a href={ "/jobs/" (record.id) "?view=" (path) }
                    aria-current=[(view == shown).then_some("page")]
                    data-number=(at + 1) title=(at + 1) { (title) }
            }
        }
    })
}

/// The attempts that it has had, and may have as far as that is known.
fn attempts(job: &JobView) -> Option<String> {
    if job.record.meta.is_empty() {
        return Some(job.numbers.as_ref()?.attempts.to_string());
    }
    let (tries, most) = (job.tries(), job.max_tries());
    Some(if tries <= most { format!("{tries} of {most}") } else { tries.to_string() })
}

/// The look of its activity.
fn kind(job: &JobView) -> &'static str {
    match &job.activity {
        JobActivity::Running { stalled: Some(_), .. }
        | JobActivity::Lost
        | JobActivity::Unusable(_) => "is-bad",
        JobActivity::Running { .. } => "is-busy",
        JobActivity::Resting => match job.record.stage {
            Stage::Review => "is-waiting",
            Stage::Testing | Stage::Shipped if job.record.verified() == Some(false) => {
                "is-unverified"
            }
            Stage::Testing if job.record.verified().is_none() => "is-waiting",
            Stage::Testing | Stage::Shipped => "is-good",
            _ => "is-bad",
        },
        _ => "is-waiting",
    }
}
