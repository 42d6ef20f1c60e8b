//! The output of `aq run` while it runs: a line for each job that ends, and on a terminal a line
//! that is redrawn.

use std::io::{IsTerminal, Write};

use aq_ledger::RecordKey;
use aq_manifest::Stage;
use aq_runner::run::{LoopProgress, LoopSummary, RunOptions};
use aq_runner::store::{JobRecord, QueueDir};
use aq_scheduler::QueueCounts;

use super::job::result;
use super::line;
use super::style::{self, paint};

/// Prints what a loop does.
#[derive(Debug)]
pub(crate) struct ProgressReporter {
    quiet: bool,
    redraws: bool,
    once: bool,
    greeting: Option<String>,
    ended: u32,
    failed: u32,
}

impl ProgressReporter {
    pub(crate) fn new(queue: &QueueDir, options: &RunOptions, quiet: bool) -> Self {
        let redraws = !quiet && std::io::stderr().is_terminal();
        let greeting = format!(
            "running jobs of {}, {} at a time; Ctrl-C ends the loop",
            queue.root().display(),
            options.max
        );
        let greeting = Some(greeting).filter(|_| !quiet && !options.once);
        Self { quiet, redraws, once: options.once, greeting, ended: 0, failed: 0 }
    }

    pub(crate) fn tell(&mut self, progress: &LoopProgress<'_>) {
        // Not before something happens: the loop may be refused.
        if let Some(greeting) = self.greeting.take() {
            line(greeting);
        }
        match progress {
            LoopProgress::Started { id, engine } if !self.quiet && !self.once => {
                self.print(format_args!("{} {id} starts with {engine}", paint(style::BUSY, "▶")));
            }
            LoopProgress::Ended { id, stage, record } => {
                self.ended += u32::from(*stage != Stage::Inbox);
                self.failed += u32::from(*stage == Stage::Failed);
                if !self.quiet {
                    self.print(format_args!("{} {id}  {}", mark(*stage), ended(*stage, record)));
                }
            }
            LoopProgress::Merged { id, stage, record } => {
                self.failed += u32::from(*stage == Stage::Failed);
                if !self.quiet {
                    let what = merged(*stage, record);
                    self.print(format_args!("{} {id}  {what}", mark(*stage)));
                }
            }
            LoopProgress::Refused { id, why } => {
                self.ended += 1;
                self.failed += 1;
                if !self.quiet {
                    self.print(format_args!(
                        "{} {id}  failed: {}",
                        paint(style::BAD, "✗"),
                        style::plain(why)
                    ));
                }
            }
            LoopProgress::PullRequest { id, url } => {
                let once = if self.once { ", which this run does not wait for" } else { "" };
                if !self.quiet {
                    let url = style::plain(url);
                    self.print(format_args!("{id}  waits for its pull request{once}: {url}"));
                }
            }
            LoopProgress::Trouble(what) => {
                self.clear();
                super::warning(&format!(
                    "{}: {}",
                    paint(style::ATTENTION, "warning"),
                    style::plain(what)
                ));
            }
            LoopProgress::Fleet(what) if !self.quiet => {
                self.print(format_args!("{}", style::plain(what)));
            }
            LoopProgress::Idle(counts) => self.draw(*counts),
            _ => {}
        }
    }

    /// Prints the rest when the loop has ended.
    pub(crate) fn end(&self, summary: &LoopSummary) {
        self.clear();
        if self.quiet {
            return;
        }
        if summary.signal.is_some() {
            line(match summary.left_running {
                0 => "the loop has ended; no agent is at work".to_owned(),
                1 => "the loop has ended; 1 agent goes on, and the next `aq run` takes it up again"
                    .to_owned(),
                n => format!(
                    "the loop has ended; {n} agents go on, and the next `aq run` takes them up \
                    again"
                ),
            });
        } else if self.ended == 0 {
            line("nothing to run; `aq status` shows what waits for what");
        } else {
            let well = self.ended - self.failed;
            let failed = match self.failed {
                0 => String::new(),
                n => format!(", {}", paint(style::BAD, format_args!("{n} failed"))),
            };
            let waiting = match summary.waiting {
                0 => String::new(),
                n => format!(", {n} waiting (`aq status` says for what)"),
            };
            line(format_args!("{well} done{failed}{waiting}"));
        }
    }

    fn print(&self, text: std::fmt::Arguments<'_>) {
        self.clear();
        line(text);
    }

    fn clear(&self) {
        if self.redraws {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }

    fn draw(&self, counts: QueueCounts) {
        if !self.redraws {
            return;
        }
        let total = u64::from(self.ended) + u64::from(counts.waiting) + u64::from(counts.running);
        let failed =
            if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let text = format!(
            "{} of {total} done{failed}; {} running, {} waiting",
            self.ended, counts.running, counts.waiting
        );
        let mut err = anstream::stderr();
        let _ = write!(err, "\r\x1b[K{}", paint(style::FAINT, text)).and_then(|()| err.flush());
    }
}

fn mark(stage: Stage) -> String {
    match stage {
        Stage::Failed | Stage::Quarantine => paint(style::BAD, "✗"),
        Stage::Inbox => paint(style::ATTENTION, "↻"),
        Stage::Review => paint(style::ATTENTION, "?"),
        _ => paint(style::GOOD, "✓"),
    }
}

/// The end of a merge.
fn merged(stage: Stage, record: &JobRecord) -> String {
    match record.merged_into() {
        Some(into) if stage == Stage::Shipped => {
            format!("merged into {} and shipped", style::plain(&into))
        }
        _ => ended(stage, record),
    }
}

fn ended(stage: Stage, record: &JobRecord) -> String {
    match stage {
        Stage::Inbox => {
            let why = record.meta.get(RecordKey::Message);
            let why = why.map_or(String::new(), |why| format!(": {}", style::plain(why)));
            format!("back to the inbox{why}")
        }
        Stage::Review => "waits for review".to_owned(),
        Stage::Failed => result(record),
        Stage::Shipped if record.verified() == Some(false) => {
            format!("shipped, {}", paint(style::ATTENTION, "not verified"))
        }
        _ => stage.to_string(),
    }
}
