//! The part of a description that is ours. People write around it, and what they wrote stays.

/// Begin and end of our part; nobody sees them.
const BEGIN: &str = "<!-- aq -->";
const END: &str = "<!-- /aq -->";

/// A description of nothing but our part.
pub fn own_part(text: &str) -> String {
    // A text that ends the part would leave its rest behind at the next change.
    let text = text.replace(END, "").replace(BEGIN, "");
    format!("{BEGIN}\n{}\n{END}", text.trim())
}

/// The description with our part in place of the one that is in it. `None` when it says so already,
/// and when people have removed the part, or have two.
pub fn with_own_part(description: &str, text: &str) -> Option<String> {
    let (before, rest) = description.split_once(BEGIN)?;
    let (old, after) = rest.split_once(END)?;
    if after.contains(BEGIN) {
        return None;
    }
    let new = own_part(text);
    let plain = |text: &str| text.replace('\r', "");
    if plain(&format!("{BEGIN}{old}{END}")) == new {
        return None;
    }
    Some(format!("{before}{new}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_part_changes() {
        let first = own_part("one\n");
        assert_eq!(first, "<!-- aq -->\none\n<!-- /aq -->");
        let edited = format!("Please look.\r\n\r\n{first}\r\n\r\nThanks.");
        let second = with_own_part(&edited, "two").unwrap();
        assert_eq!(second, "Please look.\r\n\r\n<!-- aq -->\ntwo\n<!-- /aq -->\r\n\r\nThanks.");
        assert_eq!(with_own_part(&second, "two"), None);
        let by_the_web = second.replace('\n', "\r\n");
        assert_eq!(with_own_part(&by_the_web, "two"), None);
    }

    #[test]
    fn descriptions_of_people_stay() {
        for description in ["", "mine", "<!-- aq -->", "<!-- /aq --><!-- aq -->"] {
            assert_eq!(with_own_part(description, "new"), None, "{description}");
        }
        let twice = [own_part("a"), own_part("b")].concat();
        assert_eq!(with_own_part(&twice, "new"), None);
    }

    #[test]
    fn texts_cannot_end_our_part() {
        let hostile = own_part("a <!-- /aq --> b <!-- aq -->");
        assert_eq!(hostile.matches("aq -->").count(), 2, "{hostile}");
        assert!(with_own_part(&hostile, "new").is_some_and(|text| !text.contains('b')));
    }
}
