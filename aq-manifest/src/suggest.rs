//! Suggestions in the place of an unknown word.

/// Longer words are not compared: nobody mistypes a known word into one of this length.
const MAX_LEN: usize = 40;

/// The known word nearest to `word`, if one is near enough to be meant: upper case and `_` for `-`
/// do not count, and of the rest a character and a quarter of them may differ.
///
/// ```
/// assert_eq!(aq_manifest::nearest("statsu", ["status", "stop"]), Some("status"));
/// assert_eq!(aq_manifest::nearest("frob", ["status", "stop"]), None);
/// ```
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > MAX_LEN {
        return None;
    }
    let word = word.to_lowercase().replace('_', "-");
    let allowed = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.replace('_', "-")), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance: insertions, deletions and replacements of characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// `a`, `b` or `c`.
pub(crate) fn alternatives<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["timeout", "priority", "deps", "deps-mode", "verify", "verify_failed"];
        for (word, found) in [
            ("timout", Some("timeout")),
            ("Priority", Some("priority")),
            ("dep", Some("deps")),
            ("deps_mode", Some("deps-mode")),
            ("verify-failed", Some("verify_failed")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
    }
}
