//! Text without the parts that a terminal would obey and a reader would not see.

/// The text less escape sequences and control characters. Of a line that was written over again and
/// again, as progress bars are, the last state stays.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let visible = without_sequences(&text);
    let mut lines = String::with_capacity(visible.len());
    for line in visible.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let line = line.trim_end_matches('\r');
        lines.push_str(line.rsplit('\r').next().unwrap_or(line));
        lines.push_str(end);
    }
    lines
}

/// As [`clean`], on one line.
pub(super) fn clean_line(text: &str) -> String {
    clean(text.as_bytes()).replace(['\n', '\t'], " ")
}

fn without_sequences(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut rest),
            '\u{9b}' => skip_parameters(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            '\n' | '\t' | '\r' => visible.push(c),
            _ if is_hidden(c) => {}
            _ => visible.push(c),
        }
    }
    visible
}

/// Skips the rest of a sequence, after its escape character.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some('[') => {
            *rest = ahead;
            skip_parameters(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            *rest = ahead;
            skip_string(rest);
        }
        Some(' '..='~') => {
            // Intermediate characters, then one that ends it.
            let mut c = rest.next();
            while matches!(c, Some(' '..='/')) {
                c = rest.next();
            }
        }
        _ => {}
    }
}

/// Parameters of a control sequence, and the character that ends it. One that is broken ends at the
/// first character that can be no part of it.
fn skip_parameters(rest: &mut std::str::Chars<'_>) {
    loop {
        let mut ahead = rest.clone();
        match ahead.next() {
            Some(' '..='?') => *rest = ahead,
            Some('@'..='~') => {
                *rest = ahead;
                return;
            }
            _ => return,
        }
    }
}

/// A string up to its end, which is a bell or a string terminator; at most to the end of the line.
fn skip_string(rest: &mut std::str::Chars<'_>) {
    loop {
        let mut ahead = rest.clone();
        match ahead.next() {
            None | Some('\n') => return,
            Some('\u{7}' | '\u{9c}') => {
                *rest = ahead;
                return;
            }
            Some('\u{1b}') => {
                *rest = ahead.clone();
                if ahead.next() == Some('\\') {
                    *rest = ahead;
                }
                return;
            }
            Some(_) => *rest = ahead,
        }
    }
}

/// Characters that a person does not see and a model reads: controls, marks of direction and width,
/// and the tags in which text can be hidden.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_taken_out() {
        for (text, want) in [
            ("plain é\tx\n", "plain é\tx\n"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b", "ab"),
            ("\u{1b}(Bx\u{1b}=y\u{1b}Pq#0\u{1b}\\z", "xyz"),
            ("\u{9b}31mx\u{9d}t\u{9c}y", "xy"),
            ("\u{1b}[31", ""),
            ("\u{1b}[3\ny", "\ny"),
            ("\u{1b}]endless\nnext", "\nnext"),
            ("\u{1b}", ""),
            ("a\u{1b}é", "aé"),
            ("a\u{8}b\u{0}c\u{7f}", "abc"),
            ("10%\r50%\r100%\r\nend\r\n", "100%\nend\n"),
            ("a\u{202e}b\u{200b}\u{e0041}c", "abc"),
        ] {
            assert_eq!(clean(text.as_bytes()), want, "{text:?}");
        }
        assert_eq!(clean(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(clean_line("a\nb\u{1b}[2J"), "a b");
    }
}
