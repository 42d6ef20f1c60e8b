//! What `aq add` can say of a job before any loop looks at it, without asking the host anything
//! that takes time.

use std::collections::HashMap;

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};

use crate::engine::MissingBinary;
use crate::store::{JobRecord, QueueDir, RecordReader};

use crate::run::settings::QueueSettings;

/// Jobs that could not start now, because no engine that they may use is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoEngine {
    /// What is missing, in words.
    pub problem: String,
    /// The jobs.
    pub jobs: Vec<JobId>,
}

/// The records of jobs that were added. A job that cannot be read is left out: whoever runs it says
/// why.
pub fn added_records<'a>(
    queue: &QueueDir,
    jobs: impl IntoIterator<Item = &'a JobId>,
) -> Vec<JobRecord> {
    let Ok(mut reader) = RecordReader::open(queue) else { return Vec::new() };
    let records = jobs.into_iter().filter_map(|id| reader.read(Stage::Inbox, id.clone()).ok());
    records.filter(|record| !record.meta.is_empty()).collect()
}

/// The part of a record that says which engines a job may use.
pub(crate) fn engine_wish(meta: &RecordContent) -> [Option<&str>; 3] {
    [RecordKey::EngineWanted, RecordKey::EngineClass, RecordKey::PrefersEngine]
        .map(|key| meta.get(key))
}

/// Which of these jobs have no engine on this host as it is now. Only `PATH` is looked at.
pub fn without_engine(settings: &QueueSettings, jobs: &[JobRecord]) -> Vec<NoEngine> {
    let mut found: Vec<NoEngine> = Vec::new();
    // Many jobs want the same, and each look goes through all of `PATH`.
    let mut known: HashMap<[Option<&str>; 3], Option<String>> = HashMap::new();
    for JobRecord { id, meta, .. } in jobs {
        let wish = engine_wish(meta);
        let problem = known.entry(wish).or_insert_with(|| lacks_engine(settings, meta));
        let Some(problem) = problem else { continue };
        match found.iter_mut().find(|known| known.problem == *problem) {
            Some(known) => known.jobs.push(id.clone()),
            None => found.push(NoEngine { problem: problem.clone(), jobs: vec![id.clone()] }),
        }
    }
    found
}

/// What a job lacks, in words; `None` when there is an engine for it.
pub(crate) fn lacks_engine(settings: &QueueSettings, meta: &RecordContent) -> Option<String> {
    let class = meta.get(RecordKey::EngineClass).unwrap_or_default();
    let prefers = meta.list(RecordKey::PrefersEngine);
    let engines = &settings.engines;
    match engines.candidates(meta.get(RecordKey::EngineWanted), class, &prefers) {
        Err(unknown) => Some(unknown.to_string()),
        Ok(names) if names.iter().any(|name| engines.installed(name).is_some()) => None,
        Ok(names) => {
            let mut problem = match names.as_slice() {
                [one] => format!("its engine {one} is not installed"),
                all => format!("none of its engines is installed: {}", all.join(", ")),
            };
            let missing = names.iter().filter_map(|name| engines.binary(name)?.err());
            for other in missing.filter(|one| matches!(one, MissingBinary::OtherProgram { .. })) {
                problem.push_str(&format!("; {other}"));
            }
            Some(problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ProcessEnvironment;
    use crate::store::{AddContext, DraftResult, JobDraft, add};
    use jiff::Timestamp;

    #[test]
    fn engineless_jobs_name_their_lack() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let fronts = [("a", "engine: codex"), ("b", "engine: shell"), ("c", "engine: codex")];
        let fronts = fronts.into_iter().chain([("d", "engine: clade"), ("e", "lock: none")]);
        let drafts: Vec<JobDraft> = fronts
            .map(|(name, front)| {
                let text = format!("---\n{front}\n---\ntrue\n");
                JobDraft::new(name.to_owned(), name.parse().unwrap(), text)
            })
            .collect();
        let base = dir.path().to_owned();
        let context = AddContext::new(base, None, Timestamp::UNIX_EPOCH);
        let report = add(&queue, &drafts, &context).unwrap();
        // No PATH, so nothing but the shell is there.
        let settings = QueueSettings::load(&queue, ProcessEnvironment::default()).unwrap();
        let records = added_records(&queue, report.added.iter().map(DraftResult::id));
        let found = without_engine(&settings, &records);
        let found: Vec<(String, String)> = found
            .into_iter()
            .map(|one| {
                let jobs: Vec<&str> = one.jobs.iter().map(JobId::as_str).collect();
                (jobs.join(" "), one.problem)
            })
            .collect();
        let (jobs, problems): (Vec<&str>, Vec<&str>) =
            found.iter().map(|(jobs, problem)| (jobs.as_str(), problem.as_str())).unzip();
        assert_eq!(jobs, ["a c", "d", "e"]);
        assert!(
            problems[2].starts_with("none of its engines is installed: devin, claude,"),
            "{found:?}"
        );
        assert!(
            problems[1]
                .starts_with("there is no engine \"clade\" (did you mean claude?); known are"),
            "{found:?}"
        );
        assert_eq!(problems[0], "its engine codex is not installed");
    }
}
