//! Units that keep a run loop at work.

use std::fmt::Write;

/// A run loop as a service manager starts it. All texts are UTF-8: the formats know nothing else.
#[derive(Debug)]
pub(crate) struct ServiceFile<'a> {
    /// The unit's name: one for each queue.
    pub(crate) name: &'a str,
    pub(crate) program: &'a str,
    pub(crate) queue: &'a str,
    /// Jobs at once; without it, what the queue's settings say.
    pub(crate) max: Option<u32>,
    pub(crate) ship: bool,
    /// Variables that the loop needs, such as PATH.
    pub(crate) environment: &'a [(String, String)],
}

impl ServiceFile<'_> {
    /// The program and its arguments.
    fn words(&self) -> Vec<String> {
        let words = [self.program, "--queue", self.queue, "run", "--quiet"];
        let mut words: Vec<String> = words.map(str::to_owned).into();
        if let Some(max) = self.max {
            words.extend(["--max".to_owned(), max.to_string()]);
        }
        words.extend(self.ship.then(|| "--ship".to_owned()));
        words
    }

    /// A unit for the user's systemd. Ending the loop leaves agents at work (`KillMode=process`).
    pub(crate) fn systemd(&self) -> String {
        let words = self.words();
        // The program's path knows no variables, so a `$` in it means itself.
        let mut command = systemd_quoted(&words[0]);
        for word in &words[1..] {
            let _ = write!(command, " {}", systemd_quoted(&word.replace('$', "$$")));
        }
        let mut environment = String::new();
        for (name, value) in self.environment {
            // Writing to a `String` cannot fail.
            let _ =
                writeln!(environment, "Environment={}", systemd_text(&format!("{name}={value}")));
        }
        format!(
            "# aq service >~/.config/systemd/user/{name}.service\n\
             # systemctl --user daemon-reload && systemctl --user enable --now {name}\n\
             # loginctl enable-linger    (or the loop ends when you log out)\n\
             [Unit]\n\
             Description=aq: run loop of {queue}\n\
             \n\
             [Service]\n\
             {environment}\
             ExecStart={command}\n\
             Restart=on-failure\n\
             RestartSec=5\n\
             KillMode=process\n\
             \n\
             [Install]\n\
             WantedBy=default.target",
            name = self.name,
            queue = systemd_plain(self.queue),
        )
    }

    /// A property list for the user's launchd.
    pub(crate) fn launchd(&self) -> String {
        let mut arguments = String::new();
        for word in self.words() {
            let _ = writeln!(arguments, "    <string>{}</string>", xml(&word));
        }
        let mut environment = String::new();
        for (name, value) in self.environment {
            let _ = writeln!(
                environment,
                "    <key>{}</key><string>{}</string>",
                xml(name),
                xml(value)
            );
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <!-- ~/Library/LaunchAgents/{name}.plist; launchctl bootstrap gui/$UID FILE -->\n\
             <plist version=\"1.0\">\n\
             <dict>\n\
             \x20 <key>Label</key><string>{name}</string>\n\
             \x20 <key>ProgramArguments</key>\n\
             \x20 <array>\n{arguments}  </array>\n\
             \x20 <key>EnvironmentVariables</key>\n\
             \x20 <dict>\n{environment}  </dict>\n\
             \x20 <key>RunAtLoad</key><true/>\n\
             \x20 <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n\
             \x20 <key>AbandonProcessGroup</key><true/>\n\
             </dict>\n\
             </plist>",
            name = self.name,
        )
    }
}

/// A text as one word of a command line in a unit file.
fn systemd_quoted(text: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || "/._-+=$".contains(c);
    if !text.is_empty() && text.chars().all(simple) { text.to_owned() } else { systemd_text(text) }
}

/// A text between double quotes, as `man systemd.syntax` has it.
fn systemd_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '%' => out.push_str("%%"),
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || c == '\x7f' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text for people in a unit file, on one line.
fn systemd_plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || c == '\\' { '?' } else { c })
        .collect::<String>()
        .replace('%', "%%")
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_for_systemd() {
        for (text, want) in [
            ("/usr/bin:/bin", "\"/usr/bin:/bin\""),
            ("a b", "\"a b\""),
            ("100%", "\"100%%\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("$HOME", "\"$HOME\""),
            ("a\nb\u{1b}", "\"a\\nb\\x1b\""),
        ] {
            assert_eq!(systemd_text(text), want);
        }
        assert_eq!(systemd_quoted("/opt/aq-1.0_x/aq"), "/opt/aq-1.0_x/aq");
        assert_eq!(systemd_quoted("/a b"), "\"/a b\"");
    }
}
