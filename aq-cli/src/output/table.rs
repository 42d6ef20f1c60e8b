//! Columns of text. Its own few lines, because cells carry colours that take no room, and table
//! crates that know this bring a terminal library with them.

use std::borrow::Cow;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Space between two columns.
const GAP: usize = 2;

/// Columns of names that are worth more than a column that can be left out.
const NAME: usize = 24;

/// The same of the last column.
const WORDS: usize = 42;

/// A name is not cut to less than this.
const SHORT_NAME: usize = 16;

/// Below this a last column is cut in place of being wrapped.
const LEAST_TO_WRAP: usize = 16;

/// A piece of text with the style that it is shown in.
#[derive(Clone, Debug)]
pub(crate) struct TableCell {
    text: String,
    style: Style,
}

#[expect(clippy::needless_pass_by_value, reason = "callers pass what they have, owned or not")]
impl TableCell {
    pub(crate) fn new(text: impl ToString) -> Self {
        Self { text: text.to_string(), style: Style::new() }
    }

    pub(crate) fn styled(style: Style, text: impl ToString) -> Self {
        Self { text: text.to_string(), style }
    }

    /// The cell behind a remark that matters more, in the style of that.
    pub(crate) fn behind(self, style: Style, remark: &str) -> Self {
        let gap = if self.text.is_empty() { "" } else { "; " };
        Self { text: format!("{remark}{gap}{}", self.text), style }
    }

    /// The cell with more text in it.
    pub(crate) fn followed_by(mut self, more: &str) -> Self {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(more);
        self
    }
}

/// Rows under headings; each column is as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct TextTable {
    rows: Vec<Vec<TableCell>>,
    spare: Vec<usize>,
    names: Option<usize>,
    wraps: bool,
}

impl TextTable {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let faint = Style::new().dimmed();
        let headings = headings.iter().map(|text| TableCell::styled(faint, text.to_uppercase()));
        Self { rows: vec![headings.collect()], spare: Vec::new(), names: None, wraps: false }
    }

    /// Columns that can be left out where there is no room, the first ones first.
    #[must_use]
    pub(crate) fn spare(self, columns: &[usize]) -> Self {
        Self { spare: columns.to_vec(), ..self }
    }

    /// The column of names, which are cut in the middle so that the last column keeps its words.
    #[must_use]
    pub(crate) fn names(self, column: usize) -> Self {
        Self { names: Some(column), ..self }
    }

    /// Goes on in further lines where the last column has no room.
    #[must_use]
    pub(crate) fn wraps(self, wraps: bool) -> Self {
        Self { wraps, ..self }
    }

    pub(crate) fn row(&mut self, cells: Vec<TableCell>) {
        self.rows.push(cells);
    }

    /// The lines; with a `width`, none is longer: columns are left out, names cut in the middle,
    /// and what is still too long is wrapped or cut at its end.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let layout = self.layout(width);
        let lines = self.rows.iter().map(|row| self.line(row, &layout));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn layout(&self, limit: Option<usize>) -> TableLayout {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |column: usize| {
            self.rows.iter().filter_map(|row| Some(row.get(column)?.text.width())).max()
        };
        let mut widths: Vec<usize> =
            (0..columns).map(|column| width_of(column).unwrap_or(0)).collect();
        let mut shown: Vec<usize> = (0..columns).collect();
        let Some(limit) = limit else { return TableLayout { shown, widths, limit } };
        let last = columns.saturating_sub(1);
        let names = self.names.filter(|&names| names != last);
        // What a table with names is content with, before a column is left out.
        let least = |widths: &[usize], column: usize| match names {
            Some(names) if column == names => widths[column].min(NAME),
            Some(_) if column == last => widths[column].min(WORDS),
            _ => widths[column],
        };
        for spare in &self.spare {
            let taken: usize = shown.iter().map(|&column| least(&widths, column) + GAP).sum();
            if taken > limit + GAP {
                shown.retain(|column| column != spare);
            }
        }
        if let Some(names) = names {
            let others = shown.iter().filter(|&&column| column != names && column != last);
            let others: usize = others.map(|&column| widths[column] + GAP).sum();
            let room = limit.saturating_sub(others + GAP);
            // One line that says much is wrapped or cut sooner than all names.
            let words = widths[last].min(WORDS.max(room / 2));
            let wanted = room.saturating_sub(words).max(widths[names].min(SHORT_NAME));
            widths[names] = widths[names].min(wanted);
        }
        TableLayout { shown, widths, limit: Some(limit) }
    }

    fn line(&self, row: &[TableCell], layout: &TableLayout) -> String {
        let mut line = String::new();
        let (mut written, mut start) = (0, 0);
        for &column in &layout.shown {
            let Some(cell) = row.get(column) else { break };
            let room = layout.limit.map_or(usize::MAX, |limit| limit.saturating_sub(start));
            let is_last = layout.shown.last() == Some(&column);
            let texts = if self.names == Some(column) && layout.limit.is_some() {
                vec![cut_middle(&cell.text, layout.widths[column].min(room)).into_owned()]
            } else if is_last && self.wraps && room >= LEAST_TO_WRAP {
                wrap(&cell.text, room)
            } else {
                vec![cut(&cell.text, room).into_owned()]
            };
            for (n, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                if n > 0 {
                    line.push('\n');
                    written = 0;
                }
                // Blanks are written before the next text only, so no line ends in them.
                line.extend(std::iter::repeat_n(' ', start - written));
                line.push_str(&format!("{0}{text}{0:#}", cell.style));
                written = start + text.width();
            }
            start += layout.widths[column] + GAP;
        }
        line
    }
}

/// The columns as they fit.
struct TableLayout {
    shown: Vec<usize>,
    widths: Vec<usize>,
    limit: Option<usize>,
}

/// As much of the text as there is room for; a mark says that there is more.
pub(crate) fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if text.width() <= room {
        return text.into();
    }
    let mark = if room > 0 { "…" } else { "" };
    format!("{}{mark}", beginning(text, room.saturating_sub(1))).into()
}

/// The beginning and the end of a text, as much as there is room for.
pub(crate) fn cut_middle(text: &str, room: usize) -> Cow<'_, str> {
    if text.width() <= room {
        return text.into();
    }
    if room < 5 {
        return cut(text, room);
    }
    let back = (room - 1) / 2;
    let mut end = text.len();
    let mut left = back;
    for (at, c) in text.char_indices().rev() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        (left, end) = (rest, at);
    }
    format!("{}…{}", beginning(text, room - 1 - back), &text[end..]).into()
}

/// The longest beginning of a text that has at most so many columns.
fn beginning(text: &str, room: usize) -> &str {
    let mut left = room;
    for (at, c) in text.char_indices() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { return &text[..at] };
        left = rest;
    }
    text
}

/// The text in lines of at most so many columns, broken at blanks where there are some.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for mut word in text.split(' ') {
        loop {
            let line = lines.last_mut().expect("there is always a line");
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= room {
                line.extend(std::iter::repeat_n(' ', gap));
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                let part = beginning(word, room);
                // One that is wider than the room is alone.
                let end = word.chars().next().map_or(0, char::len_utf8);
                let part = if part.is_empty() { &word[..end] } else { part };
                line.push_str(part);
                word = &word[part.len()..];
            }
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{TableCell, TextTable, cut_middle, wrap};
    use anstyle::AnsiColor;

    #[test]
    fn colours_and_wide_letters_do_not_shift_columns() {
        let mut table = TextTable::new(&["a", "b", "c"]);
        table.row(vec![
            TableCell::styled(AnsiColor::Red.on_default(), "red"),
            TableCell::new(""),
            TableCell::new("x"),
        ]);
        table.row(vec![TableCell::new("日本"), TableCell::new("y"), TableCell::new("")]);
        let plain = anstream::adapter::strip_str(&table.render(None)).to_string();
        assert_eq!(plain, "A     B  C\nred      x\n日本  y");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_cut_lines() {
        let mut table = TextTable::new(&["a", "b", "c"]).spare(&[1]);
        table.row(vec![
            TableCell::new("first"),
            TableCell::new("second"),
            TableCell::new("the last one"),
        ]);
        let render = |width| anstream::adapter::strip_str(&table.render(Some(width))).to_string();
        assert_eq!(render(27), "A      B       C\nfirst  second  the last one");
        assert_eq!(render(26), "A      C\nfirst  the last one");
        assert_eq!(render(12), "A      C\nfirst  the …");
        assert_eq!(render(3), "A\nfi…");
    }

    #[test]
    fn names_are_cut_and_words_wrapped() {
        let mut table = TextTable::new(&["job", "stage", ""]).spare(&[1]).names(0).wraps(true);
        let name = "a-name-of-forty-characters-or-so-it-is-1";
        table.row(vec![
            TableCell::new(name),
            TableCell::new("inbox"),
            TableCell::new("waits on something long"),
        ]);
        let render = |width| anstream::adapter::strip_str(&table.render(width)).to_string();
        let whole = format!("{name}  inbox  waits on something long");
        assert_eq!(render(None).lines().last(), Some(&*whole));
        assert_eq!(
            render(Some(60)),
            "JOB                           STAGE\n\
             a-name-of-fort…or-so-it-is-1  inbox  waits on something long"
        );
        assert_eq!(
            render(Some(36)),
            "JOB\na-name-o…it-is-1  waits on something\n                  long"
        );
    }

    #[test]
    fn cuts_know_how_wide_letters_are() {
        assert_eq!(cut_middle("日本日本日本", 7), "日…本");
        assert_eq!(cut_middle("abcdef", 6), "abcdef");
        assert_eq!(cut_middle("abcdef", 5), "ab…ef");
        assert_eq!(cut_middle("abcdef", 3), "ab…");
        assert_eq!(wrap("日本日本 a  b", 4), ["日本", "日本", "a  b"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("日", 1), ["日"]);
    }
}
