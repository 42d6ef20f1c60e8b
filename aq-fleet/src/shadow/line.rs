//! One line of `fleet-shadow.log`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use jiff::Timestamp;

use super::compare::ShadowComparison;
use super::reason::ShadowReason;
use super::snapshot::SnapshotId;
use crate::protocol::ShadowVerdict;

/// The longest line that is read, in bytes without its newline. None that is written is longer.
pub const MAX_LINE_BYTES: usize = 4096;

/// Maximum of a key that is written, in characters. Where it is cut, `…` follows.
const MAX_KEY: usize = 128;

/// The text in the place of a key that is not there.
const NO_KEY: &str = "-";

/// One comparison, and when it was made.
///
/// As text: `ts=… verdict=… local=… coord=… reason=… latency_ms=… snapshot=…`, in this order. A key
/// that is not there is `-`. In keys everything but ASCII letters, digits and `. _ / : @ + -` is
/// written as `%` and two hexadecimal digits a byte, and so is the first character of the key `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparisonLine {
    /// When the host decided, by its clock.
    pub ts: Timestamp,
    /// Agreement, or its opposite.
    pub verdict: ShadowVerdict,
    /// The key of the host's pick. Text from outside: escape it before it is shown.
    pub local: Option<String>,
    /// The key of the coordinator's. Text from outside: escape it before it is shown.
    pub coord: Option<String>,
    /// The cause of the difference.
    pub reason: Option<ShadowReason>,
    /// Time that the coordinator took to answer, in milliseconds.
    pub latency_ms: u64,
    /// The snapshot from which the host chose.
    pub snapshot: SnapshotId,
}

/// Reason why a text is no line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than [`MAX_LINE_BYTES`].
    #[error("a line has at most {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// A part that is not `name=value`, or a name that is there twice.
    #[error("a line is made of name=value, each name once")]
    Malformed,
    /// This field is not there, or its value is none.
    #[error("`{0}` is missing or wrong")]
    Field(&'static str),
}

impl ComparisonLine {
    /// The line of a comparison.
    pub fn new(
        ts: Timestamp,
        comparison: ShadowComparison,
        latency_ms: u64,
        snapshot: SnapshotId,
    ) -> Self {
        let ShadowComparison { verdict, local, coord, reason } = comparison;
        Self { ts, verdict, local, coord, reason, latency_ms, snapshot }
    }
}

impl fmt::Display for ComparisonLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ts={} verdict={} local={} coord={} reason={} latency_ms={} snapshot={}",
            self.ts,
            self.verdict.as_str(),
            LineKey(self.local.as_deref()),
            LineKey(self.coord.as_deref()),
            self.reason.map_or(NO_KEY, ShadowReason::as_str),
            self.latency_ms,
            self.snapshot,
        )
    }
}

impl FromStr for ComparisonLine {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LINE_BYTES {
            return Err(LineError::TooLong);
        }
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for part in text.split(' ') {
            let (name, value) = part.split_once('=').ok_or(LineError::Malformed)?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(LineError::Malformed);
            }
            fields.push((name, value));
        }
        let raw = |name: &'static str| {
            let found = fields.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value).ok_or(LineError::Field(name))
        };
        let reason = match raw("reason")? {
            NO_KEY => None,
            // A later version may know more of them.
            other => Some(other.parse().unwrap_or(ShadowReason::Unknown)),
        };
        Ok(Self {
            ts: parsed("ts", raw("ts")?)?,
            verdict: verdict(raw("verdict")?).ok_or(LineError::Field("verdict"))?,
            local: key(raw("local")?).ok_or(LineError::Field("local"))?,
            coord: key(raw("coord")?).ok_or(LineError::Field("coord"))?,
            reason,
            latency_ms: parsed("latency_ms", raw("latency_ms")?)?,
            snapshot: parsed("snapshot", raw("snapshot")?)?,
        })
    }
}

fn parsed<T: FromStr>(name: &'static str, value: &str) -> Result<T, LineError> {
    value.parse().map_err(|_| LineError::Field(name))
}

fn verdict(text: &str) -> Option<ShadowVerdict> {
    use ShadowVerdict::{Agree, CoordEmpty, Diverge, Error, LocalEmpty};
    [Agree, Diverge, CoordEmpty, LocalEmpty, Error]
        .into_iter()
        .find(|verdict| verdict.as_str() == text)
}

/// A key as it is written.
struct LineKey<'a>(Option<&'a str>);

impl fmt::Display for LineKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(key) = self.0 else { return f.write_str(NO_KEY) };
        let mut chars = key.chars();
        for c in chars.by_ref().take(MAX_KEY) {
            let is_plain = c.is_ascii_alphanumeric() || "._/:@+-".contains(c);
            if is_plain && key != NO_KEY {
                f.write_char(c)?;
            } else {
                escape(f, c)?;
            }
        }
        if chars.next().is_some() { escape(f, '…') } else { Ok(()) }
    }
}

fn escape(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))
}

/// The key that was written so.
fn key(text: &str) -> Option<Option<String>> {
    if text == NO_KEY {
        return Some(None);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(local: Option<&str>, coord: Option<&str>) -> ComparisonLine {
        ComparisonLine {
            ts: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            verdict: ShadowVerdict::Diverge,
            local: local.map(str::to_owned),
            coord: coord.map(str::to_owned),
            reason: Some(ShadowReason::Lock),
            latency_ms: 12,
            snapshot: "e3b0c44298fc1c14".parse().unwrap(),
        }
    }

    #[test]
    fn a_line_is_as_the_spec_writes_it() {
        assert_eq!(
            line(Some("tracker-12"), None).to_string(),
            "ts=2026-01-02T03:04:05.678Z verdict=DIVERGE local=tracker-12 coord=- reason=lock \
             latency_ms=12 snapshot=e3b0c44298fc1c14"
        );
        let agree = ComparisonLine {
            verdict: ShadowVerdict::Agree,
            reason: None,
            ..line(Some("-"), Some("a b\n=%"))
        };
        let text = agree.to_string();
        assert!(text.contains(" local=%2D coord=a%20b%0A%3D%25 reason=- "), "{text}");
        assert_eq!(text.parse(), Ok(agree));
    }

    #[test]
    fn words_of_the_log_are_those_of_the_wire() {
        for word in ["AGREE", "DIVERGE", "COORD_EMPTY", "LOCAL_EMPTY", "ERROR"] {
            let on_the_wire: ShadowVerdict = serde_json::from_str(&format!("\"{word}\"")).unwrap();
            assert_eq!(verdict(word), Some(on_the_wire));
        }
        for reason in ShadowReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
    }

    #[test]
    fn lines_take_unknown_fields_only() {
        let good = line(Some("a"), Some("b")).to_string();
        let later = good.replace("reason=lock", "reason=moon") + " more=1";
        assert_eq!(later.parse::<ComparisonLine>().unwrap().reason, Some(ShadowReason::Unknown));
        for (from, to, error) in [
            ("ts=2026", "ts=yesterday", LineError::Field("ts")),
            ("DIVERGE", "diverge", LineError::Field("verdict")),
            ("local=a", "local=%4", LineError::Field("local")),
            ("local=a", "local=%FF", LineError::Field("local")),
            ("coord=b", "coord=%zz", LineError::Field("coord")),
            ("latency_ms=12", "latency_ms=-1", LineError::Field("latency_ms")),
            (" latency_ms=12", "", LineError::Field("latency_ms")),
            ("snapshot=e3", "snapshot=xx", LineError::Field("snapshot")),
            ("coord=b", "coord=b local=c", LineError::Malformed),
            ("coord=b", "coord=b  ", LineError::Malformed),
        ] {
            assert_eq!(
                good.replace(from, to).parse::<ComparisonLine>(),
                Err(error),
                "{from} to {to}"
            );
        }
        let long = format!("{good} x={}", "y".repeat(MAX_LINE_BYTES));
        assert_eq!(long.parse::<ComparisonLine>(), Err(LineError::TooLong));
    }

    #[test]
    fn long_key_is_cut() {
        let long = line(Some(&"é".repeat(5_000)), Some(&"\u{10ffff}".repeat(300)));
        let text = long.to_string();
        let back: ComparisonLine = text.parse().unwrap();
        assert_eq!(back.local.unwrap(), "é".repeat(128) + "…");
        assert!(text.len() <= MAX_LINE_BYTES - 100, "{}", text.len());
    }

    proptest! {
        #[test]
        fn any_key_survives_and_stays_on_one_line(key in "\\PC{0,60}|[\\x00-\\x7f]{0,60}") {
            let line = line(Some(&key), Some("x"));
            let text = line.to_string();
            prop_assert!(text.bytes().all(|b| (b' '..0x7f).contains(&b)), "{}", text);
            prop_assert_eq!(text.parse(), Ok(line));
        }

        #[test]
        fn no_text_panics(text in "\\PC*|(ts|verdict|local|=|%| |-|[0-9a-f]){0,40}") {
            let _ = text.parse::<ComparisonLine>();
        }
    }
}
