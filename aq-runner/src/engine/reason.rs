//! Short words for people, out of what an engine's vendor wrote.

use serde_json::Value;

/// The longest reason, in characters.
const REASON_MAX: usize = 300;

/// The beginnings of words that are keys: vendors repeat a rejected one in their message.
const KEY_PREFIXES: [&str; 8] =
    ["sk-", "ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "AIza", "eyJ"];

/// One line without control characters, terminal sequences or keys, at most 300 characters long.
pub(super) fn short(text: &str) -> String {
    let plain = without_escapes(text);
    let mut reason = String::new();
    for word in plain.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !reason.is_empty() {
            reason.push(' ');
        }
        let (shown, hidden) = word.split_at(key_start(word).unwrap_or(word.len()));
        reason.extend(shown.chars().filter(|&c| is_shown_as_is(c)));
        if !hidden.is_empty() {
            reason.push_str("***");
        }
        if reason.len() > 4 * REASON_MAX {
            break;
        }
    }
    match reason.char_indices().nth(REASON_MAX) {
        Some((at, _)) => format!("{}…", &reason[..at]),
        None => reason,
    }
}

/// Where in `word` the secret part of a key starts.
fn key_start(word: &str) -> Option<usize> {
    KEY_PREFIXES.iter().find_map(|prefix| {
        let at = word.find(prefix)?;
        let inside_a_word = word[..at].ends_with(char::is_alphanumeric);
        let start = at + prefix.len();
        (!inside_a_word && word.len() - start >= 8).then_some(start)
    })
}

/// Joins what there is of `parts`.
pub(super) fn join<const N: usize>(parts: [Option<&str>; N], between: &str) -> String {
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

/// The last line that begins with "error".
fn error_line(text: &str) -> Option<String> {
    let is_error =
        |line: &&str| line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("error"));
    lines(&without_escapes(text)).rfind(is_error).map(str::to_owned)
}

/// The words of a service, out of a message that holds its answer as JSON.
pub(super) fn service_answer(message: &str) -> String {
    let Some(at) = message.find('{') else { return message.to_owned() };
    let Some(answer) = first_object(&message[at..]) else { return message.to_owned() };
    let error = if answer["error"].is_object() { &answer["error"] } else { &answer };
    let Some(text) = error["message"].as_str() else { return message.to_owned() };
    let before = match error["code"].as_u64() {
        Some(code) => format!("API error {code}"),
        None => message[..at].trim_end_matches([' ', ':']).to_owned(),
    };
    join([Some(before.as_str()), Some(text)], ": ")
}

fn first_object(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

/// The reason in the end of a failed run's stderr: the message of a JSON object that holds an
/// error, over one or several lines, else the last line that begins with "error".
pub(super) fn stderr_reason(tail: &str) -> Option<String> {
    tail.match_indices('{')
        .filter(|&(at, _)| at == 0 || tail.as_bytes()[at - 1] == b'\n')
        .filter_map(|(at, _)| first_object(&tail[at..]))
        .find_map(|object| object["error"]["message"].as_str().map(service_answer))
        .or_else(|| error_line(tail))
}

/// The last line that is not blank.
pub(super) fn last_line(text: &str) -> Option<String> {
    lines(&without_escapes(text)).next_back().map(str::to_owned)
}

/// The last lines that are neither blank nor a stack trace's, at most `count`.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let text = without_escapes(text);
    let mut last: Vec<&str> =
        lines(&text).rev().filter(|line| !line.starts_with("at ")).take(count).collect();
    last.reverse();
    last.join("\n")
}

fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Characters that change the direction of text or take no room could hide what a line says.
fn is_shown_as_is(c: char) -> bool {
    !matches!(
        c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}',
    )
}

/// Drops `ESC [ ... letter` sequences (colours); other escapes fall with the control characters.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        let end = rest.find(|c: char| ('@'..='~').contains(&c));
        rest = end.map_or("", |end| &rest[end + 1..]);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_clean_line() {
        assert_eq!(
            short("\u{1b}[91m\u{1b}[1mError: \u{1b}[0mno\r\n\tsession\u{7}"),
            "Error: no session"
        );
        assert_eq!(short("a\u{202e}b\u{200b}c\u{1b}]0;t"), "abc ]0;t");
        assert_eq!(short("cut \u{1b}[31"), "cut");
        let long = short(&"wörter ".repeat(100_000));
        assert_eq!(long.chars().count(), REASON_MAX + 1);
        assert!(long.ends_with('…'));
        assert_eq!(short(&"x".repeat(1 << 20)).chars().count(), REASON_MAX + 1);
    }

    #[test]
    fn keys_are_masked() {
        assert_eq!(
            short("Incorrect API key provided: sk-abcdefghijklmnop. Find it"),
            "Incorrect API key provided: sk-*** Find it"
        );
        assert_eq!(short("token=ghp_abcdefghijklmnop"), "token=ghp_***");
        assert_eq!(short("risk-assessment sk-1"), "risk-assessment sk-1");
    }

    #[test]
    fn the_error_line_is_found_among_others() {
        let find = |text| error_line(text).unwrap_or_default();
        assert_eq!(find("Error: bad id\n  see --help\n"), "Error: bad id");
        assert_eq!(find("\u{1b}[91m\u{1b}[1mError: \u{1b}[0mNo session\n"), "Error: No session");
        assert_eq!(find("größe\nerrör"), "");
        assert_eq!(last_line("cannot be used with root\n\n").unwrap(), "cannot be used with root");
        assert_eq!(last_line("\n \n"), None);
    }
}
