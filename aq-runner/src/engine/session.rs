//! The ids of engines' sessions.

/// Session ids come out of an engine's output and go back into its argv, so one that could be read
/// as an option, or is absurdly long, is not one.
pub(super) fn is_session_id(id: &str) -> bool {
    id.len() <= 128
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
}

/// Words of any vendor that does not know the session that it was to resume, in lower case.
const GONE: [&str; 5] = [
    "session not found",
    "no session found",
    "no such session",
    "unknown session",
    "session does not exist",
];

/// Tests a vendor's words for saying that there is no such session, in one of `texts` or as any
/// vendor may. A `+` joins parts of a text that must all be there.
pub(super) fn is_gone(words: &str, texts: &[String]) -> bool {
    let words = words.to_lowercase();
    let holds = |text: &String| text.to_lowercase().split('+').all(|part| words.contains(part));
    texts.iter().any(holds) || GONE.iter().any(|gone| words.contains(gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_paths_and_long_ones_are_refused() {
        assert!(is_session_id("01a20341-b0f1-7fd0-9ac8-343b36730421"));
        assert!(is_session_id("ses_dfcadfed3ffejZMYIq7xOgJntG"));
        for bad in ["", "-x", "--last", "a/b", "a b", "a\nb", &"a".repeat(129)] {
            assert!(!is_session_id(bad), "{bad:?}");
        }
    }
}
