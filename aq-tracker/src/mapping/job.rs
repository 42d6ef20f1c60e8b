//! An item as a job file.
//!
//! The item's texts are a stranger's. They are only below the front matter, which holds nothing
//! but quoted values; and the file is read back before it is handed out, so that no text can be
//! more than a prompt.

use aq_manifest::{JobId, Severity, parse};

use super::error::MappingError;
use super::labels::{self, LabelValues};
use super::quoted::quoted;
use crate::item_id::ItemId;
use crate::tracker::TrackerItem;

/// Characters of a title that are kept; trackers allow some hundred.
const MAX_TITLE: usize = 500;

/// Characters of an item's name that the job's name has, which leaves room for `-2`.
const MAX_NAME: usize = 96;

/// A job for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedJob {
    /// The name that it would like to have.
    pub name: JobId,
    /// Its idempotency key.
    pub key: String,
    /// The whole file.
    pub text: String,
    /// The parts of the item that could not be used, in a line each.
    pub warnings: Vec<String>,
}

/// The job file of an item. The same item gives the same file.
///
/// # Errors
/// See [`MappingError`].
pub fn job(item: &TrackerItem) -> Result<ImportedJob, MappingError> {
    let mut warnings = Vec::new();
    let front = labels::front(item, &mut warnings)?;
    let key = format!("tracker-{}", item.id);
    let head = front_matter(&item.id.to_string(), &key, &front);
    let prompt = prompt(item)?;
    let text = format!("{head}{prompt}");
    check(&head, &prompt, &text)?;
    Ok(ImportedJob { name: name(&item.id)?, key, text, warnings })
}

fn front_matter(item: &str, key: &str, front: &LabelValues) -> String {
    let mut head =
        format!("---\ntracker-item: {}\nidempotency-key: {}\n", quoted(item), quoted(key));
    let values = [
        ("engine-class", front.engine_class.as_deref()),
        ("profile", front.profile.as_deref()),
        ("priority", front.priority),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            head.push_str(&format!("{name}: {}\n", quoted(value)));
        }
    }
    if !front.capabilities.is_empty() {
        head.push_str("capabilities:\n");
        for requirement in &front.capabilities {
            head.push_str(&format!("- {}\n", quoted(requirement)));
        }
    }
    head.push_str("---\n");
    head
}

fn prompt(item: &TrackerItem) -> Result<String, MappingError> {
    let words: Vec<&str> =
        item.title.split(|c: char| c.is_control() || c.is_whitespace()).collect();
    let title = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let title: String = title.chars().take(MAX_TITLE).collect();
    let lines = item.description.replace("\r\n", "\n").replace('\r', "\n");
    let description: String =
        lines.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    let description = description.trim_matches('\n').trim_end();
    match (title.is_empty(), description.trim().is_empty()) {
        (true, true) => Err(MappingError::Empty),
        (true, false) => Ok(format!("{description}\n")),
        (false, true) => Ok(format!("{title}\n")),
        (false, false) => Ok(format!("{title}\n\n{description}\n")),
    }
}

/// Reads the file back: the front matter must mean what it means without the prompt, and the prompt
/// must be all that follows it.
fn check(head: &str, prompt: &str, text: &str) -> Result<(), MappingError> {
    let alone = parse(head);
    let whole = parse(text);
    let mut found = alone.diagnostics.iter().chain(&whole.diagnostics);
    if let Some(error) = found.find(|finding| finding.severity == Severity::Error) {
        return Err(MappingError::NoJobFile(error.message.clone()));
    }
    if whole.manifest != alone.manifest || whole.body != prompt {
        return Err(MappingError::NoJobFile("its text would not stay a prompt".to_owned()));
    }
    Ok(())
}

/// `repo-12` for an issue, else the item's name in characters that a job's may have.
fn name(id: &ItemId) -> Result<JobId, MappingError> {
    let wish = match id {
        ItemId::Item(id) => id.clone(),
        ItemId::Issue { repository, number } => format!("{}-{number}", repository.name()),
    };
    let kept = wish.chars().map(|c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
        _ => '-',
    });
    let kept: String = kept.collect();
    let kept = kept.trim_start_matches(['.', '_', '-']).trim_end_matches('-');
    // What is kept is ASCII. The end of an issue's name is its number.
    let kept = match id {
        ItemId::Item(_) => &kept[..kept.len().min(MAX_NAME)],
        ItemId::Issue { .. } => {
            kept[kept.len().saturating_sub(MAX_NAME)..].trim_start_matches(['.', '_', '-'])
        }
    };
    let name = if kept.is_empty() { "item" } else { kept };
    JobId::new(name).map_err(|e| MappingError::NoJobFile(e.to_string()))
}
