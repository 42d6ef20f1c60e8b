//! A job as a card.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use aq_ledger::RecordKey;
use aq_manifest::{Stage, format_duration};
use aq_runner::run::{JobActivity, JobView};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::dashboard::bulk::selector;
use crate::dashboard::moment::{age, ago};
use crate::output::insights::dollars;
use crate::output::job::{
    git_step, lasting_reason, left_out, open_pull, pull_error, short_problem,
};
use crate::output::style::plain;

/// The longest remark, in characters: two lines show it, and more of it is behind the pointer.
const REMARK: usize = 300;

/// A job as a card. All cards are of one height, which the windows of the board rely on.
/// The box that selects it is beside it, for those who may act.
pub(super) fn card(job: &JobView, may_act: bool) -> Markup {
    let record = &job.record;
    let meta = &record.meta;
    let word = |key: RecordKey| meta.get(key).filter(|word| !word.is_empty());
    let engine = word(RecordKey::Engine).or_else(|| word(RecordKey::EngineWanted));
    let (kind, remark) = remark(job);
    html! {
        div.slot {
            a.card.(kind) href={ "/jobs/" (record.id) } data-job=(record.id) {
                span.name title=(record.id) { (record.id) }
                span.facts {
                    @if let Some(priority) =
                        word(RecordKey::Priority).filter(|&priority| priority != "medium") {
                        span.priority.(priority_class(priority)) { (plain(priority)) } " · "
                    }
                    (plain(engine.unwrap_or("-")))
                    @if let Some(profile) = word(RecordKey::Profile) { " · " (plain(profile)) }
                    @if job.max_tries() > 1 || job.tries() > 1 {
                        " · " span title="Attempts" {
                            (job.tries())
                            @if job.tries() <= job.max_tries() { "/" (job.max_tries()) }
                        }
                    }
                }
                span.remark title=(remark) { (remark) }
                span.foot {
                    span title="Cost of all attempts" {
                        @if job.cost_usd().is_some() { (cost(job)) }
                    }
                    (when(job))
                }
            }
            @if may_act { (selector(&record.id, record.stage)) }
        }
    }
}

/// For how long it has run, or how long ago it ended, or else was added.
fn when(job: &JobView) -> Markup {
    let (word, at) = since(job);
    html! {
        @if at.is_some() {
            span.when {
                (word) " "
                @if word == "for" { (age(at)) } @else { (ago(at)) }
            }
        }
    }
}

/// Everything that a card shows, except that time passes.
pub(super) fn digest(job: &JobView, hasher: &mut impl Hasher) {
    job.record.id.as_str().hash(hasher);
    let meta = &job.record.meta;
    for key in [RecordKey::Priority, RecordKey::Profile, RecordKey::Engine, RecordKey::EngineWanted]
    {
        meta.get(key).hash(hasher);
    }
    cost(job).hash(hasher);
    (job.tries(), job.max_tries()).hash(hasher);
    remark(job).hash(hasher);
    since(job).hash(hasher);
}

/// The cost of all its attempts.
fn cost(job: &JobView) -> String {
    let estimated = job.numbers.as_ref().is_some_and(|numbers| numbers.estimated);
    dollars(job.cost_usd(), if estimated { "~" } else { "" })
}

/// Only words of our own become names of classes.
fn priority_class(priority: &str) -> &'static str {
    match priority {
        "critical" => "critical",
        "high" => "high",
        "low" => "low",
        _ => "other",
    }
}

/// Returns the activity of the job, and its beginning.
fn since(job: &JobView) -> (&'static str, Option<Timestamp>) {
    match &job.activity {
        JobActivity::Running { since, .. } => ("for", *since),
        JobActivity::Resting => ("ended", job.record.meta.time(RecordKey::EndedAt)),
        _ => ("added", job.record.meta.time(RecordKey::AddedAt)),
    }
}

/// Returns what a person wants to know of it, why it waits or how it ended, with the look of that.
pub(in crate::dashboard) fn remark(job: &JobView) -> (&'static str, String) {
    let (kind, remark) = bare_remark(job);
    match &job.work_problem {
        Some(problem) => ("stalled", format!("{}; {remark}", short_problem(problem))),
        None => (kind, remark),
    }
}

fn bare_remark(job: &JobView) -> (&'static str, String) {
    match &job.activity {
        JobActivity::Waiting(None) => ("next", "next".to_owned()),
        // Without how long it is still: a card is drawn again only when something changes.
        JobActivity::Waiting(Some(reason)) => {
            ("waiting", clipped(&lasting_reason(reason, Timestamp::now())))
        }
        JobActivity::Unread => ("waiting", "a loop has not read it yet".to_owned()),
        JobActivity::Running { .. } if git_step(&job.record).is_some() => {
            let step = git_step(&job.record).unwrap_or_default();
            ("running", format!("{} takes long", plain(step)))
        }
        JobActivity::Running { stalled: Some(silent), .. } => {
            let minutes = Duration::from_secs(silent.as_secs() / 60 * 60);
            ("stalled", format!("stalled: silent for {}", format_duration(minutes)))
        }
        JobActivity::Running { .. } if job.record.stage == Stage::Testing => {
            ("running", "being merged".to_owned())
        }
        JobActivity::Running { verifying: true, .. } => ("running", "verify runs".to_owned()),
        JobActivity::Running { .. } => ("running", "running".to_owned()),
        JobActivity::Lost => ("stalled", "its worker died; `aq recover` puts it back".to_owned()),
        JobActivity::Unusable(fault) => {
            ("failed", clipped(&format!("its record cannot be used: {fault}")))
        }
        JobActivity::Resting => match job.record.stage {
            _ if left_out(&job.record).is_some() => {
                let names = left_out(&job.record).unwrap_or_default();
                ("review", clipped(&format!("not on its branch: {names}")))
            }
            Stage::Review => ("review", "waits for you".to_owned()),
            _ if pull_error(&job.record).is_some() => {
                ("review", clipped(pull_error(&job.record).unwrap_or_default()))
            }
            _ if open_pull(&job.record).is_some() => {
                let url = open_pull(&job.record).unwrap_or_default();
                ("waiting", clipped(&format!("waits for its pull request: {url}")))
            }
            Stage::Testing => match job.record.verified() {
                Some(true) => ("verified", "verified".to_owned()),
                Some(false) => ("unverified", "not verified".to_owned()),
                None => ("waiting", "waits to be shipped".to_owned()),
            },
            Stage::Shipped if job.record.verified() == Some(false) => {
                ("shipped unverified", "shipped, not verified".to_owned())
            }
            Stage::Shipped => ("shipped", "shipped".to_owned()),
            _ if job.record.meta.is_empty() => ("waiting", "its record is put away".to_owned()),
            _ => ("failed", clipped(&crate::output::job::result(&job.record))),
        },
    }
}

/// Text from outside, as much as a card has room for.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(REMARK) {
        Some((end, _)) => format!("{}…", plain(&text[..end])),
        None => plain(text),
    }
}
