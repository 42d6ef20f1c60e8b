//! The job file of a fleet job, as the host that got it writes it down.

use crate::front_matter::{bom_len, split};
use crate::{Diagnostic, Severity, parse};

/// The file with the keys that a fleet claim sets: `fleet-job-id` and `fleet-lease-epoch` (SPEC
/// section 12). Nothing else in it changes. The file comes from another machine.
///
/// # Errors
/// The first finding that makes it no job file; also when it has one of these keys already.
///
/// ```
/// let file = aq_manifest::claimed("---\nengine: shell\n---\ntrue\n", "01890a5d", 3).unwrap();
/// assert_eq!(
///     file,
///     "---\nfleet-job-id: \"01890a5d\"\nfleet-lease-epoch: 3\nengine: shell\n---\ntrue\n"
/// );
/// ```
pub fn claimed(source: &str, fleet_job_id: &str, epoch: u64) -> Result<String, Box<Diagnostic>> {
    let parts = split(source)?;
    let yaml = &source[parts.yaml.clone()];
    let id = format!("fleet-job-id: {fleet_job_id:?}");
    let epoch_key = format!("fleet-lease-epoch: {epoch}");
    let mut at = parts.yaml.start;
    let first = yaml.split_inclusive('\n').find(|line| {
        let text = line.trim();
        let is_first = !text.is_empty() && !text.starts_with('#');
        at += if is_first { 0 } else { line.len() };
        is_first
    });
    let file = match first {
        // There is no front matter.
        None if parts.body <= bom_len(source) => {
            format!("---\n{id}\n{epoch_key}\n---\n{}", &source[parts.body..])
        }
        // All keys in braces.
        Some(line) if line.trim_start().starts_with('{') => {
            // That of the keys: one in a comment above them would hide ours.
            let brace = at + line.find('{').unwrap_or_default() + 1;
            let (before, after) = source.split_at(brace);
            format!("{before}{id}, {epoch_key}, {after}")
        }
        first => {
            // The keys of a block stand in one column.
            let line = first.unwrap_or_default();
            let indent = &line[..line.len() - line.trim_start().len()];
            let (before, after) = source.split_at(parts.yaml.start);
            format!("{before}{indent}{id}\n{indent}{epoch_key}\n{after}")
        }
    };
    let parsed = parse(&file);
    let manifest = &parsed.manifest;
    let is_claimed = manifest.fleet_job_id.as_deref() == Some(fleet_job_id)
        && manifest.fleet_lease_epoch == Some(epoch);
    match parsed.diagnostics.into_iter().find(|found| found.severity == Severity::Error) {
        Some(error) => Err(Box::new(error)),
        None if is_claimed => Ok(file),
        // It would run as a job of the host's own, and nobody would know.
        None => Err(Box::new(Diagnostic::error(
            parts.yaml,
            "the keys of a fleet claim cannot be put into this front matter; write one key a line",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_go_into_whatever_front_matter_there_is() {
        for source in [
            "",
            "just a prompt\n",
            "\u{feff}prompt",
            "---\n---\nprompt\n",
            "---\n# nothing\n---\nprompt",
            "---\npriority: high\n---\nprompt\n---\nmore\n",
            "---\r\npriority: high\r\n---\r\nprompt\r\n",
            "---\n# first\n  priority: high\n  lock: none\n---\nprompt\n",
            "---\n{priority: high}\n---\nprompt\n",
            "---\n{}\n---\nprompt\n",
            "---\n# {a brace}\n{priority: high}\n---\nprompt\n",
            "---\n# {a brace}\n  { # {another}\n  priority: high}\n---\nprompt\n",
        ] {
            let before = parse(source);
            let file = claimed(source, "id-1", 7).unwrap_or_else(|e| panic!("{source:?}: {e:?}"));
            let after = parse(&file);
            let mut manifest = after.manifest.clone();
            assert_eq!(manifest.fleet_job_id.take().as_deref(), Some("id-1"), "{file}");
            assert_eq!(manifest.fleet_lease_epoch.take(), Some(7), "{file}");
            assert_eq!(manifest, before.manifest, "{source:?} became {file:?}");
            assert_eq!(after.body, before.body, "{source:?} became {file:?}");
        }
    }

    #[test]
    fn a_file_that_claims_to_be_claimed_or_is_no_job_is_refused() {
        for source in [
            "---\nfleet-job-id: x\n---\n",
            "---\nfleet-lease-epoch: 9\n---\n",
            "---\npriority: soon\n---\n",
            "---\nunclosed: x\n",
            "---\n- a list\n---\n",
            "---\n? {a: b}\n: c\n---\n",
            "a\0b",
        ] {
            assert!(claimed(source, "id-1", 7).is_err(), "{source:?}");
        }
    }
}
