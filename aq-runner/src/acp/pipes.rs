//! The pipes between the adapter and its agent: a thread for each, and bounded memory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;

use super::event::clip;

/// The longest line that is read, in bytes.
const LINE_MAX: usize = 8 << 20;
/// Part of a longer line that is looked at, in bytes.
const BEGINNING: usize = 4 << 10;
/// Part of the end of the agent's standard error that is kept, in bytes.
const STDERR_KEPT: usize = 8 << 10;
/// Lines of it that are shown as its last words.
const LAST_LINES: usize = 5;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum AcpInput {
    Line(Vec<u8>),
    /// A line longer than [`LINE_MAX`] begins like this.
    Oversized(Vec<u8>),
    /// The agent's output has ended.
    Closed,
    /// The agent has exited. It is still to be reaped.
    Exited,
    /// A signal came.
    Signal(i32),
}

/// Lines on their way to the agent, which may not read them.
pub(super) struct LineQueue {
    lines: Sender<String>,
    unread: Arc<AtomicUsize>,
    /// The longest line so far: a prompt may be long.
    longest: usize,
}

impl LineQueue {
    pub(super) fn new(mut pipe: ChildStdin) -> Self {
        let (lines, waiting) = mpsc::channel::<String>();
        let unread = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&unread);
        thread::spawn(move || {
            for line in waiting {
                // An agent that has closed its input says why itself.
                let _ = writeln!(pipe, "{line}").and_then(|()| pipe.flush());
                left.fetch_sub(line.len(), Ordering::Relaxed);
            }
        });
        Self { lines, unread, longest: 0 }
    }

    /// Answers how many bytes are waiting beside the longest line.
    pub(super) fn send(&mut self, line: String) -> usize {
        self.longest = self.longest.max(line.len());
        let before = self.unread.fetch_add(line.len(), Ordering::Relaxed);
        let _ = self.lines.send(line);
        before.saturating_sub(self.longest)
    }
}

pub(super) fn read_lines(pipe: ChildStdout, inputs: SyncSender<AcpInput>) {
    thread::spawn(move || {
        let mut pipe = BufReader::with_capacity(64 << 10, pipe);
        while let Ok(Some(input)) = next_line(&mut pipe) {
            if inputs.send(input).is_err() {
                return;
            }
        }
        let _ = inputs.send(AcpInput::Closed);
    });
}

/// The next line, without its newline; the rest of one that is too long is skipped.
fn next_line(pipe: &mut impl BufRead) -> io::Result<Option<AcpInput>> {
    let most = LINE_MAX as u64 + 1;
    let mut line = Vec::new();
    if pipe.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() <= LINE_MAX {
        return Ok(Some(AcpInput::Line(line)));
    }
    if line.last() != Some(&b'\n') {
        pipe.skip_until(b'\n')?;
    }
    line.truncate(BEGINNING);
    Ok(Some(AcpInput::Oversized(line)))
}

/// Passes on a line that is no JSON: some programs say there what they should say elsewhere.
pub(super) fn pass_on(line: &[u8]) {
    let line = line.trim_ascii();
    if !line.is_empty() && !line.starts_with(b"{") {
        let text = String::from_utf8_lossy(line);
        let _ = writeln!(io::stderr().lock(), "{}", clip(&text, BEGINNING));
    }
}

/// Copies the agent's standard error. The answer is disconnected at the end of it.
pub(super) fn copy_stderr(mut pipe: ChildStderr, kept: Arc<Mutex<Vec<u8>>>) -> Receiver<()> {
    let (at_end, end) = mpsc::channel();
    thread::spawn(move || {
        let _at_end = at_end;
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let _ = io::stderr().lock().write_all(&buffer[..count]);
            let Ok(mut kept) = kept.lock() else { return };
            kept.extend_from_slice(&buffer[..count]);
            let over = kept.len().saturating_sub(STDERR_KEPT);
            kept.drain(..over);
        }
    });
    end
}

/// The last lines that are neither blank nor a stack trace's.
pub(super) fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("at "));
    let mut last: Vec<&str> = lines.rev().take(LAST_LINES).collect();
    last.reverse();
    last.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<AcpInput> {
        let mut pipe = BufReader::with_capacity(1000, bytes);
        std::iter::from_fn(|| next_line(&mut pipe).unwrap()).collect()
    }

    #[test]
    fn long_line_is_skipped_alone() {
        let mut bytes = b"one\n".to_vec();
        bytes.extend_from_slice(&vec![b'x'; LINE_MAX + 100]);
        bytes.extend_from_slice(b"\ntwo");
        let got = lines(&bytes);
        let [AcpInput::Line(one), AcpInput::Oversized(long), AcpInput::Line(two)] = &got[..] else {
            panic!("{} inputs", got.len());
        };
        assert_eq!(
            (one.as_slice(), long.len(), two.as_slice()),
            (&b"one\n"[..], BEGINNING, &b"two"[..])
        );
    }

    #[test]
    fn line_at_limit_is_read() {
        let mut bytes = vec![b'x'; LINE_MAX - 1];
        bytes.push(b'\n');
        assert!(matches!(&lines(&bytes)[..], [AcpInput::Line(line)] if line.len() == LINE_MAX));
        bytes.insert(0, b'x');
        bytes.push(b'a');
        assert!(matches!(&lines(&bytes)[..], [AcpInput::Oversized(_), AcpInput::Line(_)]));
    }

    #[test]
    fn last_words_are_no_stack_trace() {
        let stderr = b"a\nError: no key\n    at x (y.js:1)\n\n    at z\n";
        assert_eq!(last_words(stderr), "a Error: no key");
        assert_eq!(last_words(b"1\n2\n3\n4\n5\n6\n\xff"), "3 4 5 6 \u{fffd}");
    }
}
