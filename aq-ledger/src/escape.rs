//! Values in a line, and lists in a value.

use std::borrow::Cow;

/// Writes a value so that it stays in one line.
pub(crate) fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '\n', '\r', '\0']) {
        return value.into();
    }
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\0', "\\0")
        .into()
}

/// Reads what [`escape`] has written.
pub(crate) fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Joins items by `,`, with `,` and `\` inside an item escaped by `\`.
pub fn join_list<T: ToString>(items: &[T]) -> String {
    let quoted = |item: &T| item.to_string().replace('\\', "\\\\").replace(',', "\\,");
    items.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// Reads what [`join_list`] has written; never empty.
pub fn split_list(value: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, items.last_mut()) {
            (',', _) => items.push(String::new()),
            ('\\', Some(item)) => item.extend(chars.next()),
            (c, Some(item)) => item.push(c),
            (_, None) => {}
        }
    }
    items
}
