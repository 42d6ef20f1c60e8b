//! The changes of a job, file by file.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aq_manifest::format_duration;
use aq_runner::checkpoint::{CheckpointError, DiffBounds, GitWatch};
use aq_runner::run::{JobView, WorkplaceError, bounded_diff};
use maud::{Markup, html};

use super::checks::checks;
use super::facts::size;
use super::patch::{FilePatch, LARGEST, files};
use super::visible::visible;
use crate::dashboard::brief::count;
use crate::dashboard::error::PageError;
use crate::dashboard::state::QueueDashboard;

/// Bytes of a diff that are read; the rest is left to `aq diff`.
const BYTES: usize = 1 << 20;
/// The time for one.
const TIME: Duration = Duration::from_secs(30);
/// The limits of git's work on it.
const BOUNDS: DiffBounds = DiffBounds { largest_file: LARGEST, memory: 1 << 30 };
/// Lines that are shown of one file, and of all.
const OF_EACH: usize = 5_000;
const OF_ALL: usize = 20_000;
/// A file with more lines is shown after a click.
const FOLDED: usize = 400;
/// Files that are shown.
const FILES: usize = 500;

/// The view, when it is the reader's turn. Git ends with his connection.
pub(super) async fn view(dashboard: &QueueDashboard, job: JobView) -> Result<Markup, PageError> {
    let reader = DiffWaiter::default();
    let has_left = Arc::clone(&reader.has_left);
    let watch = GitWatch::default().limited(Some(TIME));
    let watch = watch.stopped_by(Arc::new(move || has_left.load(Relaxed)), Duration::ZERO);
    let work = move |dashboard: &QueueDashboard| {
        let changes = diff(dashboard, &job, watch)?;
        Ok(html! { div.beside { div { (changes) } (checks(dashboard, &job)?) } })
    };
    dashboard.in_turn(&dashboard.diffs, work).await
}

/// Notes that nobody waits any more, when it is dropped with what was waited for.
#[derive(Default)]
struct DiffWaiter {
    has_left: Arc<AtomicBool>,
}

impl Drop for DiffWaiter {
    fn drop(&mut self) {
        self.has_left.store(true, Relaxed);
    }
}

fn diff(dashboard: &QueueDashboard, job: &JobView, watch: GitWatch) -> Result<Markup, PageError> {
    let id = &job.record.id;
    let mut patch = BoundedDiff { bytes: Vec::new(), is_cut: false };
    let mut is_late = false;
    match bounded_diff(&dashboard.queue, id, watch, BOUNDS, &mut patch) {
        Err(WorkplaceError::NoBranch(_)) => {
            return Ok(
                html! { p.empty.faint { "There is no diff: it has not run yet, or its directory \
                is in no git repository." } },
            );
        }
        Err(e @ WorkplaceError::PutAway { .. }) => {
            return Ok(html! { p.empty.faint { (visible(&e.to_string())) } });
        }
        // Git has noticed that nobody reads on.
        Err(_) if patch.is_cut => {}
        Err(WorkplaceError::Checkpoint(CheckpointError::TimedOut { .. })) => is_late = true,
        result => result?,
    }
    let mut found = files(&String::from_utf8_lossy(&patch.bytes), OF_EACH, OF_ALL);
    drop(std::mem::take(&mut patch.bytes));
    let number = found.len();
    found.truncate(FILES);
    if is_late && found.is_empty() {
        return Ok(html! { p.notice { (late()) code { "aq diff " (id) } " has it." } });
    }
    if found.is_empty() {
        return Ok(html! { p.empty.faint { "It has changed nothing." } });
    }
    let (added, removed) = (sum(&found, |file| file.added), sum(&found, |file| file.removed));
    Ok(html! {
        div.diff {
            p.bar {
                span { (count(number, "file")) }
                span.good { "+" (added) } span.bad { "−" (removed) }
                @if is_late {
                    span.warn { (late()) code { "aq diff " (id) } " has all." }
                } @else if patch.is_cut {
                    span.warn {
                        "The first " (size(BYTES as u64)) " only: "
                        code { "aq diff " (id) }
                        " has all."
                    }
                } @else if number > FILES {
                    span.warn {
                        "The first " (FILES) " files only: " code { "aq diff " (id) } " has all."
                    }
                }
            }
            details.files open[number <= 30] {
                summary { "Files" }
                ol { @for (at, file) in found.iter().enumerate() {
                    li { a href={ "#file-" (at) } { (visible(&file.name)) } " " (counts(file)) }
                } }
            }
            @for (at, file) in found.iter().enumerate() { (one(at, file)) }
        }
    })
}

fn late() -> String {
    format!("Git takes longer than {}: ", format_duration(TIME))
}

fn one(at: usize, file: &FilePatch) -> Markup {
    html! {
        details.file id={ "file-" (at) } open[file.lines() <= FOLDED] {
            summary {
                span.path { (visible(&file.name)) }
                @if file.what != "changed" { " " span.what { (file.what) } }
                " " (counts(file))
            }
            pre {
                @for block in &file.blocks {
                    span class=(block.kind.class()) { (visible(&block.text)) }
                }
            }
            @if file.left_out > 0 { p.faint { (count(file.left_out, "more line")) } }
        }
    }
}

fn counts(file: &FilePatch) -> Markup {
    html! { span.counts { span.good { "+" (file.added) } " " span.bad { "−" (file.removed) } } }
}

fn sum(files: &[FilePatch], count: fn(&FilePatch) -> usize) -> usize {
    files.iter().map(count).sum()
}

/// Takes what there is room for, and then no more.
struct BoundedDiff {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Write for BoundedDiff {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BYTES - self.bytes.len();
        if room < bytes.len() {
            self.bytes.extend_from_slice(&bytes[..room]);
            self.is_cut = true;
            return Err(io::Error::other("more than is shown"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
