//! The content of a queue that a person trusts with it.

use std::fmt::{Display, Write};
use std::path::Path;

use aq_runner::run::QueueConfig;

use super::style::plain;

/// The content of a queue that decides about what is run.
#[derive(Debug)]
pub(crate) struct TrustedContent<'a, E> {
    /// Its directory.
    pub(crate) queue: &'a Path,
    /// Its settings, or what is wrong with them.
    pub(crate) config: Result<&'a QueueConfig, &'a E>,
    /// Jobs in the inbox.
    pub(crate) waiting: usize,
}

impl<E: Display> TrustedContent<'_, E> {
    /// A line for each program that the settings name, and one for the jobs.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("the queue {}", plain(&self.queue.display().to_string()));
        // Writing to a `String` cannot fail.
        let mut line = |text: String| {
            let _ = write!(out, "\n  {}", plain(&text));
        };
        match self.config {
            Ok(config) => {
                for (name, change) in &config.engines {
                    let program = change.bin.as_ref().or(change.like.as_ref()).unwrap_or(name);
                    let argv = change.argv.as_deref().unwrap_or_default().join(" ");
                    line(format!("engine {name}: runs {program} {argv}").trim_end().to_owned());
                }
                for tool in &config.tools {
                    line(format!("tool {}: runs {}", tool.name, tool.command.join(" ")));
                }
                if config.engines.is_empty() && config.tools.is_empty() {
                    line("config.yaml names no program of its own".to_owned());
                }
            }
            Err(problem) => line(format!("its settings cannot be read: {problem}")),
        }
        line(match self.waiting {
            0 => "no job waits in it".to_owned(),
            1 => "1 job waits in it: its prompt, `setup` and `verify` are run".to_owned(),
            n => format!("{n} jobs wait in it: their prompts, `setup` and `verify` are run"),
        });
        out
    }
}
