//! The `room` section of the config: sizes and ages.

use serde::Deserialize;

/// The `room` section of `config.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RoomConfig {
    /// Nothing starts while less is free, such as `5g`. Default: nothing is asked for.
    pub free: Option<String>,
    /// Shipped jobs older than this are put away by the run loop, as `aq clean` does it. Default:
    /// never.
    pub keep: Option<String>,
}

/// A size: a whole number with `k`, `m`, `g` or `t` for the powers of 1000, or of bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (number, power) = match text.strip_suffix(['k', 'm', 'g', 't']) {
        Some(number) => {
            let unit = text.as_bytes().last()?;
            (number, 1 + "kmgt".bytes().position(|known| known == *unit)?)
        }
        None => (text, 0),
    };
    let number: u64 = number.trim().parse().ok()?;
    number.checked_mul(1000_u64.checked_pow(u32::try_from(power).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_thousand() {
        for (text, size) in
            [("12", 12), ("1KB", 1000), (" 2 m ", 2_000_000), ("1t", 1_000_000_000_000)]
        {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for bad in ["", "g", "-1g", "1.5g", "5x", "99999999t"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
