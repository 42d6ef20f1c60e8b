//! Lines out of a byte stream, in bounded memory.

/// The longest line that is looked at, in bytes. Tool results of a few MiB in one line are real;
/// what is longer is skipped up to its newline.
pub(super) const LINE_MAX: usize = 8 << 20;

/// Held on to between lines, in bytes.
const KEEP: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    partial: Vec<u8>,
    skipping: bool,
}

impl LineSplitter {
    /// Calls `line` with every line that `chunk` completes, without its newline.
    pub(super) fn feed(&mut self, chunk: &[u8], mut line: impl FnMut(&[u8])) {
        let mut pieces = chunk.split(|&byte| byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let complete = pieces.peek().is_some();
            if complete && self.partial.is_empty() && !self.skipping {
                if piece.len() <= LINE_MAX {
                    line(piece);
                }
                continue;
            }
            self.push(piece);
            if complete {
                self.finish(&mut line);
            }
        }
    }

    /// Calls `line` with what came after the last newline, when there is something.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.skipping && !self.partial.is_empty() {
            line(&self.partial);
        }
        self.skipping = false;
        self.partial.clear();
        self.partial.shrink_to(KEEP);
    }

    fn push(&mut self, piece: &[u8]) {
        if self.skipping {
            return;
        }
        if self.partial.len() + piece.len() > LINE_MAX {
            self.partial = Vec::new();
            self.skipping = true;
        } else {
            self.partial.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut seen) = (LineSplitter::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, |line| seen.push(line.to_vec()));
        }
        lines.finish(|line| seen.push(line.to_vec()));
        seen
    }

    #[test]
    fn a_line_may_come_in_any_pieces() {
        let text = b"one\n\ntwo two\nthree";
        let want = [&b"one"[..], b"", b"two two", b"three"];
        for cut in 0..=text.len() {
            for end in cut..=text.len() {
                let got = lines(&[&text[..cut], &text[cut..end], &text[end..]]);
                let got: Vec<_> = got.iter().filter(|line| !line.is_empty()).collect();
                let want: Vec<_> = want.iter().filter(|line| !line.is_empty()).collect();
                assert_eq!(got, want, "cut at {cut}, {end}");
            }
        }
    }

    #[test]
    fn long_lines_take_no_memory() {
        let block = vec![b'x'; 1 << 20];
        let (mut reader, mut seen) = (LineSplitter::default(), Vec::new());
        let mut most = 0;
        reader.feed(b"before\n", |line| seen.push(line.to_vec()));
        for _ in 0..40 {
            reader.feed(&block, |line| seen.push(line.to_vec()));
            most = most.max(reader.partial.capacity());
        }
        reader.feed(b"\nafter\n", |line| seen.push(line.to_vec()));
        assert_eq!(seen, [b"before".to_vec(), b"after".to_vec()]);
        assert!(most <= 2 * LINE_MAX, "{most}");
        assert!(reader.partial.capacity() <= KEEP);
    }

    #[test]
    fn longest_line_is_still_read() {
        let mut line = vec![b'x'; LINE_MAX];
        assert_eq!(lines(&[&line[..10], &line[10..], b"\n"]).len(), 1);
        line.push(b'x');
        assert_eq!(lines(&[&line[..10], &line[10..], b"\nnext\n"]), [b"next".to_vec()]);
        line.push(b'\n');
        assert_eq!(lines(&[&line]).len(), 0);
    }
}
