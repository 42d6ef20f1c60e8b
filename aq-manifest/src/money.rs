//! Amounts of money for people.

/// An amount in US dollars as people write it: `$1.07`, `$1,204.50`, and of small ones the digits
/// that matter: `$0.012`, `$0.0031`.
pub fn format_dollars(amount: f64) -> String {
    let sign = if amount < 0.0 { "-" } else { "" };
    let amount = amount.abs();
    if amount > 0.0 && amount < 0.00005 {
        return format!("{sign}<$0.0001");
    }
    // By what is left after rounding: $0.0996 is $0.10.
    let places = match amount {
        0.000_05..0.009_95 => 4,
        0.009_95..0.099_5 => 3,
        _ => 2,
    };
    let text = format!("{amount:.places$}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    // Two of them are always written, and no zeros after those.
    let told = part.trim_end_matches('0').len().max(2).min(part.len());
    let part = &part[..told];
    let mut grouped = String::with_capacity(text.len() + whole.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && amount.is_finite() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}${grouped}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::format_dollars;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (0.000_01, "<$0.0001"),
            (0.0031, "$0.0031"),
            (0.012_34, "$0.012"),
            (0.0996, "$0.10"),
            (0.05, "$0.05"),
            (0.003, "$0.003"),
            (0.5, "$0.50"),
            (0.999, "$1.00"),
            (1.07, "$1.07"),
            (999.999, "$1,000.00"),
            (1204.5, "$1,204.50"),
            (1_234_567.0, "$1,234,567.00"),
            (-3.5, "-$3.50"),
        ] {
            assert_eq!(format_dollars(amount), text);
        }
    }
}
