//! What a case expected and what was seen, for the test and for the table of `tools/engine-matrix`.

use std::any::Any;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

/// One thing that a case looks at.
#[derive(Debug)]
struct Point {
    name: &'static str,
    wanted: String,
    seen: String,
}

impl Point {
    fn is_right(&self) -> bool {
        self.wanted == self.seen
    }
}

/// The points of one case with one engine.
#[derive(Debug, Default)]
pub(super) struct Report {
    points: Vec<Point>,
}

impl Report {
    pub(super) fn expect(
        &mut self,
        name: &'static str,
        wanted: impl Display,
        seen: impl Display,
    ) -> &mut Self {
        let (wanted, seen) = (wanted.to_string(), seen.to_string());
        self.points.push(Point { name, wanted, seen });
        self
    }

    pub(super) fn is_right(&self) -> bool {
        self.points.iter().all(Point::is_right)
    }

    /// Writes the cell of the table, and beside it the log where something is wrong.
    pub(super) fn write(&self, dir: &Path, cell: &str, broke: Option<&str>, log: &str) {
        let mut text = match broke {
            Some(why) => format!("W {}; {self}", why.replace('\n', " ")),
            None => self.to_string(),
        };
        text = text.replace('|', "\\|");
        fs::write(dir.join(cell), text.trim_end_matches("; ")).unwrap();
        if broke.is_some() || !self.is_right() {
            fs::write(dir.join(format!("{cell}.log")), log).unwrap();
        }
    }
}

/// `R`, and what was seen; or `W`, and what should have been. Names of points only where it helps.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let wrong = self.points.iter().filter(|point| !point.is_right());
        let wrong: Vec<String> = wrong
            .map(|Point { name, wanted, seen }| format!("{name}: {seen}, not {wanted}"))
            .collect();
        if !wrong.is_empty() {
            return write!(f, "W {}", wrong.join("; "));
        }
        let seen: Vec<&str> = self.points.iter().map(|point| point.seen.as_str()).collect();
        write!(f, "R {}", seen.join("; "))
    }
}

/// The words of a test that gave up.
pub(super) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").chars().take(400).collect()
}
