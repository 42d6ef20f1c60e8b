//! What a person does with trackers: `from-tracker`, `to-tracker`, and the item in `status`.

use std::time::Duration;

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage};
use aq_tracker::{IssueSearch, ItemId, ItemIdError, TrackerError, TrackerItem, mapping};

use crate::store::{
    AddContext, AddError, AddReport, AddWarning, AddWarningKind, DraftResult, JobDraft, JobRecord,
    QueueDir, StoreError, add, holder, moves,
};

use crate::run::environment::ProcessEnvironment;
use crate::run::settings::QueueSettings;
use crate::run::tokens::TokenFileError;
use crate::run::tracking::{echo, item_of, known, outbox, record_told, trackers};

/// The longest that a tracker which wants a pause is waited for while a person waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is wanted of trackers.
#[derive(Clone, Debug)]
pub enum ItemQuery {
    /// One item.
    Item(ItemId),
    /// Issues on GitHub.
    Issues(IssueSearch),
}

impl ItemQuery {
    /// Reads what a person writes: an item, or a repository to take issues of. An address on GitHub
    /// is one of its issues, and so is `owner/repo#12` where there is no tracker with names of its
    /// own.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(
        text: &str,
        labels: &[String],
        query: Option<&str>,
        limit: usize,
        environment: &ProcessEnvironment,
    ) -> Result<Self, TrackError> {
        let is_set = |name| environment.get(name).is_some_and(|value| !value.is_empty());
        let has_items = is_set("AQ_TRACKER_URL") || is_set("AQ_TRACKER_API_CMD");
        if labels.is_empty() && query.is_none() {
            let on_github = on_github(text, has_items).and_then(|text| text.parse().ok());
            return Ok(Self::Item(on_github.map_or_else(|| text.parse(), Ok)?));
        }
        Ok(Self::Issues(IssueSearch {
            // Only GitHub is searched.
            repository: on_github(text, false).as_deref().unwrap_or(text).parse()?,
            labels: labels.to_vec(),
            query: query.map(str::to_owned),
            limit,
        }))
    }
}

/// The name with which aq calls what people call otherwise on GitHub.
fn on_github(text: &str, has_items: bool) -> Option<String> {
    let address = text.strip_prefix("https://github.com/").map(|rest| {
        let rest = rest.trim_end_matches('/');
        rest.replacen("/issues/", "#", 1)
    });
    let short = || text.contains('/').then(|| text.to_owned()).filter(|_| !has_items);
    let name = address.or_else(short).filter(|name| !name.starts_with("github:"))?;
    Some(format!("github:{name}"))
}

/// Reason why a tracker was not asked or updated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// The item's name.
    #[error(transparent)]
    Item(#[from] ItemIdError),
    /// The tracker.
    #[error("{}", with_mend(.0))]
    Tracker(#[from] TrackerError),
    /// A file that should hold a token.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// No job can be made of it.
    #[error("{item}: {problem}")]
    Unfit {
        /// The item.
        item: String,
        /// Why.
        problem: mapping::MappingError,
    },
    /// There is no tracker to update.
    #[error("{0} has no `tracker-item`: there is nobody to tell")]
    NoItem(JobId),
    /// The coordinator sends the updates.
    #[error("{0} is a fleet job: the coordinator tells its tracker")]
    Fleet(JobId),
    /// The job cannot be added.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn with_mend(error: &TrackerError) -> String {
    match error {
        TrackerError::Limited { .. } => format!("{error}; try again then"),
        TrackerError::Unavailable { .. } | TrackerError::Failed { .. } => {
            format!("{error}; try again later")
        }
        _ => error.to_string(),
    }
}

/// An item that was read.
#[derive(Clone, Debug)]
pub struct PulledItem(TrackerItem);

impl PulledItem {
    /// The item.
    pub fn id(&self) -> &ItemId {
        &self.0.id
    }
}

/// Reads what is wanted.
///
/// # Errors
/// The tracker's.
pub fn pull(settings: &QueueSettings, wanted: &ItemQuery) -> Result<Vec<PulledItem>, TrackError> {
    let (trackers, _) = trackers(settings)?;
    let items = match wanted {
        ItemQuery::Item(id) => {
            let tracker = trackers.tracker(trackers.kind(id))?;
            vec![patiently(|| tracker.item(id))?]
        }
        ItemQuery::Issues(search) => {
            let github = trackers.github()?;
            patiently(|| github.search(search))?
        }
    };
    Ok(items.into_iter().map(PulledItem).collect())
}

/// Adds the job of an item. One whose job is there already changes nothing, unless that job has not
/// started and the item is another by now: then it takes its place.
///
/// # Errors
/// When the item makes no job, or as [`add`].
pub fn put_in(
    queue: &QueueDir,
    pulled: &PulledItem,
    context: &AddContext,
) -> Result<AddReport, TrackError> {
    let item = pulled.id().to_string();
    let job = mapping::job(&pulled.0)
        .map_err(|problem| TrackError::Unfit { item: item.clone(), problem })?;
    let left_the_inbox = holder(queue, &job.key)?.filter(|holder| holder.stage != Stage::Inbox);
    let mut report = match left_the_inbox {
        Some(holder) => {
            let there = DraftResult::Unchanged { id: holder.id, stage: holder.stage };
            AddReport { added: vec![there], warnings: Vec::new() }
        }
        None => add(queue, &[JobDraft::new(item.clone(), job.name, job.text)], context)?,
    };
    let warnings = job.warnings.iter().map(|warning| AddWarning {
        kind: AddWarningKind::TrackerItem,
        jobs: vec![item.clone()],
        text: format!("warning: {item}: {warning}"),
    });
    report.warnings.extend(warnings);
    Ok(report)
}

/// What became of telling a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// It knows now.
    Told {
        /// The item.
        item: String,
        /// Its status.
        status: String,
    },
    /// It knew.
    Known {
        /// The item.
        item: String,
    },
    /// There is no status for the folder that the job lies in.
    Nothing {
        /// The folder.
        stage: Stage,
    },
}

/// Sends a job's state to its tracker, at once. What still waited to be sent is out of
/// date then.
///
/// # Errors
/// The tracker's; nothing is recorded then.
pub fn to_tracker(
    queue: &QueueDir,
    settings: &QueueSettings,
    id: &JobId,
) -> Result<UpdateOutcome, TrackError> {
    let outbox = outbox(queue);
    let path = queue.state();
    let broken = |source| StoreError::Io { action: "use the outbox in", path, source };
    let stage = queue.expect(id)?;
    let meta = JobRecord::read(queue, stage, id.clone())?.meta;
    if meta.get(RecordKey::FleetJobId).is_some() {
        return Err(TrackError::Fleet(id.clone()));
    }
    let item = item_of(&meta).ok_or_else(|| TrackError::NoItem(id.clone()))?;
    let item_id: ItemId = item.parse()?;
    let Some(update) = mapping::update(&echo(stage, &meta), &settings.statuses) else {
        return Ok(UpdateOutcome::Nothing { stage });
    };
    let _talk = outbox.lock_talk().map_err(broken.clone())?;
    let mut told = known(&outbox, id, item, &meta);
    if told.waiting.is_empty() && told.is_last(stage) {
        return Ok(UpdateOutcome::Known { item: item.to_owned() });
    }
    let (trackers, _) = trackers(settings)?;
    let tracker = trackers.tracker(trackers.kind(&item_id))?;
    told.comment = patiently(|| tracker.echo(&item_id, &update, told.comment.as_deref()))?;
    told.echoed = Some(stage.folder().to_owned());
    told.seen = told.echoed.clone();
    told.waiting.clear();
    told.problem = None;
    told.read = moves(queue, id, told.read)?.last().map(|step| step.end).or(told.read);
    let lock = outbox.lock().map_err(broken.clone())?;
    match record_told(queue, id, &told) {
        Ok(()) if stage.is_final() => outbox.remove(&lock, id),
        Ok(()) if outbox.read(id).is_none() => Ok(()),
        // When its worker holds it, the outbox remembers.
        Ok(()) | Err(StoreError::Busy(_)) => outbox.write(&lock, id, &told),
        Err(e) => return Err(e.into()),
    }
    .map_err(broken)?;
    Ok(UpdateOutcome::Told { item: item.to_owned(), status: update.status })
}

/// Tries again when the tracker wants a pause that a person can wait for.
pub(super) fn patiently<T>(
    mut ask: impl FnMut() -> Result<T, TrackerError>,
) -> Result<T, TrackerError> {
    let mut left = PATIENCE;
    loop {
        match ask() {
            Err(TrackerError::Limited { after, .. }) if after <= left => {
                left -= after;
                std::thread::sleep(after);
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variable: &str) -> String {
        let environment = ProcessEnvironment::new([(variable.into(), "https://t.example".into())]);
        match ItemQuery::read(text, &[], None, 1, &environment) {
            Ok(ItemQuery::Item(item)) => item.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn issues_are_known_by_their_other_names() {
        for text in [
            "o/r#12",
            "github:o/r#12",
            "https://github.com/o/r/issues/12",
            "https://github.com/o/r/issues/12/",
        ] {
            assert_eq!(read(text, "NONE"), "github:o/r#12");
        }
        assert_eq!(read("AQ-7", "NONE"), "AQ-7");
        assert_eq!(read("o/r#12", "AQ_TRACKER_URL"), "o/r#12", "a tracker with such names");
    }
}
