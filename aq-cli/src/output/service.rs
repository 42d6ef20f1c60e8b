//! Units that keep a run loop at work.

use std::fmt::Write;
use std::path::Path;

/// What the unit starts.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    pub(crate) program: &'a Path,
    pub(crate) queue: &'a Path,
    pub(crate) max: u32,
}

impl Service<'_> {
    /// A unit for the user's systemd. Ending the loop leaves agents at work (`KillMode=process`).
    pub(crate) fn systemd(&self) -> String {
        let (program, queue) = (systemd_word(self.program), systemd_word(self.queue));
        format!(
            "# systemctl --user enable --now aq\n\
             [Unit]\n\
             Description=aq: run loop of {queue}\n\
             \n\
             [Service]\n\
             ExecStart={program} --queue {queue} run --max {max} --quiet\n\
             Restart=on-failure\n\
             RestartSec=5\n\
             KillMode=process\n\
             \n\
             [Install]\n\
             WantedBy=default.target",
            max = self.max,
        )
    }

    /// A property list for the user's launchd.
    pub(crate) fn launchd(&self) -> String {
        let max = self.max.to_string();
        let words = [
            &*self.program.to_string_lossy(),
            "--queue",
            &*self.queue.to_string_lossy(),
            "run",
            "--max",
            &max,
            "--quiet",
        ];
        let mut arguments = String::new();
        for word in words {
            // Writing to a `String` cannot fail.
            let _ = writeln!(arguments, "    <string>{}</string>", xml(word));
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n\
             <dict>\n\
             \x20 <key>Label</key><string>aq</string>\n\
             \x20 <key>ProgramArguments</key>\n\
             \x20 <array>\n{arguments}  </array>\n\
             \x20 <key>RunAtLoad</key><true/>\n\
             \x20 <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n\
             \x20 <key>AbandonProcessGroup</key><true/>\n\
             </dict>\n\
             </plist>"
        )
    }
}

/// A path as one word of a unit file.
fn systemd_word(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%").replace('$', "$$");
    let simple =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '%' | '$');
    if text.chars().all(simple) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
