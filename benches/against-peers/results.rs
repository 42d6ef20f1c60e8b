//! The output of the scripts: a line for each round, and lines about the run.

use std::collections::BTreeMap;

/// One run. A measurement is `what TAB who TAB number TAB unit`, and what has several rounds counts
/// by its median. A fact is `# TAB name TAB value...`.
#[derive(Debug, Default)]
pub(crate) struct Results {
    measured: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    facts: Vec<Vec<String>>,
}

impl Results {
    /// Refuses a line that is neither, by its number.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut results = Self::default();
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('\t').collect();
            match words.as_slice() {
                ["#", fact @ ..] => {
                    results.facts.push(fact.iter().map(ToString::to_string).collect());
                }
                [what, who, number, _unit] => {
                    let number: f64 =
                        number.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(
                            || format!("line {}: expected a number, found `{number}`", at + 1),
                        )?;
                    let rounds = results.measured.entry((*what).to_owned()).or_default();
                    rounds.entry((*who).to_owned()).or_default().push(number);
                }
                _ => return Err(format!("line {}: expected four words with tabs", at + 1)),
            }
        }
        for rounds in results.measured.values_mut().flat_map(BTreeMap::values_mut) {
            rounds.sort_by(f64::total_cmp);
        }
        Ok(results)
    }

    /// The median of all rounds.
    pub(crate) fn of(&self, what: &str, who: &str) -> Option<f64> {
        let rounds = self.measured.get(what)?.get(who)?;
        let middle = rounds.len() / 2;
        Some(if rounds.len() % 2 == 1 {
            rounds[middle]
        } else {
            f64::midpoint(rounds[middle - 1], rounds[middle])
        })
    }

    /// Tests for a program of which anything was measured.
    pub(crate) fn knows(&self, who: &str) -> bool {
        self.measured.values().any(|rounds| rounds.contains_key(who))
    }

    /// The names of the measurements.
    pub(crate) fn whats(&self) -> impl Iterator<Item = &str> {
        self.measured.keys().map(String::as_str)
    }

    /// The values of all facts of this name, in the order of the file.
    pub(crate) fn facts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [String]> {
        self.facts.iter().filter_map(move |fact| match fact.as_slice() {
            [first, values @ ..] if first == name => Some(values),
            _ => None,
        })
    }

    /// Number of jobs of a measurement.
    pub(crate) fn size(&self, what: &str) -> Option<u64> {
        self.facts("size").find_map(|fact| match fact {
            [of, size] if of == what => size.parse().ok(),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_count_by_their_median() {
        let text = "#\tsize\tdrain\t1000\ndrain\taq\t3\tjobs/s\ndrain\taq\t1\tjobs/s\n\
                    drain\taq\t9\tjobs/s\ndrain\tnq\t4\tjobs/s\ndrain\tnq\t2\tjobs/s\n";
        let results = Results::parse(text).unwrap();
        assert_eq!(results.of("drain", "aq"), Some(3.0));
        assert_eq!(results.of("drain", "nq"), Some(3.0));
        assert_eq!(results.of("drain", "ninja"), None);
        assert_eq!(results.size("drain"), Some(1000));
        assert!(results.knows("nq") && !results.knows("ninja"));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = Results::parse("drain\taq\t3\tjobs/s\ndrain\taq\tmany\tjobs/s\n").unwrap_err();
        assert_eq!(error, "line 2: expected a number, found `many`");
        assert_eq!(
            Results::parse("drain aq 3\n").unwrap_err(),
            "line 1: expected four words with tabs"
        );
    }
}
