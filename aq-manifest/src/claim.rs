//! Job files with keys put in by aq: that of a fleet job, as the host that got it writes it down,
//! and the mirror of a host's own.

use crate::front_matter::{bom_len, split};
use crate::{Diagnostic, Manifest, Severity, parse};

/// The file with the keys that a fleet claim sets: `fleet-job-id` and `fleet-lease-epoch`
/// (docs/fleet.md). Nothing else in it changes. The file comes from another machine.
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
    let keys = [format!("fleet-job-id: {fleet_job_id:?}"), format!("fleet-lease-epoch: {epoch}")];
    // Without them it would run as a job of the host's own, and nobody would know.
    with_keys(source, &keys, |manifest| {
        manifest.fleet_job_id.as_deref() == Some(fleet_job_id)
            && manifest.fleet_lease_epoch == Some(epoch)
    })
}

/// The file as a coordinator gets it in shadow (docs/fleet.md), to which it says of itself what
/// only its host knows: `key` where it has no `idempotency-key`, and `lock` where it names none.
/// Nothing else in it changes.
///
/// # Errors
/// The first finding that makes it no job file.
///
/// ```
/// let job = "---\nlock: db\n---\ntrue\n";
/// let file = aq_manifest::mirrored(job, "job:fix", Some("/home/me")).unwrap();
/// assert_eq!(file, "---\nidempotency-key: \"job:fix\"\nlock: db\n---\ntrue\n");
/// ```
pub fn mirrored(source: &str, key: &str, lock: Option<&str>) -> Result<String, Box<Diagnostic>> {
    let manifest = parse(source).manifest;
    let mut keys = Vec::new();
    if manifest.idempotency_key.is_none() {
        keys.push(format!("idempotency-key: {}", quoted(key)));
    }
    if let (None, Some(lock)) = (&manifest.lock, lock) {
        keys.push(format!("lock: {}", quoted(lock)));
    }
    with_keys(source, &keys, |_| true)
}

/// A text as YAML takes it: as JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The file with these lines at the head of its front matter, if it says what it should then.
fn with_keys(
    source: &str,
    keys: &[String],
    says_so: impl Fn(&Manifest) -> bool,
) -> Result<String, Box<Diagnostic>> {
    let parts = split(source)?;
    let yaml = &source[parts.yaml.clone()];
    let mut at = parts.yaml.start;
    let first = yaml.split_inclusive('\n').find(|line| {
        let text = line.trim();
        let is_first = !text.is_empty() && !text.starts_with('#');
        at += if is_first { 0 } else { line.len() };
        is_first
    });
    let file = match first {
        _ if keys.is_empty() => source.to_owned(),
        // There is no front matter.
        None if parts.body <= bom_len(source) => {
            format!("---\n{}\n---\n{}", keys.join("\n"), &source[parts.body..])
        }
        // All keys in braces.
        Some(line) if line.trim_start().starts_with('{') => {
            // That of the keys: one in a comment above them would hide ours.
            let brace = at + line.find('{').unwrap_or_default() + 1;
            let (before, after) = source.split_at(brace);
            format!("{before}{}, {after}", keys.join(", "))
        }
        first => {
            // The keys of a block are in one column.
            let line = first.unwrap_or_default();
            let indent = &line[..line.len() - line.trim_start().len()];
            let (before, after) = source.split_at(parts.yaml.start);
            let lines: String = keys.iter().map(|key| format!("{indent}{key}\n")).collect();
            format!("{before}{lines}{after}")
        }
    };
    let parsed = parse(&file);
    let says_so = says_so(&parsed.manifest);
    match parsed.diagnostics.into_iter().find(|found| found.severity == Severity::Error) {
        Some(error) => Err(Box::new(error)),
        None if says_so => Ok(file),
        None => Err(Box::new(Diagnostic::error(
            parts.yaml,
            "the keys of a fleet claim cannot be put into this front matter; write one key a line",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 12] = [
        "",
        "just a prompt\n",
        "\u{feff}prompt",
        "---\n---\nprompt\n",
        "---\n# nothing\n---\nprompt",
        "---\npriority: high\n---\nprompt\n---\nmore\n",
        "---\r\npriority: high\r\n---\r\nprompt\r\n",
        "---\n# first\n  priority: high\n  retry: {max: 2}\n---\nprompt\n",
        "---\n{priority: high}\n---\nprompt\n",
        "---\n{}\n---\nprompt\n",
        "---\n# {a brace}\n{priority: high}\n---\nprompt\n",
        "---\n# {a brace}\n  { # {another}\n  priority: high}\n---\nprompt\n",
    ];

    #[test]
    fn the_keys_go_into_whatever_front_matter_there_is() {
        for source in FILES {
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
    fn a_mirror_says_what_the_file_leaves_out() {
        let lock = "/home/me/a \"b\" \\ é";
        for source in FILES {
            let before = parse(source);
            let file = mirrored(source, "job:x", Some(lock)).unwrap();
            let after = parse(&file);
            let mut manifest = after.manifest.clone();
            assert_eq!(manifest.idempotency_key.take().as_deref(), Some("job:x"), "{file}");
            assert_eq!(manifest.lock.take().as_deref(), Some(lock), "{file}");
            assert_eq!((manifest, after.body), (before.manifest, before.body), "{file}");
            assert!(parse(&mirrored(source, "job:x", None).unwrap()).manifest.lock.is_none());
        }
        let whole = "---\nidempotency-key: k\nlock: none\n---\n";
        assert_eq!(mirrored(whole, "job:x", Some(lock)).unwrap(), whole);
        assert!(mirrored("---\npriority: soon\n---\n", "job:x", None).is_err());
    }

    #[test]
    fn false_claims_are_refused() {
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
