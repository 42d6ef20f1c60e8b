//! Devin CLI (`devin -p`). From its documentation; it was never run here.

use super::definition::{Definition, PromptBy, words};
use super::records::TEXT;

pub(super) fn definition() -> Definition {
    Definition {
        // Print mode ends at once in a directory that nobody has trusted yet.
        argv: words(&[
            "-p",
            "--respect-workspace-trust",
            "false",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "--prompt-file",
            "{prompt_file}",
            "--export",
            "{usage_file}",
            "{args}",
        ]),
        prompt: PromptBy::File,
        yolo_args: words(&["--permission-mode", "dangerous"]),
        safe_args: words(&["--permission-mode", "accept-edits"]),
        model_args: words(&["--model", "{model}"]),
        resume_args: words(&["-r", "{session}"]),
        output: &TEXT,
        class: words(&["agentic-coder"]),
        ..Definition::named("devin")
    }
}
