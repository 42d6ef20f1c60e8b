//! Devin CLI (`devin -p`). From its documentation; it was never run here.

use super::definition::{Definition, PromptBy, words};
use super::format::TEXT;
use super::login::LoginFacts;

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
        account_env: words(&["WINDSURF_API_KEY"]),
        login: Some(LoginFacts {
            dir: ".local/share/devin",
            own: &["credentials.toml"],
            ..LoginFacts::default()
        }),
        ..Definition::named("devin")
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{command, job, judged_with, plain_and_full, why};
    use crate::engine::{EndedBy, Exit};

    #[test]
    fn argv() {
        let [plain, full] = plain_and_full("devin");
        let (start, end) = (
            "-p --respect-workspace-trust false",
            "--prompt-file /scratch/aq-prompt --export /scratch/aq-usage.json",
        );
        assert_eq!(plain, format!("{start} --permission-mode accept-edits {end}"));
        assert_eq!(
            full,
            format!(
                "{start} --permission-mode dangerous --model big -r 0a-1b {end} --extra two words"
            )
        );
        let command = command("devin", &job());
        assert_eq!((command.stdin, command.files[0].mode), (None, 0o600));
        assert_eq!(command.files[0].content, b"do it");
    }

    #[test]
    fn its_exit_code_decides_and_its_stderr_gives_the_reason() {
        let end = |exit, ended| judged_with("devin", "{}\n", "Error: not logged in\n", exit, ended);
        assert!(end(Exit::Code(0), EndedBy::Engine).success);
        assert_eq!(
            why(end(Exit::Code(1), EndedBy::Engine)),
            "devin: exit code 1: Error: not logged in"
        );
        assert!(!end(Exit::Code(0), EndedBy::Aq).success);
    }
}
