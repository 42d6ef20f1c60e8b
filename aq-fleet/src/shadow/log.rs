//! The whole of `fleet-shadow.log`.

use super::line::ComparisonLine;

/// The content of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparisonLog {
    /// Its lines, the oldest first.
    pub lines: Vec<ComparisonLine>,
    /// Number of lines that were passed over: torn, damaged, or written by somebody else.
    pub bad: u64,
}

/// Reads a log. A last line without a newline is torn, and not counted at all.
pub fn read_log(bytes: &[u8]) -> ComparisonLog {
    let mut log = ComparisonLog::default();
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    for line in bytes[..whole].split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        match std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()) {
            Some(line) => log.lines.push(line),
            None => log.bad += 1,
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "ts=2026-01-02T03:04:05Z verdict=AGREE local=a coord=a reason=- \
                        latency_ms=1 snapshot=0000000000000001";

    #[test]
    fn torn_and_hostile_lines_cost_only_themselves() {
        let mut bytes = format!("{GOOD}\n\nnonsense\n{GOOD}\n").into_bytes();
        bytes.extend(b"\0\0\0\n\xff\xfe\n");
        bytes.extend(format!("{GOOD} {GOOD}\n{}\n", "x".repeat(1 << 20)).bytes());
        bytes.extend(&GOOD.as_bytes()[..40]);
        let log = read_log(&bytes);
        assert_eq!((log.lines.len(), log.bad), (2, 5));
        assert_eq!(read_log(GOOD.as_bytes()), ComparisonLog::default());
        assert_eq!(read_log(b""), ComparisonLog::default());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read_log(&bytes).lines.is_empty());
        }
    }
}
