//! Columns of text. Its own few lines, because cells carry colours that take no room, and table
//! crates that know this bring a terminal library with them.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

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
}

/// Rows under headings; each column is as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let faint = Style::new().dimmed();
        let headings = headings.iter().map(|text| Cell::styled(faint, text.to_uppercase()));
        Self { rows: vec![headings.collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there are only headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| Some(row.get(column)?.text.width()))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        let mut lines = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let mut line = String::new();
            let mut owed = 0;
            for (cell, width) in row.iter().zip(&widths) {
                if !cell.text.is_empty() {
                    // Blanks are written before the next text only, so no line ends in them.
                    line.extend(std::iter::repeat_n(' ', owed));
                    line.push_str(&format!("{0}{1}{0:#}", cell.style, cell.text));
                    owed = 0;
                }
                owed += width + GAP - cell.text.width();
            }
            lines.push(line);
        }
        lines.join("\n")
    }
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
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "A     B  C\nred      x\n日本  y");
    }
}
