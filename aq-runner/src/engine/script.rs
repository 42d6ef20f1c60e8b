//! A job's body as a script file.

use std::path::PathBuf;

/// The program that a script's `#!` line names, and the one argument that it may give, read as the
/// kernel reads them.
///
/// Naming the program here, and not leaving it to the kernel, makes scripts work in a temporary
/// directory that is mounted `noexec`, and avoids `ETXTBSY` when another thread forks while the
/// file is still being written.
pub(super) fn interpreter(script: &str) -> Option<(PathBuf, Option<String>)> {
    let line = script.strip_prefix("#!")?.lines().next()?.trim();
    let (program, argument) = match line.split_once([' ', '\t']) {
        Some((program, rest)) => (program, Some(rest.trim().to_owned())),
        None => (line, None),
    };
    (!program.is_empty()).then(|| (PathBuf::from(program), argument))
}

/// The whole script with the line ends of this system: a shell takes `\r` for a part of the word.
pub(super) fn of_this_system(persona: Option<&str>, script: &str) -> String {
    let script = script.replace("\r\n", "\n");
    match persona {
        Some(persona) => with_persona(&persona.replace("\r\n", "\n"), &script),
        None => script,
    }
}

/// Puts `persona` before `script`, but after its `#!` line.
fn with_persona(persona: &str, script: &str) -> String {
    if !script.starts_with("#!") {
        return format!("{persona}\n{script}");
    }
    let (first, rest) = script.split_once('\n').unwrap_or((script, ""));
    format!("{first}\n{persona}\n{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_program_and_argument() {
        let read = |text| interpreter(text).map(|(path, arg)| (path.display().to_string(), arg));
        assert_eq!(read("#!/bin/sh\necho"), Some(("/bin/sh".to_owned(), None)));
        assert_eq!(
            read("#! /usr/bin/env -S python3 -u \r\nprint()"),
            Some(("/usr/bin/env".to_owned(), Some("-S python3 -u".to_owned())))
        );
        for none in ["echo\n#!/bin/sh\n", "", "#!", "#! \n/bin/sh", " #!/bin/sh"] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }

    #[test]
    fn line_ends_of_windows_are_no_text() {
        assert_eq!(of_this_system(None, "#!/bin/sh\r\ntrue\r\n"), "#!/bin/sh\ntrue\n");
        assert_eq!(of_this_system(Some("set -e\r\n"), "true\r\n"), "set -e\n\ntrue\n");
        assert_eq!(of_this_system(None, "printf 'a\rb'\n"), "printf 'a\rb'\n");
    }

    #[test]
    fn a_persona_does_not_displace_the_first_line() {
        assert_eq!(with_persona("set -e", "#!/bin/sh\ntrue\n"), "#!/bin/sh\nset -e\ntrue\n");
        assert_eq!(with_persona("set -e", "true\n"), "set -e\ntrue\n");
        assert_eq!(with_persona("set -e", "#!/bin/sh"), "#!/bin/sh\nset -e\n");
    }
}
