use crate::engine::testing::{command, job, judged_with, line, plain_and_full, why};
use crate::engine::{EndedBy, EngineInvocation, EngineRegistry, ProcessExit};

#[test]
fn argv() {
    let [plain, full] = plain_and_full("shell");
    assert_eq!(plain, "/scratch/aq-prompt");
    assert_eq!(full, "/scratch/aq-prompt --extra two words");
}

#[test]
fn stdin_cannot_eat_the_script() {
    let command = command("shell", &EngineInvocation { persona: Some("set -e"), ..job() });
    assert_eq!(command.program.to_str(), Some("/bin/sh"));
    assert_eq!(command.stdin, None);
    assert_eq!(command.files[0].mode, 0o700);
    assert_eq!(command.files[0].content, b"set -e\ndo it");
}

#[test]
fn first_line_can_name_program() {
    let prompt = "#!/usr/bin/env python3\nprint()\n";
    let command = command("shell", &EngineInvocation { prompt, persona: Some("# hi"), ..job() });
    assert_eq!(command.program.to_str(), Some("/usr/bin/env"));
    assert_eq!(line(&command.args), "python3 /scratch/aq-prompt");
    assert_eq!(command.files[0].content, b"#!/usr/bin/env python3\n# hi\nprint()\n");
}

#[test]
fn shell_bin_names_another_program() {
    let env = |name: &str| (name == "SHELL_BIN").then(|| "/bin/cat".into());
    let registry = EngineRegistry::new(&Default::default(), &env).unwrap();
    let command = registry.command("shell", &job()).unwrap();
    assert_eq!(command.program.to_str(), Some("/bin/cat"));
}

#[test]
fn what_a_script_prints_is_no_reason() {
    let end = |exit| judged_with("shell", "x\n", "Error: x\n", exit, EndedBy::Engine);
    assert!(end(ProcessExit::Code(0)).success);
    assert_eq!(why(end(ProcessExit::Code(3))), "shell: exit code 3");
    assert_eq!(why(end(ProcessExit::Signal(11))), "shell: killed by signal 11");
}
