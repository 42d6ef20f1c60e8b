//! Labels and priorities of an item as keys of a job file.

use aq_manifest::{Severity, parse};

use super::error::MappingError;
use super::quoted::quoted;
use crate::tracker::TrackerItem;

/// The content of labels.
#[derive(Debug, Default)]
pub(super) struct LabelValues {
    pub(super) engine_class: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) priority: Option<&'static str>,
    pub(super) capabilities: Vec<String>,
}

/// Reads the labels `engine-class:`, `profile:`, `priority:` and `cap:`, and the item's priority;
/// others mean nothing. What is asked for of a host or an engine and cannot be read is an error, so
/// that no job runs where it must not; a priority is only a wish.
pub(super) fn front(
    item: &TrackerItem,
    warnings: &mut Vec<String>,
) -> Result<LabelValues, MappingError> {
    let mut front = LabelValues::default();
    // The order in which a tracker lists them means nothing.
    let mut labels: Vec<&str> = item.labels.iter().map(String::as_str).collect();
    labels.sort_unstable();
    labels.dedup();
    for label in labels {
        let Some((key, value)) = label.split_once(':') else { continue };
        let value = value.trim();
        let slot = match key.trim() {
            "engine-class" => &mut front.engine_class,
            "profile" => &mut front.profile,
            "priority" => {
                match priority(value) {
                    Some(word) => front.priority = Some(front.priority.unwrap_or(word)),
                    None => warnings.push(unknown_priority(&format!("its label {label:?}"))),
                }
                continue;
            }
            "cap" => {
                accept(label, "capabilities", &format!("[{}]", quoted(value)))?;
                front.capabilities.push(value.to_owned());
                continue;
            }
            _ => continue,
        };
        accept(label, key.trim(), &quoted(value))?;
        match slot {
            None => *slot = Some(value.to_owned()),
            Some(first) => {
                warnings.push(format!("its label {label:?} is left out: {first} is first"));
            }
        }
    }
    if front.priority.is_none()
        && let Some(word) = &item.priority
    {
        front.priority = priority(word);
        if front.priority.is_none() {
            warnings.push(unknown_priority(&format!("its priority {word:?}")));
        }
    }
    Ok(front)
}

/// Fails unless a job file may have this value.
fn accept(label: &str, key: &str, value: &str) -> Result<(), MappingError> {
    let found = parse(&format!("---\n{key}: {value}\n---\n")).diagnostics;
    match found.into_iter().find(|finding| finding.severity == Severity::Error) {
        None => Ok(()),
        Some(finding) => {
            Err(MappingError::Label { label: label.to_owned(), problem: finding.message })
        }
    }
}

/// A job's priority for the words that trackers use.
fn priority(word: &str) -> Option<&'static str> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "urgent" | "highest" | "blocker" | "p0" => "critical",
        "high" | "major" | "p1" => "high",
        "medium" | "normal" | "moderate" | "none" | "p2" => "medium",
        "low" | "lowest" | "minor" | "trivial" | "p3" | "p4" => "low",
        _ => return None,
    })
}

fn unknown_priority(what: &str) -> String {
    format!("{what} is none that aq knows, such as critical, high, medium or low; it is left out")
}
