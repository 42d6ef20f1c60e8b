//! Jobs of which nothing but an exit code would say that they went well.

use std::collections::HashMap;

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, ReviewPolicy};

use crate::store::{JobRecord, QueueDir, load, read_text};

use crate::run::engines::preflight::engine_wish;
use crate::run::settings::QueueSettings;

/// Jobs whose engine is judged by its exit code, and which nobody and nothing else looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenAtWord {
    /// The engine: the first one that is installed.
    pub engine: String,
    /// The jobs.
    pub jobs: Vec<JobId>,
}

/// Finds those of these jobs that would count as done when their engine prints a notice and exits
/// with 0.
pub fn taken_at_word(
    queue: &QueueDir,
    settings: &QueueSettings,
    jobs: &[JobRecord],
) -> Vec<TakenAtWord> {
    let mut found: Vec<TakenAtWord> = Vec::new();
    // As in `without_engine`.
    let mut known: HashMap<[Option<&str>; 3], Option<String>> = HashMap::new();
    for JobRecord { id, meta, .. } in jobs {
        let engine = known.entry(engine_wish(meta)).or_insert_with(|| unjudged(settings, meta));
        let Some(engine) = engine else { continue };
        if is_checked(queue, id).unwrap_or(true) {
            continue;
        }
        match found.iter_mut().find(|known| known.engine == *engine) {
            Some(known) => known.jobs.push(id.clone()),
            None => found.push(TakenAtWord { engine: engine.clone(), jobs: vec![id.clone()] }),
        }
    }
    found
}

/// The engine of a job, when only its exit code decides.
fn unjudged(settings: &QueueSettings, meta: &RecordContent) -> Option<String> {
    let class = meta.get(RecordKey::EngineClass).unwrap_or_default();
    let prefers = meta.list(RecordKey::PrefersEngine);
    let engines = &settings.engines;
    let names = engines.candidates(meta.get(RecordKey::EngineWanted), class, &prefers).ok()?;
    let engine = names.into_iter().find(|name| engines.installed(name).is_some())?;
    engines.is_judged_by_exit_code(&engine).then_some(engine)
}

/// Answers whether something looks at a job's work; `None` when its file cannot be read.
fn is_checked(queue: &QueueDir, id: &JobId) -> Option<bool> {
    let path = queue.job_file(queue.find(id)?, id);
    let text = read_text(&path).ok()?;
    let file = load(queue.profiles(), &path.display().to_string(), &text, false).ok()?;
    let spec = &file.spec;
    let is_reviewed = spec.review_policy == ReviewPolicy::Human;
    Some(spec.verify.is_some() || spec.expect_changes || is_reviewed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ProcessEnvironment;
    use crate::run::engines::preflight::added_records;
    use crate::store::{AddContext, DraftResult, JobDraft, add};
    use jiff::Timestamp;

    #[test]
    fn only_what_nothing_checks_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        std::fs::write(
            queue.config(),
            "engines: {poet: {bin: /bin/sh}, glue: {bin: /bin/sh, output: exit-code}}\n",
        )
        .unwrap();
        let fronts = [
            ("plain", "engine: poet"),
            ("verified", "engine: poet\nverify: 'true'"),
            ("changes", "engine: poet\nexpect-changes: true"),
            ("reviewed", "engine: poet\nreview-policy: human"),
            ("script", "engine: shell"),
            ("glue", "engine: glue"),
            ("again", "engine: poet"),
        ];
        let drafts: Vec<JobDraft> = fronts
            .map(|(name, front)| {
                let text = format!("---\nlock: none\n{front}\n---\ntrue\n");
                JobDraft::new(name.to_owned(), name.parse().unwrap(), text)
            })
            .into();
        let context = AddContext::new(dir.path().to_owned(), None, Timestamp::UNIX_EPOCH);
        let report = add(&queue, &drafts, &context).unwrap();
        let settings = QueueSettings::load(&queue, ProcessEnvironment::default()).unwrap();
        let records = added_records(&queue, report.added.iter().map(DraftResult::id));
        let found = taken_at_word(&queue, &settings, &records);
        let [poet] = &found[..] else { panic!("{found:?}") };
        let jobs: Vec<&str> = poet.jobs.iter().map(JobId::as_str).collect();
        assert_eq!((poet.engine.as_str(), jobs), ("poet", vec!["plain", "again"]));
    }
}
