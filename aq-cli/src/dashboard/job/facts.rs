//! Facts of a job that several views show, and its whole record.

use aq_ledger::RecordKey;
use aq_runner::run::JobView;
use aq_runner::store::JobRecord;
use maud::{Markup, html};

use super::visible::visible;
use crate::dashboard::error::PageError;
use crate::dashboard::state::QueueDashboard;

/// The engine that runs it, ran it last, or is wanted.
pub(super) fn engine_of(job: &JobView) -> Option<String> {
    let meta = &job.record.meta;
    meta.get(RecordKey::Engine).or_else(|| meta.get(RecordKey::EngineWanted)).map(str::to_owned)
}

/// Tests for a job whose engine's output can be read as steps.
pub(super) fn has_steps(dashboard: &QueueDashboard, job: &JobView) -> Result<bool, PageError> {
    let engines = dashboard.settings()?.engines;
    Ok(engine_of(job).is_some_and(|engine| engines.has_steps(&engine)))
}

/// Tests for a record that `clean` has put away.
pub(super) fn is_put_away(record: &JobRecord) -> bool {
    record.stage.is_final() && record.meta.is_empty()
}

/// A size as people read it: `980 B`, `1.2 MB`.
#[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// The view: everything that is recorded.
pub(super) fn record(job: &JobView) -> Markup {
    let meta = &job.record.meta;
    html! {
        @if meta.is_empty() {
            p.empty.faint {
                @if is_put_away(&job.record) { code { "aq clean" } " has put its record away." }
                @else { "Nothing is recorded: it was dropped in by hand." }
            }
        } @else {
            div.wide-table { table.record {
                thead { tr { th scope="col" { "Key" } th scope="col" { "Value" } } }
                tbody { @for (key, value) in meta.iter() {
                    tr { th scope="row" { (visible(key)) } td.words { (visible(value)) } }
                } }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_rounded() {
        assert_eq!(
            [980, 1_234, 52_428_800, 5_000_000_000].map(size),
            ["980 B", "1.2 kB", "52.4 MB", "5.0 GB"]
        );
    }
}
