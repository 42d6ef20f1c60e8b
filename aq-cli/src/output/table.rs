//! Columns of text. Its own few lines, because cells carry colours that take no room, and table
//! crates that know this bring a terminal library with them.

use std::borrow::Cow;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Space between two columns.
const GAP: usize = 2;

/// A piece of text with the style that it is shown in.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

#[expect(clippy::needless_pass_by_value, reason = "callers pass what they have, owned or not")]
impl Cell {
    pub(crate) fn new(text: impl ToString) -> Self {
        Self { text: text.to_string(), style: Style::new() }
    }

    pub(crate) fn styled(style: Style, text: impl ToString) -> Self {
        Self { text: text.to_string(), style }
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
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
    spare: Vec<usize>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let faint = Style::new().dimmed();
        let headings = headings.iter().map(|text| Cell::styled(faint, text.to_uppercase()));
        Self { rows: vec![headings.collect()], spare: Vec::new() }
    }

    /// Columns that can be left out where there is no room, the first ones first.
    #[must_use]
    pub(crate) fn spare(self, columns: &[usize]) -> Self {
        Self { spare: columns.to_vec(), ..self }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there are only headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The lines; with a `width`, none is longer: columns are left out, and what is still too long
    /// is cut.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |column: usize| {
            self.rows.iter().filter_map(|row| Some(row.get(column)?.text.width())).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width_of(column).unwrap_or(0)).collect();
        let mut shown: Vec<usize> = (0..columns).collect();
        for spare in &self.spare {
            let taken: usize = shown.iter().map(|&column| widths[column] + GAP).sum();
            if width.is_some_and(|width| taken > width + GAP) {
                shown.retain(|column| column != spare);
            }
        }
        let lines = self.rows.iter().map(|row| line(row, &shown, &widths, width));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn line(row: &[Cell], shown: &[usize], widths: &[usize], limit: Option<usize>) -> String {
    let mut line = String::new();
    let (mut written, mut start) = (0, 0);
    for &column in shown {
        let Some(cell) = row.get(column) else { break };
        let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(start));
        let text = cut(&cell.text, room);
        if !text.is_empty() {
            // Blanks are written before the next text only, so no line ends in them.
            line.extend(std::iter::repeat_n(' ', start - written));
            line.push_str(&format!("{0}{text}{0:#}", cell.style));
            written = start + text.width();
        }
        start += widths[column] + GAP;
    }
    line
}

/// As much of the text as there is room for; a mark says that there is more.
fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if text.width() <= room {
        return text.into();
    }
    let mut out = String::new();
    let mut left = room.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        out.push(c);
    }
    if room > 0 {
        out.push('…');
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::{Cell, Table};
    use anstyle::AnsiColor;

    #[test]
    fn colours_and_wide_letters_do_not_shift_columns() {
        let mut table = Table::new(&["a", "b", "c"]);
        table.row(vec![
            Cell::styled(AnsiColor::Red.on_default(), "red"),
            Cell::new(""),
            Cell::new("x"),
        ]);
        table.row(vec![Cell::new("日本"), Cell::new("y"), Cell::new("")]);
        let plain = anstream::adapter::strip_str(&table.render(None)).to_string();
        assert_eq!(plain, "A     B  C\nred      x\n日本  y");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_cut_lines() {
        let mut table = Table::new(&["a", "b", "c"]).spare(&[1]);
        table.row(vec![Cell::new("first"), Cell::new("second"), Cell::new("the last one")]);
        let render = |width| anstream::adapter::strip_str(&table.render(Some(width))).to_string();
        assert_eq!(render(27), "A      B       C\nfirst  second  the last one");
        assert_eq!(render(26), "A      C\nfirst  the last one");
        assert_eq!(render(12), "A      C\nfirst  the …");
        assert_eq!(render(3), "A\nfi…");
    }
}
