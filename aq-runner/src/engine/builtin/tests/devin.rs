use crate::engine::testing::{command, job, judged_with, plain_and_full, why};
use crate::engine::{EndedBy, ProcessExit};

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
        format!("{start} --permission-mode dangerous --model big -r 0a-1b {end} --extra two words")
    );
    let command = command("devin", &job());
    assert_eq!((command.stdin, command.files[0].mode), (None, 0o600));
    assert_eq!(command.files[0].content, b"do it");
}

#[test]
fn exit_code_decides_stderr_explains() {
    let end = |exit, ended| judged_with("devin", "{}\n", "Error: not logged in\n", exit, ended);
    assert!(end(ProcessExit::Code(0), EndedBy::Engine).success);
    assert_eq!(
        why(end(ProcessExit::Code(1), EndedBy::Engine)),
        "devin: exit code 1: Error: not logged in"
    );
    assert!(!end(ProcessExit::Code(0), EndedBy::Aq).success);
}
