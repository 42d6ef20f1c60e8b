//! The table's place in a page for readers.

const BEGIN: &str = "<!-- made by benches/against-peers/run.sh --docs, from here -->\n";
const END: &str = "<!-- to here -->\n";

/// `page` with `table` between its two markers; `name` is for the message when they are not there.
pub(crate) fn with(page: &str, table: &str, name: &str) -> Result<String, String> {
    let marks = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let (before, after) = marks.ok_or_else(|| {
        format!("{name}: expected the lines `{}` and `{}`", BEGIN.trim(), END.trim())
    })?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = format!("# A\n\n{BEGIN}old\n{END}\nrest\n");
        let new = with(&page, "| new |\n", "a.md").unwrap();
        assert_eq!(new, format!("# A\n\n{BEGIN}\n| new |\n\n{END}\nrest\n"));
        assert_eq!(with(&new, "| new |\n", "a.md").unwrap(), new);
        assert!(with("# A\n", "", "a.md").unwrap_err().starts_with("a.md: expected"));
    }
}
