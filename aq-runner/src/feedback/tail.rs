//! The end of what a program printed.

use super::clean::clean;
use super::secrets::MaskedValues;

/// Bytes of the end of an output that are kept while it comes: what is taken out of them must leave
/// enough.
const KEPT: usize = 64 << 10;

/// Bounds of the output in a feedback.
const MAX_LINES: usize = 100;
const MAX_BYTES: usize = 8 << 10;

/// The end of one command's output, as it comes.
#[derive(Debug, Default)]
pub(crate) struct OutputTail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl OutputTail {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
            self.is_cut = true;
        }
    }

    /// The lines that are no records of the engine's own: JSON objects of one line.
    pub(crate) fn without_records(self) -> Self {
        let is_record = |line: &&[u8]| {
            let line = line.trim_ascii();
            line.starts_with(b"{") && (line.ends_with(b"}") || line.len() > MAX_BYTES)
        };
        let lines = self.bytes.split_inclusive(|&b| b == b'\n');
        let bytes = lines.filter(|line| !is_record(line)).flatten().copied().collect();
        Self { bytes, ..self }
    }

    /// The end of it without secrets, and whether there is more before it.
    pub(super) fn shown(&self, secrets: &MaskedValues) -> (String, bool) {
        let mut from = 0;
        if self.is_cut {
            // The rest of a value whose beginning is gone would not be known for one.
            from = secrets.longest().min(self.bytes.len());
            let line = self.bytes[from..].iter().position(|&b| b == b'\n');
            from += line.map_or(0, |end| end + 1);
        }
        let text = secrets.mask(&clean(&self.bytes[from..]));
        let (end, is_short) = bounded(text.trim_matches('\n').trim_end());
        (end.to_owned(), self.is_cut || is_short)
    }
}

/// The last lines of a text, and whether it has more.
fn bounded(text: &str) -> (&str, bool) {
    let lines = text.rmatch_indices('\n').nth(MAX_LINES - 1).map_or(0, |(at, _)| at + 1);
    let from = text.ceil_char_boundary(text.len().saturating_sub(MAX_BYTES)).max(lines);
    let cut = &text[from..];
    let begins_a_line = from == 0 || text.as_bytes()[from - 1] == b'\n';
    let line = cut.find('\n').filter(|_| !begins_a_line).map_or(0, |end| end + 1);
    (&cut[line..], from + line > 0)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn shown(text: &str) -> (String, bool) {
        let mut tail = OutputTail::default();
        for chunk in text.as_bytes().chunks(777) {
            tail.push(chunk);
        }
        tail.shown(&MaskedValues::default())
    }

    #[test]
    fn end_is_within_the_bounds() {
        assert_eq!(shown("\n\na\n  b\n\n"), ("a\n  b".to_owned(), false));
        let hundred: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        assert_eq!(shown(&hundred.join("\n")), (hundred.join("\n"), false));
        let (more, is_cut) = shown(&format!("first\n{}\n", hundred.join("\n")));
        assert_eq!((more, is_cut), (hundred.join("\n"), true));
        let (long, is_cut) = shown(&"é".repeat(MAX_BYTES));
        assert_eq!((long.len(), is_cut), (MAX_BYTES, true));
        let line = format!("{}\n", "x".repeat(999));
        let (whole, is_cut) = shown(&line.repeat(200));
        assert_eq!((whole.len(), is_cut), (8 * 1_000 - 1, true), "whole lines");
        assert_eq!(shown(""), (String::new(), false));
    }

    #[test]
    fn secret_at_cut_is_masked() {
        let env: [(OsString, OsString); 1] = [("A_TOKEN".into(), "s3cret-value".into())];
        let secrets = MaskedValues::of(&env, &Default::default());
        for shift in 0..20 {
            let mut tail = OutputTail::default();
            tail.push(&b"s3cret-value".repeat(20_000));
            tail.push(&b"\x1b[0m".repeat(KEPT / 4 - 3 + shift));
            tail.push(&[b'.'; 2]);
            let (text, _) = tail.shown(&secrets);
            assert!(!text.contains("value"), "{shift}: {text}");
        }
    }

    #[test]
    fn records_of_an_engine_are_left_out() {
        let mut tail = OutputTail::default();
        tail.push(b"{\"type\":\"x\"}\nboom {\n  {\"a\":1}  \nlast");
        assert_eq!(tail.without_records().shown(&MaskedValues::default()).0, "boom {\nlast");
    }
}
