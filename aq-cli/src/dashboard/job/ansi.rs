//! Output of a program for a terminal, as runs of text that look the same.
//!
//! Colours become names of classes, as other parts of a look do. All other sequences are dropped.
//! Of a line that was written over after a carriage return, the last writing is shown.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

use super::visible;

/// The most runs of one text. What comes behind them is shown without colours: a text that changes
/// its look with every character would make a page that no browser shows.
const RUNS: usize = 10_000;

/// The look of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextStyle {
    /// One of the 16 colours of terminals.
    front: Option<u8>,
    ground: Option<u8>,
    /// In the order of [`TRAITS`].
    traits: [bool; 6],
    /// A line of aq's own.
    is_note: bool,
}

/// The classes of bold, faint, italic, underlined, inverse and struck text, and the numbers that
/// switch each on and off.
const TRAITS: [(&str, u16, u16); 6] = [
    ("bold", 1, 22),
    ("dim", 2, 22),
    ("italic", 3, 23),
    ("underline", 4, 24),
    ("inverse", 7, 27),
    ("strike", 9, 29),
];

/// Text of one look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StyledRun {
    pub(super) look: TextStyle,
    pub(super) text: String,
}

/// A text and how what follows it looks.
#[derive(Debug, Default)]
pub(super) struct PaintedText {
    pub(super) runs: Vec<StyledRun>,
    pub(super) look: TextStyle,
}

/// Reads what a program printed, from the look that it had set before.
pub(super) fn paint(bytes: &[u8], look: TextStyle) -> PaintedText {
    let mut painter = AnsiPainter { done: Vec::new(), line: Vec::new(), look, is_over: false };
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        for &byte in line {
            parser.advance(&mut painter, byte);
        }
        if line.ends_with(b"\n") {
            // A sequence that was cut off must not eat the next lines.
            parser = Parser::<DefaultCharAccumulator>::new();
        }
        painter.end_line(line.ends_with(b"\n"));
    }
    PaintedText { runs: painter.done, look: painter.look }
}

impl TextStyle {
    /// The classes, apart by spaces.
    pub(super) fn classes(&self) -> String {
        let mut classes: Vec<String> = Vec::new();
        classes.extend(self.front.map(|colour| format!("f{colour}")));
        classes.extend(self.ground.map(|colour| format!("b{colour}")));
        let on = TRAITS.iter().zip(self.traits).filter(|(_, on)| *on);
        classes.extend(on.map(|((class, ..), _)| (*class).to_owned()));
        if self.is_note {
            classes.push("note".to_owned());
        }
        classes.join(" ")
    }

    /// The look of these classes. Others, which a page never had from here, count for nothing.
    pub(super) fn of(classes: &str) -> Self {
        let mut look = Self::default();
        let colour = |class: &str| class.parse().ok().filter(|&colour: &u8| colour < 16);
        for class in classes.split_whitespace().take(16) {
            if let Some(at) = TRAITS.iter().position(|(name, ..)| *name == class) {
                look.traits[at] = true;
            } else if let Some(found) = class.strip_prefix('f').and_then(colour) {
                look.front = Some(found);
            } else if let Some(found) = class.strip_prefix('b').and_then(colour) {
                look.ground = Some(found);
            }
        }
        look
    }

    /// "Select graphic rendition".
    fn set(&mut self, params: &Params) {
        if params.is_empty() {
            *self = Self::default();
        }
        let mut numbers = params.iter();
        while let Some(number) = numbers.next() {
            match *number {
                [0] | [] => *self = Self::default(),
                [code @ 30..=37] => self.front = low(code - 30),
                [code @ 90..=97] => self.front = low(code - 82),
                [code @ 40..=47] => self.ground = low(code - 40),
                [code @ 100..=107] => self.ground = low(code - 92),
                [39] => self.front = None,
                [49] => self.ground = None,
                // `38;5;N` and `38;2;R;G;B`, or the same with colons.
                [38] => self.front = extended(&mut numbers.by_ref().map(|n| n[0])),
                [48] => self.ground = extended(&mut numbers.by_ref().map(|n| n[0])),
                [38, ref rest @ ..] => self.front = extended(&mut without_space(rest)),
                [48, ref rest @ ..] => self.ground = extended(&mut without_space(rest)),
                [4, 0] => self.traits[3] = false,
                [code, ..] => {
                    for (on, (_, set, unset)) in self.traits.iter_mut().zip(TRAITS) {
                        *on = code == set || *on && code != unset;
                    }
                }
            }
        }
    }
}

fn low(code: u16) -> Option<u8> {
    u8::try_from(code).ok()
}

/// `2:SPACE:R:G:B` has a number more than `2:R:G:B`, which many write.
fn without_space(numbers: &[u16]) -> impl Iterator<Item = u16> {
    let has_space = numbers.first() == Some(&2) && numbers.len() >= 5;
    let numbers = numbers.iter().enumerate().filter(move |(at, _)| !(has_space && *at == 1));
    numbers.map(|(_, &number)| number)
}

/// The one of the 16 colours that a colour of a larger set is nearest to.
fn extended(numbers: &mut dyn Iterator<Item = u16>) -> Option<u8> {
    let mut next = || numbers.next().map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    match next()? {
        5 => {
            let number = next()?;
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            match number {
                0..=15 => Some(number),
                16..=231 => {
                    let cube = number - 16;
                    Some(nearest([level(cube / 36), level(cube / 6 % 6), level(cube % 6)]))
                }
                232.. => Some(nearest([8 + 10 * (number - 232); 3])),
            }
        }
        2 => Some(nearest([next()?, next()?, next()?])),
        _ => None,
    }
}

/// The 16 colours as terminals have them, about.
const COLOURS: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

fn nearest(colour: [u8; 3]) -> u8 {
    let distance = |other: &[u8; 3]| -> u32 {
        other.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let nearest = (0u8..).zip(&COLOURS).min_by_key(|(_, other)| distance(other));
    nearest.map_or(7, |(at, _)| at)
}

struct AnsiPainter {
    done: Vec<StyledRun>,
    /// The line that is being written.
    line: Vec<StyledRun>,
    look: TextStyle,
    /// A carriage return came: what is written next takes the line's place.
    is_over: bool,
}

impl AnsiPainter {
    fn write(&mut self, c: char) {
        if std::mem::take(&mut self.is_over) {
            self.line.clear();
        }
        let is_full = self.done.len() + self.line.len() >= RUNS;
        let look = if is_full { TextStyle::default() } else { self.look };
        visible::push(place(&mut self.line, look), c);
    }

    fn end_line(&mut self, with_newline: bool) {
        self.is_over = false;
        let mut line = std::mem::take(&mut self.line);
        if line.first().is_some_and(|run| aq_runner::run::is_note(run.text.as_bytes())) {
            // What a program before it left switched on ends here.
            self.look = TextStyle::default();
            for run in &mut line {
                run.look = TextStyle { is_note: true, ..TextStyle::default() };
            }
        }
        for run in line {
            place(&mut self.done, run.look).push_str(&run.text);
        }
        if with_newline {
            let look = self.done.last().map_or(TextStyle::default(), |run| run.look);
            place(&mut self.done, look).push('\n');
        }
    }
}

/// Where text of this look is added.
fn place(runs: &mut Vec<StyledRun>, look: TextStyle) -> &mut String {
    if runs.last().is_none_or(|run| run.look != look) {
        runs.push(StyledRun { look, text: String::new() });
    }
    let last = runs.len() - 1;
    &mut runs[last].text
}

impl Perform for AnsiPainter {
    fn print(&mut self, c: char) {
        self.write(c);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.is_over = true,
            b'\t' => self.write('\t'),
            0x08 => {
                if let Some(run) = self.line.last_mut() {
                    run.text.pop();
                    if run.text.is_empty() {
                        self.line.pop();
                    }
                }
            }
            // The newline ends the line outside; the others have nothing to show.
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action == b'm' && intermediates.is_empty() && !ignore {
            self.look.set(params);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `classes|text` for each run.
    fn shown(text: &str) -> Vec<String> {
        let painted = paint(text.as_bytes(), TextStyle::default());
        painted.runs.iter().map(|run| format!("{}|{}", run.look.classes(), run.text)).collect()
    }

    #[test]
    fn colours_become_classes() {
        assert_eq!(
            shown("a\x1b[1;31mb\x1b[22mc\x1b[0m d\x1b[m\n"),
            ["|a", "f1 bold|b", "f1|c", "| d\n"]
        );
        assert_eq!(shown("\x1b[97;104mx\x1b[39;49my"), ["f15 b12|x", "|y"]);
        assert_eq!(shown("\x1b[38;5;196mx\x1b[38;5;12;1my"), ["f9|x", "f12 bold|y"]);
        assert_eq!(shown("\x1b[38;2;0;0;240mx"), ["f4|x"]);
        assert_eq!(shown("\x1b[38:2::250:250:250mx\x1b[48:5:1my"), ["f15|x", "f15 b1|y"]);
        assert_eq!(
            shown("\x1b[3;4;7;9mx\x1b[24my"),
            ["italic underline inverse strike|x", "italic inverse strike|y"]
        );
        assert_eq!(shown("\x1b[38;5mx\x1b[99999mx\x1b[58;5;1m"), ["|xx"]);
    }

    #[test]
    fn other_sequences_are_dropped() {
        assert_eq!(shown("\x1b]0;title\x07a\x1b[2Jb\x1b[10;10Hc\x1b(Bd\x1b[?25l"), ["|abcd"]);
        assert_eq!(shown("\x1b]8;;http://x.example\x1b\\link\x1b]8;;\x1b\\"), ["|link"]);
        // One that is cut off ends with its line.
        assert_eq!(shown("\x1b]0;title\nnext"), ["|\nnext"]);
        assert_eq!(shown("\u{202e}a\u{9b}31mb\u{0}\u{7}"), [r"|\u{202e}a\u{9b}31mb"]);
    }

    #[test]
    fn what_was_written_over_is_not_shown() {
        assert_eq!(shown("10%\r20%\r100%\nend\r\n"), ["|100%\nend\n"]);
        assert_eq!(shown("\x1b[31mlong\r\x1b[32mnew\n"), ["f2|new\n"]);
        assert_eq!(shown("abc\x08\x08x\n\x08"), ["|ax\n"]);
    }

    #[test]
    fn a_note_of_ours_ends_what_was_left_on() {
        let text = "\x1b[31mred\n--- aq 2026-01-31T12:00:00Z verify\nplain\n";
        assert_eq!(
            shown(text),
            ["f1|red\n", "note|--- aq 2026-01-31T12:00:00Z verify\n", "|plain\n"]
        );
    }

    #[test]
    fn a_look_goes_on_in_the_next_piece() {
        let painted = paint(b"\x1b[1;3;38;5;9;44mx", TextStyle::default());
        assert_eq!(painted.look.classes(), "f9 b4 bold italic");
        assert_eq!(TextStyle::of(&painted.look.classes()), painted.look);
        assert_eq!(TextStyle::of("f16 b-1 x\"><script> note f b bold").classes(), "bold");
    }

    #[test]
    fn a_bomb_of_sequences_is_a_few_runs() {
        let bomb: String = (0..50_000).map(|n| format!("\x1b[3{}m.", n % 8)).collect();
        let painted = paint(bomb.as_bytes(), TextStyle::default());
        assert!(painted.runs.len() <= RUNS + 1, "{}", painted.runs.len());
        let text: usize = painted.runs.iter().map(|run| run.text.len()).sum();
        assert_eq!(text, 50_000);
        let nested = paint("\x1b[1m".repeat(50_000).as_bytes(), TextStyle::default());
        assert_eq!(nested.runs.len(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_make_bounded_text_without_control_characters(
            bytes in prop::collection::vec(
                prop_oneof![
                    Just(0x1b), Just(b'['), Just(b'm'), Just(b';'), Just(b'3'), Just(b'\n'),
                    Just(b'\r'), any::<u8>(),
                ],
                0..300,
            ),
        ) {
            let painted = paint(&bytes, TextStyle::default());
            prop_assert!(painted.runs.len() <= RUNS + 1);
            let mut size = 0;
            for run in &painted.runs {
                let is_safe = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
                prop_assert!(run.text.chars().all(is_safe), "{:?}", run.text);
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b' ';
                prop_assert!(run.look.classes().bytes().all(is_plain));
                size += run.text.len();
            }
            prop_assert!(size <= 8 * bytes.len());
        }
    }
}
