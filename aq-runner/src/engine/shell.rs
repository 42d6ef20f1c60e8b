//! The job's body as a shell script: for glue steps, examples and tests.

use super::definition::{Definition, PromptBy, words};
use super::records::Format;

/// In no class: a prompt for an agent must never be run as a script by chance.
pub(super) fn definition() -> Definition {
    Definition {
        argv: words(&["{prompt_file}", "{args}"]),
        prompt: PromptBy::Script,
        output: &FORMAT,
        ..Definition::named("/bin/sh")
    }
}

/// The exit code alone: what a script prints is the job's own text.
pub(super) static FORMAT: Format =
    Format { name: "exit-code", event: None, stderr: None, final_event: "" };
