//! The board: a column a stage, and in each the jobs that lie there.
//!
//! A column shows a window: the page asks for the cards that can be seen. What lives is a line of
//! counts and digests, sent when a look differs from the one before; the page then asks again for
//! the columns that changed. So ten thousand jobs cost a browser what thirty cost.

mod board_events;
mod card;
mod filter;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use aq_manifest::Stage;
use aq_runner::run::{JobView, QueueOverview};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::StreamExt;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_stream::wrappers::WatchStream;

use super::brief::count;
use super::bulk::{bar, can_be_selected};
use super::error::PageError;
use super::feed::{ENDED, Look};
use super::guard::PageViewer;
use super::live::live;
use super::page::{self, DashboardPage};
use super::state::QueueDashboard;
use crate::output::style::plain;
pub(super) use board_events::BoardEvents;
pub(super) use card::remark;
use card::{card, digest};
use filter::BoardFilter;

/// Cards in the first answer, and at most in any other.
const WINDOW: usize = 60;

/// Files in the inbox that are named one by one.
const STRANGERS: usize = 3;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BoardQuery {
    q: String,
    from: usize,
}

/// `GET /`
pub(super) async fn page(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Query(wanted): Query<BoardQuery>,
) -> Result<Markup, PageError> {
    let look = dashboard.feed.fresh().await;
    let (q, reader) = (wanted.q, viewer.clone());
    let body = dashboard.blocking(move |_| Ok(body(&look, &q, &reader))).await?;
    Ok(page::page("Board", DashboardPage::Board, &viewer, &["board.js"], &body))
}

fn body(look: &Look, words: &str, viewer: &PageViewer) -> Markup {
    let filter = BoardFilter::new(words);
    html! {
        main.board-page data-window=(WINDOW) {
            form.tools role="search" data-plain="" {
                input #filter type="search" name="q" value=(words)
                    placeholder="Filter: words, engine:codex, profile:…"
                    aria-label="Filter jobs" title="/" autocomplete="off" spellcheck="false";
                span.state #state { (state(look)) }
            }
            (bar(viewer))
            div #notices { (notices(look)) }
            div.columns {
                @for stage in Stage::ALL {
                    @let jobs =
                        look.as_ref().map_or_else(
                            |_| Vec::new(), |look| found(look, stage, &filter),
                        );
                    section.column data-stage=(stage.folder()) data-digest=(column_digest(&jobs))
                        aria-label=(stage.folder()) {
                        h2 { (stage.folder()) " " span.count { (jobs.len()) }
                            @if viewer.csrf.is_some() && can_be_selected(stage) {
                                " "
                                button.quiet.all type="button" hidden
                                    aria-label={ "Select all in " (stage.folder()) } {
                                    "all"
                                }
                            }
                        }
                        div.cards tabindex="-1" {
                            div.sized data-total=(jobs.len()) {
                                (window(&jobs, 0, viewer.csrf.is_some()))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `GET /board/{stage}?q=…&from=…`: a window of a column.
pub(super) async fn column(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Path(stage): Path<String>,
    Query(wanted): Query<BoardQuery>,
) -> Result<Markup, PageError> {
    let may_act = viewer.csrf.is_some();
    let stage = Stage::ALL.into_iter().find(|known| known.folder() == stage);
    let stage = stage.ok_or_else(|| PageError::not_found("there is no such folder"))?;
    let work = move |dashboard: &QueueDashboard| {
        let look = dashboard.feed.now();
        let look = (*look).as_ref().map_err(PageError::environment)?;
        let jobs = found(look, stage, &BoardFilter::new(&wanted.q));
        let from = wanted.from.min(jobs.len());
        Ok(html! {
            div.sized data-total=(jobs.len()) data-from=(from) data-digest=(column_digest(&jobs)) {
                (window(&jobs, from, may_act))
            }
        })
    };
    dashboard.blocking(work).await
}

/// `GET /board/events?q=…`: what each column holds, whenever that changes.
pub(super) async fn events(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Query(wanted): Query<BoardQuery>,
) -> Result<Response, PageError> {
    let filter: Arc<str> = wanted.q.into();
    let mut last = None;
    let looks = WatchStream::new(dashboard.feed.follow());
    let follower = dashboard.clone();
    let board_events = looks.then(move |look| {
        let (follower, filter) = (follower.clone(), Arc::clone(&filter));
        async move { follower.blocking(move |this| Ok(this.board_events.of(&look, &filter))).await }
    });
    let news = board_events.filter_map(move |board_event| {
        let news = board_event.ok().filter(|board_event| last.as_ref() != Some(board_event));
        let event = news.as_ref().map(|news| Event::default().event("board").data(&**news));
        last = news.or_else(|| last.take());
        std::future::ready(event)
    });
    live(&dashboard, viewer, news)
}

fn told(look: &Look, filter: &BoardFilter) -> Value {
    let mut columns = Map::new();
    if let Ok(overview) = look {
        for stage in Stage::ALL {
            let jobs = found(overview, stage, filter);
            let column = json!({ "total": jobs.len(), "digest": column_digest(&jobs) });
            columns.insert(stage.folder().to_owned(), column);
        }
    }
    json!({
        "columns": columns,
        "state": state(look).into_string(),
        "notices": notices(look).into_string(),
    })
}

/// The jobs of a column that a filter lets through, in the order of `aq status`.
fn found<'a>(overview: &'a QueueOverview, stage: Stage, filter: &BoardFilter) -> Vec<&'a JobView> {
    let jobs = if stage.is_final() { &overview.ended } else { &overview.jobs };
    let here = jobs.iter().filter(|job| job.record.stage == stage);
    here.filter(|job| filter.lets(job)).collect()
}

fn window(jobs: &[&JobView], from: usize, may_act: bool) -> Markup {
    html! { @for job in jobs.iter().skip(from).take(WINDOW) { (card(job, may_act)) } }
}

fn column_digest(jobs: &[&JobView]) -> String {
    let mut hasher = DefaultHasher::new();
    for job in jobs {
        digest(job, &mut hasher);
    }
    jobs.len().hash(&mut hasher);
    // As text: it is larger than the numbers of a script.
    format!("{:x}", hasher.finish())
}

/// The loop and the number of jobs, in a line.
fn state(look: &Look) -> Markup {
    let Ok(overview) = look else { return html! { span.bad { "cannot be read" } } };
    let total: usize = overview.counts.values().sum();
    html! {
        span.faint title=(overview.queue.display()) { (count(total, "job")) " · " }
        @match &overview.run_loop {
            Some(found) => span.good { "loop at work, " (found.max) " at a time" },
            None => span.faint { "no loop: " code { "aq run" } " starts one" },
        }
    }
}

/// Notices that a person should look at beside the jobs.
fn notices(look: &Look) -> Markup {
    let overview = match look {
        Ok(overview) => overview,
        Err(problem) => return html! { pre.problem.words role="alert" { (problem) } },
    };
    let ended: usize = Stage::ALL
        .into_iter()
        .filter(|stage| stage.is_final())
        .filter_map(|stage| overview.counts.get(&stage))
        .sum();
    html! {
        @for (engine, state) in &overview.resting {
            p.notice { (crate::output::status::engine_state(engine, state, overview.now)) }
        }
        @if let Some(Err(problem)) = &overview.fleet {
            p.notice { "fleet: " (plain(&problem.text)) }
        }
        @for stranger in overview.strangers.iter().take(STRANGERS) {
            p.notice.words {
                "inbox/" (plain(stranger)) " is left alone: its name cannot be a job's"
            }
        }
        @if overview.strangers.len() > STRANGERS {
            p.notice {
                "and " (overview.strangers.len() - STRANGERS)
                " other files in inbox/ whose names cannot be jobs'"
            }
        }
        @if ended > ENDED {
            p.notice.faint {
                "Of the " (ended) " jobs that have ended, the newest " (ENDED) " are here; "
                code { "aq status --all" }
                " has all."
            }
        }
    }
}
