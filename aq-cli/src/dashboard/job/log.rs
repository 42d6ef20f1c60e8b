//! The log of a job, from its end backwards and as it grows.

use aq_runner::run::JobView;
use aq_runner::store::{LogPiece, archived_log, log_from, log_until};
use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::ansi::{TextStyle, paint};
use super::facts::{is_put_away, size};
use super::visible::visible;
use crate::dashboard::error::PageError;
use crate::dashboard::state::{QueueDashboard, job_id};

/// Bytes of the log in one answer.
const PIECE: usize = 128 << 10;

/// Which piece a page asks for: from a byte on, or what comes before one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::dashboard) struct LogQuery {
    from: Option<u64>,
    to: Option<u64>,
    /// The colours that the text before `from` leaves.
    look: String,
}

/// `GET /jobs/{id}/log?from=…` or `?to=…`
pub(in crate::dashboard) async fn piece(
    State(dashboard): State<QueueDashboard>,
    Path(id): Path<String>,
    Query(wanted): Query<LogQuery>,
) -> Result<Markup, PageError> {
    let id = job_id(&id)?;
    let work = move |dashboard: &QueueDashboard| {
        dashboard.queue.expect(&id)?;
        let piece = match wanted.from {
            Some(from) => log_from(&dashboard.queue, &id, from, PIECE)?,
            None => log_until(&dashboard.queue, &id, wanted.to, PIECE)?,
        };
        Ok(shown(&piece.unwrap_or_default(), TextStyle::of(&wanted.look)))
    };
    dashboard.blocking(work).await
}

/// The view: the last piece, or the one before a byte.
pub(super) fn log(
    dashboard: &QueueDashboard,
    job: &JobView,
    to: Option<u64>,
) -> Result<Markup, PageError> {
    let id = &job.record.id;
    let Some(piece) = log_until(&dashboard.queue, id, to, PIECE)? else {
        if let Some(put_away) = put_away(dashboard, job)? {
            return Ok(put_away);
        }
        return Ok(html! {
            div.log-box data-empty="" { p.faint.empty { "It has printed nothing yet." } }
        });
    };
    Ok(html! {
        div.bar {
            a.button.earlier href={ "?view=log&to=" (piece.from) } hidden[piece.from == 0] {
                "Earlier"
            }
            @if to.is_some() { a.button href="?view=log" { "To the end" } }
            label.follow hidden { input #follow type="checkbox" checked; " Follow" }
            span.faint.log-size { (size(piece.size)) }
            a href={ "/jobs/" (id) "/log.txt" } download { "Whole log" }
        }
        div.log-box tabindex="0" role="region" aria-label="Log" data-live[to.is_none()] {
            (shown(&piece, TextStyle::default()))
        }
    })
}

/// Where `clean` has put the log, in the words of `aq logs`; `None`: it has not.
pub(super) fn put_away(
    dashboard: &QueueDashboard,
    job: &JobView,
) -> Result<Option<Markup>, PageError> {
    let id = &job.record.id;
    let archived = archived_log(&dashboard.queue, id)?;
    if archived.is_none() && !is_put_away(&job.record) {
        return Ok(None);
    }
    Ok(Some(html! {
        p.empty.faint {
            code { "aq clean" } " has put the log of " (id) " away"
            @if let Some(archived) = &archived {
                ", to " (visible(&archived.display().to_string()))
            }
        }
    }))
}

fn shown(piece: &LogPiece, look: TextStyle) -> Markup {
    let painted = paint(&piece.bytes, look);
    let open = paint(&piece.open, painted.look);
    html! {
        div.piece data-from=(piece.from) data-to=(piece.to) data-size=(piece.size)
            data-look=(painted.look.classes()) {
            pre { @for run in &painted.runs { (span(run)) } }
            @if !open.runs.is_empty() { pre.open { @for run in &open.runs { (span(run)) } } }
        }
    }
}

pub(super) fn span(run: &super::ansi::StyledRun) -> Markup {
    let classes = run.look.classes();
    html! { @if classes.is_empty() { (run.text) } @else { span class=(classes) { (run.text) } } }
}
