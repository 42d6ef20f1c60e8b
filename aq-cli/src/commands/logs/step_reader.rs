//! A log as steps, as it grows.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use aq_runner::run::{QueueSettings, StepFeed};

use super::each_piece;
use crate::output;

/// Reads a log and shows each step once.
pub(super) struct StepReader {
    settings: QueueSettings,
    engine: String,
    feed: StepFeed,
    /// Bytes of the log that were read.
    offset: u64,
    /// Of what is there already, only so many lines.
    tail: Option<usize>,
}

impl StepReader {
    pub(super) fn new(settings: QueueSettings, engine: String, tail: Option<usize>) -> Self {
        let feed = StepFeed::new(&settings.engines, &engine);
        Self { settings, engine, feed, offset: 0, tail }
    }

    /// Shows what is new. `more`: more may come, so a line without its end is not one yet.
    pub(super) fn show(&mut self, file: &mut File, more: bool) -> io::Result<()> {
        if file.metadata()?.len() < self.offset {
            // A shorter file is another one.
            self.feed = StepFeed::new(&self.settings.engines, &self.engine);
            self.offset = 0;
        }
        let mut sink = LineSink { tail: self.tail.take(), lines: VecDeque::new(), failed: None };
        let feed = &mut self.feed;
        self.offset = each_piece(file, self.offset, &mut |piece| {
            feed.feed(piece, &mut |news| sink.take(&output::steps::news(&news)));
            sink.failed.take().map_or(Ok(()), Err)
        })?;
        if !more {
            feed.end(&mut |news| sink.take(&output::steps::news(&news)));
        }
        sink.end()
    }
}

/// Prints lines at once, or keeps them until it is known which are the last.
struct LineSink {
    tail: Option<usize>,
    lines: VecDeque<String>,
    failed: Option<io::Error>,
}

impl LineSink {
    fn take(&mut self, text: &str) {
        let Some(most) = self.tail else {
            self.failed = self.failed.take().or(output::write_lines(text).err());
            return;
        };
        for line in text.lines() {
            self.lines.push_back(format!("{line}\n"));
            if self.lines.len() > most {
                self.lines.pop_front();
            }
        }
    }

    fn end(mut self) -> io::Result<()> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        self.lines.iter().try_for_each(|line| output::write_lines(line))
    }
}
