//! What `aq add` can say of a job before any loop looks at it, without asking the host anything
//! that takes time.

use std::collections::BTreeMap;

use aq_manifest::JobId;

use crate::store::{JobRecord, QueueDir};

use super::settings::Settings;

/// Jobs that could not start now, because no engine that they may use is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoEngine {
    /// What is missing, in words.
    pub problem: String,
    /// The jobs.
    pub jobs: Vec<JobId>,
}

/// Which of these jobs have no engine on this host as it is now. Only `PATH` is looked at. A job
/// that cannot be read is left out: whoever runs it says why.
pub fn without_engine<'a>(
    queue: &QueueDir,
    settings: &Settings,
    jobs: impl IntoIterator<Item = &'a JobId>,
) -> Vec<NoEngine> {
    let mut asked: BTreeMap<(Option<String>, String, Vec<String>), NoEngine> = BTreeMap::new();
    for id in jobs {
        let Some(stage) = queue.find(id) else { continue };
        let Ok(record) = JobRecord::read(queue, stage, id.clone()) else { continue };
        let wanted = record.meta.get("engine_wanted").map(str::to_owned);
        let class = record.meta.get("engine_class").unwrap_or_default().to_owned();
        let choice = (wanted, class, record.meta.list("prefers_engine"));
        if let Some(known) = asked.get_mut(&choice) {
            known.jobs.push(id.clone());
        } else {
            let problem = problem(settings, choice.0.as_deref(), &choice.1, &choice.2);
            asked.insert(choice, NoEngine { problem, jobs: vec![id.clone()] });
        }
    }
    asked.into_values().filter(|found| !found.problem.is_empty()).collect()
}

/// Empty when there is an engine.
fn problem(settings: &Settings, wanted: Option<&str>, class: &str, prefers: &[String]) -> String {
    match settings.engines.candidates(wanted, class, prefers) {
        Err(unknown) => unknown.to_string(),
        Ok(names) if names.iter().any(|name| settings.engines.installed(name).is_some()) => {
            String::new()
        }
        Ok(names) => match names.as_slice() {
            [one] => format!("the engine {one} is not installed"),
            all => format!("none of the engines {} is installed", all.join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Environment;
    use crate::store::{AddContext, Draft, add};
    use jiff::Timestamp;

    #[test]
    fn jobs_without_an_engine_are_told_by_what_they_lack() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let fronts = [("a", "engine: codex"), ("b", "engine: shell"), ("c", "engine: codex")];
        let fronts = fronts.into_iter().chain([("d", "engine: clade"), ("e", "lock: none")]);
        let drafts: Vec<Draft> = fronts
            .map(|(name, front)| Draft {
                name: name.to_owned(),
                id: name.parse().unwrap(),
                text: format!("---\n{front}\n---\ntrue\n"),
            })
            .collect();
        let base = dir.path().to_owned();
        let context = AddContext { base, home: None, now: Timestamp::UNIX_EPOCH, colour: false };
        let report = add(&queue, &drafts, &context).unwrap();
        // No PATH, so nothing but the shell is there.
        let settings = Settings::load(&queue, Environment::default()).unwrap();
        let found =
            without_engine(&queue, &settings, report.added.iter().map(crate::store::Added::id));
        let found: Vec<(String, String)> = found
            .into_iter()
            .map(|one| {
                let jobs: Vec<&str> = one.jobs.iter().map(JobId::as_str).collect();
                (jobs.join(" "), one.problem)
            })
            .collect();
        let (jobs, problems): (Vec<&str>, Vec<&str>) =
            found.iter().map(|(jobs, problem)| (jobs.as_str(), problem.as_str())).unzip();
        assert_eq!(jobs, ["e", "d", "a c"]);
        assert!(problems[0].starts_with("none of the engines devin, claude, codex"), "{found:?}");
        assert!(problems[1].starts_with("there is no engine \"clade\"; known are"), "{found:?}");
        assert_eq!(problems[2], "the engine codex is not installed");
    }
}
