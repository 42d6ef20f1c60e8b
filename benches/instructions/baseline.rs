//! The counts that are agreed on, and what is said when others are found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions/baseline.txt");
const UPDATE: &str =
    "cargo run --profile instructions -p aq-benches --bin instructions -- --update";

/// Per cent that a path may grow or shrink by.
const TOLERANCE: u64 = 5;

/// Counts, and the compiler that they hold for.
#[derive(Debug, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) machine: String,
    pub(crate) counted: BTreeMap<String, u64>,
}

impl Baseline {
    pub(crate) fn read() -> Result<Self, String> {
        let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let machine = lines.next().unwrap_or_default().to_owned();
        let counted = lines
            .map(|line| {
                let (name, count) = line.split_once(' ')?;
                Some((name.to_owned(), count.trim().parse().ok()?))
            })
            .collect::<Option<_>>();
        let counted = counted.ok_or_else(|| format!("{FILE} is damaged; write it: {UPDATE}"))?;
        Ok(Self { machine, counted })
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "# Instructions that the hot paths of benches/instructions/paths.rs take.\n\
             # `./test` fails when one takes {TOLERANCE} % more. To take in what they are now:\n\
             # {UPDATE}\n{}\n",
            self.machine
        );
        for (name, count) in &self.counted {
            let _ = writeln!(text, "{name:<16} {count:>10}");
        }
        text
    }

    pub(crate) fn write(&self) -> Result<String, String> {
        fs::write(FILE, self.to_text()).map_err(|error| format!("{FILE}: {error}"))?;
        Ok(format!("{FILE} is written"))
    }

    pub(crate) fn other_machine(&self, here: &str) -> String {
        format!("the baseline is for {}, and this is {here}; to change it: {UPDATE}", self.machine)
    }

    /// A table of what was counted; as an error when it cannot be accepted.
    pub(crate) fn judge(&self, now: &BTreeMap<String, u64>) -> Result<String, String> {
        let (mut table, mut grown, mut shrunk) = (String::new(), Vec::new(), Vec::new());
        for (name, &count) in now {
            let Some(&before) = self.counted.get(name) else {
                grown.push(format!("{name} is not in the baseline"));
                continue;
            };
            let change = (count as f64 / before as f64 - 1.0) * 100.0;
            let _ = writeln!(table, "{name:<16} {count:>10} instructions, {change:+.2} %");
            if count * 100 > before * (100 + TOLERANCE) {
                grown.push(format!("{name} takes {change:.1} % more: {before} -> {count}"));
            } else if count * 100 < before * (100 - TOLERANCE) {
                shrunk.push(name.as_str());
            }
        }
        let gone = self.counted.keys().filter(|name| !now.contains_key(*name));
        grown.extend(gone.map(|name| format!("{name} is in the baseline and was not counted")));
        if !grown.is_empty() {
            return Err(format!(
                "{table}\n{}\nWhere: callgrind_annotate target/instructions/callgrind/NAME. If it \
                 has to be so, say why in the commit, and take it in: {UPDATE}",
                grown.join("\n")
            ));
        }
        if !shrunk.is_empty() {
            let shrunk = shrunk.join(", ");
            let _ = write!(table, "{shrunk}: less than before; keep it with {UPDATE}");
        }
        Ok(table.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    fn baseline() -> Baseline {
        let counted = counts(&[("order", 1_000), ("plan", 200_000)]);
        Baseline { machine: "rustc 1.95.0 (abc 2026-04-14)".to_owned(), counted }
    }

    #[test]
    fn a_baseline_survives_its_file() {
        assert_eq!(Baseline::parse(&baseline().to_text()), Ok(baseline()));
        assert!(Baseline::parse("rustc\nplan many\n").unwrap_err().contains("--update"));
    }

    #[test]
    fn paths_may_grow_five_percent() {
        let report = baseline().judge(&counts(&[("order", 1_050), ("plan", 200_000)])).unwrap();
        assert!(report.contains("+5.00 %") && !report.contains("--update"), "{report}");
        let report = baseline().judge(&counts(&[("order", 1_060), ("plan", 200_000)])).unwrap_err();
        assert!(report.contains("order takes 6.0 % more: 1000 -> 1060"), "{report}");
        assert!(report.contains("--update") && !report.contains("plan takes"), "{report}");
    }

    #[test]
    fn gain_is_to_be_kept() {
        let report = baseline().judge(&counts(&[("order", 900), ("plan", 200_000)])).unwrap();
        assert!(report.contains("order: less than before"), "{report}");
    }

    #[test]
    fn paths_come_and_go_only_with_the_baseline() {
        let one_more = counts(&[("order", 1_000), ("plan", 200_000), ("why", 1)]);
        assert!(baseline().judge(&one_more).unwrap_err().contains("why is not in the baseline"));
        let one_less = counts(&[("order", 1_000)]);
        assert!(baseline().judge(&one_less).unwrap_err().contains("plan is in the baseline"));
    }
}
