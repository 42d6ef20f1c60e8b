//! Durations as job files write them: `90s`, `45m`, `2h`, `1d`, `1h30m`.

use std::time::Duration;

/// Units in falling order, in seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The longest duration: ten years, far below where time arithmetic could overflow.
const MAX_SECONDS: u64 = 10 * 366 * 86_400;

/// Reason why a text is no duration, with the byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; write a duration such as `90s`, `45m`, `2h`, `1d` or `1h30m`")]
pub struct DurationError {
    /// Byte offset in the text.
    pub at: usize,
    problem: &'static str,
}

impl DurationError {
    /// Returns the problem without the advice.
    pub(crate) fn problem(&self) -> &'static str {
        self.problem
    }
}

/// Reads a duration: one or more whole numbers with a unit, in falling order of units.
///
/// # Errors
/// Says what is wrong and where: no unit, an unknown one, units out of order, or more than ten
/// years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let fail = |at, problem| Err(DurationError { at, problem });
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    let mut units = UNITS.iter();
    for (at, c) in text.char_indices() {
        if let Some(digit) = c.to_digit(10) {
            let longer =
                number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit.into()));
            match longer {
                Some(n) if n <= MAX_SECONDS => number = Some(n),
                _ => return fail(at, "the duration is too long"),
            }
            continue;
        }
        let Some(n) = number.take() else {
            return fail(at, "a number is expected here");
        };
        if !UNITS.iter().any(|&(unit, _)| unit == c) {
            return fail(at, "the unit is not one of `s`, `m`, `h`, `d`");
        }
        let Some((_, seconds)) = units.by_ref().find(|&&(unit, _)| unit == c) else {
            return fail(at, "units go from large to small, each once");
        };
        total = total.saturating_add(n.saturating_mul(*seconds));
        if total > MAX_SECONDS {
            return fail(at, "the duration is too long");
        }
    }
    match number {
        Some(_) => fail(text.len(), "the last number has no unit"),
        None if text.is_empty() => fail(0, "the duration is empty"),
        None => Ok(Duration::from_secs(total)),
    }
}

/// Writes a duration as a job file would, to the second: `1h30m`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut out = String::new();
    for (unit, seconds) in UNITS {
        let n = rest / seconds;
        rest %= seconds;
        if n > 0 {
            out.push_str(&format!("{n}{unit}"));
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_the_contract_parse() {
        for (text, seconds) in [
            ("90s", 90),
            ("45m", 2_700),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h30m", 5_400),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn bad_durations_say_where() {
        for (text, at) in [
            ("", 0),
            ("s", 0),
            ("10", 2),
            ("5x", 1),
            ("1m1h", 3),
            ("1h 5m", 2),
            ("-5s", 0),
            ("99999999999999999999d", 8),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().at, at, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn printed_durations_parse_back(seconds in 0..MAX_SECONDS) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
