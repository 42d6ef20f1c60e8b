//! Title and description of a pull request: the job file's first heading, numbers and the item.

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};
use aq_tracker::{ItemId, mapping};

use crate::run::tracking::echo;

/// Longest title, in characters; GitHub takes 256.
const MAX_TITLE: usize = 200;

/// The title: the first heading of a job file, else the job's id.
pub(super) fn title(id: &JobId, file: &str) -> String {
    let parsed = aq_manifest::parse(file);
    let mut fence = None;
    let heading = parsed.body.lines().find_map(|line| {
        let line = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return heading(line),
            _ => {}
        }
        None
    });
    heading.unwrap_or_else(|| id.to_string())
}

/// The text of `# ...`, in one bounded line.
fn heading(line: &str) -> Option<String> {
    let rest = line.trim_start_matches('#');
    let depth = line.len() - rest.len();
    if !(1..=6).contains(&depth) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let text = rest.trim().trim_end_matches('#').trim_end();
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_TITLE).collect();
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// The description: numbers, words of fixed lists, the job's id and its item.
pub(super) fn description(id: &JobId, meta: &RecordContent) -> String {
    let mut text = mapping::comment(&echo(Stage::Testing, meta));
    if !text.contains("\n- ") {
        text.push('\n');
    }
    let verify = match meta.get(RecordKey::Verified) {
        Some("1") => "passed",
        _ => "not run",
    };
    text.push_str(&format!("\n- verify: {verify}\n- job: `{id}`"));
    if let Some(item) = meta.get(RecordKey::TrackerItem).and_then(|item| item.parse().ok()) {
        text.push_str(&match item {
            // GitHub makes a link of it. It closes nothing: that is for `aq to-tracker`.
            ItemId::Issue { .. } => {
                format!("\n- item: {}", item.to_string().trim_start_matches("github:"))
            }
            ItemId::Item(item) => format!("\n- item: `{}`", item.replace('`', "'")),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> JobId {
        "fix-login".parse().unwrap()
    }

    #[test]
    fn titles_are_first_headings() {
        for (file, want) in [
            ("# Fix the login\n\nPlease.\n", "Fix the login"),
            ("---\nengine: shell\n---\nPlease.\n\n## Do *this* ##\n# No\n", "Do *this*"),
            ("```sh\n# a comment\n```\n# After it\n", "After it"),
            ("~~~\n```\n# in it\n~~~\n# After it\n", "After it"),
            ("Fix the login.\n", "fix-login"),
            ("#5 is broken\n", "fix-login"),
            ("####### deep\n#\n# \u{1b}\n", "fix-login"),
            ("# a\u{7}\u{1b}[2Jb\n", "a[2Jb"),
        ] {
            assert_eq!(title(&id(), file), want, "{file}");
        }
        assert_eq!(title(&id(), &format!("# {}", "ä".repeat(999))).chars().count(), MAX_TITLE);
    }

    #[test]
    fn descriptions_have_numbers_and_items() {
        let text = |lines: &str| description(&id(), &RecordContent::parse(lines));
        assert_eq!(text(""), "aq: testing\n\n- verify: not run\n- job: `fix-login`");
        let of_issue = text("attempts=2\nverified=1\ntracker_item=github:o/r#12\nmessage=secret\n");
        assert_eq!(
            of_issue,
            "aq: testing\n\n- attempts: 2\n- verify: passed\n- job: `fix-login`\n- item: o/r#12"
        );
        assert!(text("tracker_item=a`b@c\n").ends_with("- item: `a'b@c`"));
    }
}
