//! The checks of a job's work, to be read beside its changes.

use aq_ledger::RecordKey;
use aq_manifest::Stage;
use aq_runner::run::{JobActivity, JobView, last_check};
use aq_runner::store::{effective_values, log_until};
use maud::{Markup, html};

use super::ansi::{TextStyle, paint};
use super::log::span;
use super::visible::visible;
use crate::dashboard::error::PageError;
use crate::dashboard::moment::ago;
use crate::dashboard::state::QueueDashboard;

/// Bytes of the end of the log in which the output is looked for.
const PIECE: usize = 256 << 10;

/// Bytes of the end of the output that are shown.
const SHOWN: usize = 16 << 10;

/// A check of the work, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkCheck {
    Runs,
    Passed,
    /// It has refused the last attempt.
    Refused,
    /// The work was accepted without one.
    Skipped,
    /// It has not come to that.
    Pending,
}

impl WorkCheck {
    fn of(job: &JobView) -> Self {
        let meta = &job.record.meta;
        let is_refused = [RecordKey::Result, RecordKey::FailureClass]
            .into_iter()
            .any(|key| meta.get(key) == Some("verify_failed"));
        match (&job.activity, job.record.stage) {
            (JobActivity::Running { verifying: true, .. }, _) => Self::Runs,
            (_, Stage::Testing | Stage::Shipped) if job.record.verified() == Some(true) => {
                Self::Passed
            }
            (_, Stage::Testing | Stage::Shipped) => Self::Skipped,
            (_, Stage::Inbox | Stage::Failed | Stage::Quarantine) if is_refused => Self::Refused,
            _ => Self::Pending,
        }
    }
}

/// The panel beside the diff.
pub(super) fn checks(dashboard: &QueueDashboard, job: &JobView) -> Result<Markup, PageError> {
    let (queue, id) = (&dashboard.queue, &job.record.id);
    let meta = &job.record.meta;
    let verify = verify_of(dashboard, job);
    let check = WorkCheck::of(job);
    let has_run = matches!(check, WorkCheck::Runs | WorkCheck::Passed | WorkCheck::Refused);
    let log = if has_run { log_until(queue, id, None, PIECE)? } else { None };
    let log = log.map(|mut piece| {
        piece.bytes.append(&mut piece.open);
        piece.bytes
    });
    let scope = meta.list(RecordKey::ScopeWarning);
    Ok(html! {
        aside.checks aria-labelledby="checks" {
            h2 #checks { "Checks" }
            @if let Some(verify) = &verify { pre.words.prompt { (visible(verify)) } }
            p { (words(check, verify.is_some(), meta.get(RecordKey::Message).unwrap_or_default())) }
            @if check == WorkCheck::Passed && let Some(at) = meta.time(RecordKey::VerifiedAt) {
                p.faint { (ago(Some(at))) }
            }
            @if let Some(output) = log.as_deref().and_then(last_check) { (printed(output)) }
            @if !scope.is_empty() {
                p.warn { "Outside of " code { "allowed-scope" } ":" }
                ul { @for path in &scope { li { code { (visible(path)) } } } }
            }
        }
    })
}

/// The command that the job's file or its profile gives.
fn verify_of(dashboard: &QueueDashboard, job: &JobView) -> Option<String> {
    let id = &job.record.id;
    // It can move on between two looks.
    let stage = dashboard.queue.find(id).unwrap_or(job.record.stage);
    let source = dashboard.queue.read_job(stage, id).ok()?;
    let effective = effective_values(dashboard.queue.profiles(), &format!("{id}.md"), &source);
    let mut values = effective.ok()?.values.into_iter();
    values.find(|value| value.key == "verify").map(|value| value.value).filter(|v| !v.is_empty())
}

fn words(check: WorkCheck, has_verify: bool, message: &str) -> Markup {
    html! {
        @match (check, has_verify) {
            (WorkCheck::Runs, _) => span.busy { code { "verify" } " runs." },
            (WorkCheck::Passed, _) => span.good { code { "verify" } " has passed." },
            (WorkCheck::Refused, _) => {
                span.bad { code { "verify" } " has refused it" }
                @if !message.is_empty() { ": " (visible(message)) }
            }
            (WorkCheck::Skipped, _) => span.warn { "Not verified." },
            (WorkCheck::Pending, true) => span.faint {
                code { "verify" } " has not run on this work yet."
            },
            (WorkCheck::Pending, false) => {}
        }
        @if !has_verify &&
            !matches!(check, WorkCheck::Runs | WorkCheck::Passed | WorkCheck::Refused) {
            " There is no " code { "verify" } ", so nothing checks it."
        }
    }
}

fn printed(output: &[u8]) -> Markup {
    let start = output.len().saturating_sub(SHOWN);
    // From the start of a line, where there is one.
    let line =
        output[start..].iter().position(|&byte| byte == b'\n').map_or(start, |at| start + at + 1);
    let shown = if start == 0 { output } else { &output[line.min(output.len())..] };
    html! {
        @if output.is_empty() {
            p.faint { "It printed nothing." }
        } @else {
            @if shown.len() < output.len() { p.faint { "The end of what it printed:" } }
            pre.printed { @for run in &paint(shown, TextStyle::default()).runs { (span(run)) } }
        }
    }
}
