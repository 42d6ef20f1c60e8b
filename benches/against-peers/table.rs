//! The results as a table in Markdown.

use std::fmt::Write as _;

use crate::results::Results;
use crate::rows::{Bound, Goal, PEERS, Row, rows, thousands};

/// A table, and below it what it was measured with.
pub(crate) fn markdown(results: &Results) -> String {
    let peers: Vec<_> = PEERS.into_iter().filter(|(who, _)| results.knows(who)).collect();
    let mut head = vec!["what", "aq", "at least needed"];
    head.extend(peers.iter().map(|&(_, name)| name));
    head.extend(["ratio", "goal", "reached"]);
    let mut text = line(head.iter().map(ToString::to_string));
    text += &line(head.iter().map(|_| "---".to_owned()));
    for row in rows(results).iter().filter(|row| row.value(results, "aq").is_some()) {
        let mut cells = vec![row.name.clone(), cell(row, results, "aq")];
        cells.push(joined(row.floor.iter().filter_map(|(who, name)| {
            Some(format!("{name} {}", number(row.value(results, who)?)))
        })));
        cells.extend(peers.iter().map(|(who, _)| cell(row, results, who)));
        let goals = || row.goals.iter().filter(|goal| goal.limit(row, results).is_some());
        cells.push(ratio(row, results));
        cells.push(joined(goals().map(|goal| goal.text(row))));
        cells.push(joined(goals().filter_map(|goal| {
            Some(if goal.reached(row, results)? { "yes" } else { "no" }.to_owned())
        })));
        text += &line(cells.into_iter());
    }
    text.push('\n');
    text + &facts(results)
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut text = "|".to_owned();
    for cell in cells {
        if !cell.is_empty() {
            text = text + " " + &cell;
        }
        text += " |";
    }
    text + "\n"
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// The cell of a program in a row.
fn cell(row: &Row, results: &Results, who: &str) -> String {
    joined(
        row.parts.iter().filter_map(|part| Some(with_unit(results.of(&part.key, who)?, part.unit))),
    )
}

fn with_unit(value: f64, unit: &str) -> String {
    let number = number(value);
    match unit {
        "" | "/s" => number + unit,
        unit => format!("{number} {unit}"),
    }
}

/// aq beside those that its goals name, else beside the floor.
fn ratio(row: &Row, results: &Results) -> String {
    let Some(aq) = row.value(results, "aq") else { return String::new() };
    let floor = row.floor.iter().map(|(who, _)| row.value(results, who)).take(1);
    let mut others: Vec<Option<f64>> = row
        .goals
        .iter()
        .filter_map(|goal| match goal.bound {
            Bound::Plain(_) => None,
            Bound::Times(_, who, _) => Some(row.value(results, who)),
            Bound::Row(_, key, _) => Some(results.of(key, "aq")),
        })
        .collect();
    if others.is_empty() {
        others.extend(floor);
    }
    joined(others.into_iter().flatten().map(|other| format!("{:.2}", aq / other)))
}

impl Goal {
    /// The number that aq must not be worse than, when what it is compared with was measured.
    pub(crate) fn limit(&self, row: &Row, results: &Results) -> Option<f64> {
        match self.bound {
            Bound::Plain(limit) => Some(limit),
            Bound::Times(times, who, _) => Some(times * row.value(results, who)?),
            Bound::Row(times, key, _) => Some(times * results.of(key, "aq")?),
        }
    }

    fn reached(&self, row: &Row, results: &Results) -> Option<bool> {
        let limit = self.limit(row, results)?;
        let aq = results.of(&row.parts[self.part].key, "aq")?;
        Some(if row.rate { aq >= limit } else { aq <= limit })
    }

    fn text(&self, row: &Row) -> String {
        match (&self.bound, row.parts[self.part].unit) {
            (&Bound::Plain(limit), unit) => with_unit(limit, unit),
            (Bound::Times(times, _, name), _) => format!("{times} of {name}"),
            (Bound::Row(times, _, name), _) => format!("as {name} (up to {times})"),
        }
    }
}

/// With three digits, as far as they matter.
fn number(value: f64) -> String {
    if value >= 99.95 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded")]
        return thousands(value.round() as u64);
    }
    let text = if value >= 9.995 { format!("{value:.1}") } else { format!("{value:.2}") };
    text.strip_suffix(".00").or_else(|| text.strip_suffix(".0")).unwrap_or(&text).to_owned()
}

/// When, on what, and with which versions.
fn facts(results: &Results) -> String {
    let mut text = String::new();
    let mut add = |line: String| writeln!(text, "{line}").unwrap_or_default();
    for machine in results.facts("machine") {
        add(format!("Measured {}.", machine.join(", ")));
    }
    let versions = joined(results.facts("version").map(|version| version.join(" ")));
    if !versions.is_empty() {
        add(format!("With {versions}."));
    }
    let missing = joined(results.facts("missing").map(|peer| peer.join(" ")));
    if !missing.is_empty() {
        add(format!("Not installed, so left out: {missing}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_goals_are_reached() {
        let text = "#\tsize\tdrain\t1000\n#\tmachine\ttoday\ttwo cores\n#\tmissing\tsloop\n\
                    drain\taq\t459\tjobs/s\ndrain\tninja\t1979\tjobs/s\ndrain\thq\t300\tjobs/s\n\
                    idle-0-memory\taq\t5.71\tMB\nidle-0-cpu\taq\t0\t%\nidle-0-wakes\taq\t2.5\t/s\n";
        let table = markdown(&Results::parse(text).unwrap());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[2],
            "| drain of 1,000 jobs of `true`, two at a time: jobs a second | 459 | ninja 1,979 \
             | 300 | 0.23, 1.53 | 0.4 of ninja, 1.4 of HyperQueue | no, yes |"
        );
        assert_eq!(
            lines[3],
            "| a queue with nothing to do, empty | 5.71 MB, 0 %, 2.50/s | | | | 8 MB, 0 %, 0.05/s \
             | yes, yes, no |"
        );
        assert_eq!(
            lines[5..],
            ["Measured today, two cores.", "Not installed, so left out: sloop."]
        );
    }

    #[test]
    fn what_a_goal_is_beside_may_be_missing() {
        let results = Results::parse("drain\taq\t459\tjobs/s\n").unwrap();
        let table = markdown(&results);
        assert!(table.lines().nth(2).unwrap().ends_with("| 459 | | | | |"), "{table}");
    }

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 0.104, 4.0, 5.714, 9.999, 12.34, 99.96, 1979.4, 123_456.0].map(number);
        assert_eq!(shown, ["0", "0.10", "4", "5.71", "10", "12.3", "100", "1,979", "123,456"]);
    }
}
