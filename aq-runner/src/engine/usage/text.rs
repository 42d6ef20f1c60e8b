//! Usage out of lines of text.

use serde_json::Value;

use super::RunTokens;
use super::counts::{dollars, tokens};

/// The beginning of the generic line.
const MARK: &[u8] = b"AQ_USAGE";

/// Reads a line `AQ_USAGE {...}`: usage in meta's own terms, and the model. Any key may be missing.
pub(in crate::engine) fn generic_line(line: &[u8]) -> Option<(RunTokens, Value)> {
    let object = line.trim_ascii().strip_prefix(MARK)?.trim_ascii();
    let object: Value = serde_json::from_slice(object).ok()?;
    object.is_object().then(|| {
        let usage = RunTokens {
            input_tokens: tokens(&object["input_tokens"]),
            cached_tokens: tokens(&object["cached_tokens"]),
            cache_write_tokens: tokens(&object["cache_write_tokens"]),
            output_tokens: tokens(&object["output_tokens"]),
            reasoning_tokens: tokens(&object["reasoning_tokens"]),
            total_tokens: tokens(&object["total_tokens"]),
            cost_usd: dollars(&object["cost_usd"]),
            estimated: false,
        };
        (usage, object["model"].clone())
    })
}

/// Estimates usage from the words for people about tokens and money in the end of a run's text. The
/// last line that names a number wins, except that messages ("sent", "received") are summed up.
pub(in crate::engine) fn estimate(text: &str) -> RunTokens {
    let mut usage = RunTokens::default();
    let mut awaits_total = false;
    for line in text.lines() {
        let line = line.trim().to_lowercase();
        let words = words(&line);
        if std::mem::take(&mut awaits_total)
            && let [UsageWord::Number(count)] = words[..]
        {
            usage.total_tokens = whole(count);
        }
        awaits_total = line == "tokens used" || line == "total tokens";
        // "over the limit of 30,000 input tokens per minute" is what was not used.
        if ["limit", "exceed", "maximum", " per "].iter().any(|word| line.contains(word)) {
            continue;
        }
        if line.contains("token") {
            token_line(&line, &words, &mut usage);
        }
        if line.contains("cost") {
            cost_line(&line, &words, &mut usage);
        }
    }
    if usage.input_tokens.is_some() && usage.output_tokens.is_some() {
        usage.total_tokens = None;
    }
    usage.estimated = !usage.is_empty();
    usage
}

fn token_line(line: &str, words: &[UsageWord<'_>], usage: &mut RunTokens) {
    if let (Some(sent), Some(received)) = (before(words, "sent"), before(words, "received")) {
        let message = RunTokens {
            input_tokens: whole(sent),
            output_tokens: whole(received),
            cached_tokens: before(words, "hit").and_then(whole),
            ..RunTokens::default()
        };
        *usage = usage.plus(&message);
        return;
    }
    if let (Some(up), Some(down)) = (after(words, "↑"), after(words, "↓")) {
        let cached = before(words, "cached");
        usage.input_tokens = whole(up - cached.unwrap_or_default());
        usage.cached_tokens = cached.and_then(whole);
        usage.output_tokens = whole(down);
        return;
    }
    let named = |names: &[&str]| names.iter().find_map(|name| beside(words, name)).and_then(whole);
    if let Some(count) = named(&["cached", "cache_read_input_tokens", "cached_tokens"]) {
        usage.cached_tokens = Some(count);
    }
    if let Some(count) = named(&["input", "prompt", "input_tokens", "prompt_tokens"]) {
        usage.input_tokens = Some(count);
    }
    if let Some(count) = named(&["output", "completion", "output_tokens", "completion_tokens"]) {
        usage.output_tokens = Some(count);
    }
    let is_total = line.contains("tokens used") || line.contains("total tokens");
    if let (true, Some(count)) = (is_total, named(&["tokens used", "used", "total"])) {
        usage.total_tokens = Some(count);
    }
}

fn cost_line(line: &str, words: &[UsageWord<'_>], usage: &mut RunTokens) {
    let amounts: Vec<f64> = words
        .iter()
        .filter_map(|word| if let UsageWord::Money(amount) = word { Some(*amount) } else { None })
        .collect();
    // "$0.01 message, $0.02 session": the session has the sum.
    let amount = if line.contains("session") { amounts.last() } else { amounts.first() };
    if let Some(amount) = amount.and_then(|&amount| dollars(&Value::from(amount))) {
        usage.cost_usd = Some(amount);
    }
}

#[derive(Clone, Copy, Debug)]
enum UsageWord<'a> {
    Text(&'a str),
    Number(f64),
    Money(f64),
}

fn words(line: &str) -> Vec<UsageWord<'_>> {
    let apart =
        |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ':' | '=' | '|' | '"' | ';' | '*');
    line.split(apart)
        .map(|word| word.trim_matches([',', '.', '•', '-']))
        .filter(|word| !word.is_empty() && !matches!(*word, "tokens" | "token" | "count"))
        .map(|word| match (word.strip_prefix('$').and_then(number), number(word)) {
            (Some(amount), _) => UsageWord::Money(amount),
            (None, Some(count)) => UsageWord::Number(count),
            (None, None) => UsageWord::Text(word),
        })
        .collect()
}

/// `1234`, `1,234`, `1.2k`, `3m`.
fn number(word: &str) -> Option<f64> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (digits, scale) = match word.as_bytes().last()? {
        b'k' => (&word[..word.len() - 1], 1e3),
        b'm' => (&word[..word.len() - 1], 1e6),
        _ => (word, 1.0),
    };
    let plain = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.');
    digits
        .chars()
        .all(plain)
        .then(|| digits.replace(',', "").parse().ok())
        .flatten()
        .map(|n: f64| n * scale)
}

fn whole(count: f64) -> Option<u64> {
    tokens(&Value::from(count.round()))
}

/// The number right before the word.
fn before(words: &[UsageWord<'_>], name: &str) -> Option<f64> {
    words.windows(2).find_map(|pair| match pair {
        [UsageWord::Number(count), UsageWord::Text(text)] if *text == name => Some(*count),
        _ => None,
    })
}

/// The number right after the word.
fn after(words: &[UsageWord<'_>], name: &str) -> Option<f64> {
    words.windows(2).find_map(|pair| match pair {
        [UsageWord::Text(text), UsageWord::Number(count)] if *text == name => Some(*count),
        _ => None,
    })
}

fn beside(words: &[UsageWord<'_>], name: &str) -> Option<f64> {
    // A line is a list either of "name number" or of "number name".
    if matches!(words.first(), Some(UsageWord::Number(_))) {
        before(words, name)
    } else {
        after(words, name).or_else(|| before(words, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<u64>, Option<u64>, Option<u64>, Option<f64>) {
        let usage = estimate(text);
        assert_eq!(usage.estimated, !usage.is_empty(), "{text}");
        (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.cost_usd)
    }

    #[test]
    fn the_generic_line_may_lack_any_key() {
        let line = |text: &str| generic_line(text.as_bytes());
        let (usage, model) =
            line(r#" AQ_USAGE {"input_tokens":10,"output_tokens":2,"cost_usd":0.5,"model":"m"}"#)
                .unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(10), Some(2)));
        assert_eq!(
            (usage.cost_usd, usage.cached_tokens, usage.estimated),
            (Some(0.5), None, false)
        );
        assert_eq!(model, "m");
        assert!(line("AQ_USAGE {}").unwrap().0.is_empty());
        let odd = line(r#"AQ_USAGE{"input_tokens":-1,"output_tokens":"2","cost_usd":null,"x":1}"#);
        assert!(odd.unwrap().0.is_empty());
        for bad in ["AQ_USAGE", "AQ_USAGE [1]", "AQ_USAGE {", "say AQ_USAGE {}", "{}"] {
            assert_eq!(line(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_for_people_are_estimates() {
        let up_down = "Changes +0 -0\nTokens     ↑ 1.2k (200 cached) • ↓ 56 (7 reasoning)\n";
        assert_eq!(read(up_down), (Some(1000), Some(200), Some(56), None));
        let messages = "Tokens: 1.2k sent, 56 received.\nTokens: 2k sent, 1,044 received. \
                        Cost: $0.01 message, $0.03 session.";
        assert_eq!(read(messages), (Some(3200), None, Some(1100), Some(0.03)));
        assert_eq!(
            read("Input tokens: 1,234\nOutput tokens = 56"),
            (Some(1234), None, Some(56), None)
        );
        assert_eq!(read("1234 input tokens, 56 output tokens"), (Some(1234), None, Some(56), None));
        assert_eq!(read("input_tokens=12 output_tokens=3"), (Some(12), None, Some(3), None));
        assert_eq!(read("Total cost: $0.1234"), (None, None, None, Some(0.1234)));
    }

    #[test]
    fn total_alone_is_not_split() {
        assert_eq!(estimate("codex\nhi\ntokens used\n1,090\n").total_tokens, Some(1090));
        assert_eq!(estimate("Tokens used: 77").total_tokens, Some(77));
        assert_eq!(read("tokens used\n1,090\n"), (None, None, None, None));
    }

    #[test]
    fn other_text_is_not_read() {
        for text in [
            "",
            "token",
            "the cost is high",
            "3 files changed",
            "token 7f3a expired",
            "$5",
            "rate limit of 30,000 input tokens per minute",
        ] {
            assert_eq!(estimate(text), RunTokens::default(), "{text}");
        }
    }
}
