//! Shipping by pull request: the branch is pushed, a pull request is opened or updated, and people
//! merge or close it.
//!
//! First the intent is on record. A kill after that leaves a job whose request is begun and not
//! open: to complete it is to push the recorded commit, to look for a request of the branch, and
//! to open one only where there is none.

use aq_ledger::RecordKey;
use aq_ledger::steps::{BeginPull, NotePull, NotePullError, RejectWork, ShipPull};
use aq_manifest::{JobId, Stage};
use aq_tracker::forge::{
    NewPull, PullAnswer, PullChange, PullRequest, PullRequests, PullState, own_part, remote_words,
    with_own_part,
};
use aq_tracker::{GitHubRepository, HttpTransport, ItemId, TrackerError};
use jiff::Timestamp;

use crate::checkpoint::{CommitId, GitWatch, JobBranch, PublishOutcome};
use crate::run::fleet::lease;
use crate::run::operator::actions::take;
use crate::run::operator::pull_error::PullError;
use crate::run::operator::pull_text::{description, title};
use crate::run::operator::tracker::patiently;
use crate::run::settings::QueueSettings;
use crate::run::tracking::trackers;
use crate::run::workplace::{WorkplaceError, saved_branch, watched_branch};
use crate::store::{HeldJob, JobRecord, QueueDir, StoreError, read_text};

/// Longest reason that is kept in the record, in characters.
const MAX_REASON: usize = 500;

/// The progress of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullProgress {
    /// It is open, and waits for people.
    Open {
        /// Its page.
        url: String,
        /// It was opened just now.
        is_new: bool,
    },
    /// It was merged, and the job is shipped.
    Merged {
        /// Its page.
        url: String,
        /// The branch.
        into: String,
    },
    /// It was closed, and the job is rejected.
    Closed {
        /// Its page.
        url: String,
    },
}

/// Pull requests on GitHub, with this host's token.
pub(crate) struct PullForge(PullRequests<HttpTransport>);

impl PullForge {
    /// GitHub as the environment names it.
    pub(crate) fn of(settings: &QueueSettings) -> Result<Self, PullError> {
        let (trackers, _) = trackers(settings)?;
        Ok(Self(trackers.pull_requests()?))
    }
}

/// Has a job's work merged by a pull request: pushes its branch, and opens or updates the request.
/// The job is in testing/ then, until people have merged or closed it. `leave_out` is that of
/// [`ship`](super::ship::ship).
///
/// # Errors
/// When the job has no work that can be pushed, somebody else has moved its branch at the remote,
/// or git or GitHub refuses. What was begun is completed by the next call, or by a run loop.
pub fn ship_by_pull(
    queue: &QueueDir,
    settings: &QueueSettings,
    id: &JobId,
    leave_out: bool,
    now: Timestamp,
) -> Result<PullProgress, PullError> {
    let forge = PullForge::of(settings)?;
    let mut job = take(queue, id)?;
    job.require(&[Stage::Review, Stage::Testing], "ship", "review/ or testing/")?;
    job.expect_sound()?;
    let request = PullJob { queue, settings, forge: &forge, watch: GitWatch::default() };
    request.begin(&mut job, leave_out, now)
}

/// A job whose pull request is worked on.
pub(crate) struct PullJob<'a> {
    pub(crate) queue: &'a QueueDir,
    pub(crate) settings: &'a QueueSettings,
    pub(crate) forge: &'a PullForge,
    pub(crate) watch: GitWatch,
}

impl PullJob<'_> {
    /// Begins a pull request, or gives the one that is there the newest work.
    pub(crate) fn begin(
        &self,
        job: &mut HeldJob,
        leave_out: bool,
        now: Timestamp,
    ) -> Result<PullProgress, PullError> {
        match self.intent(job, leave_out) {
            Ok(Some(commit)) => job.step(&BeginPull { commit: commit.as_str() }, now)?,
            Ok(None) => {}
            Err(e) => {
                self.note_error(job, &e, now)?;
                return Err(e);
            }
        }
        self.complete(job, now)
    }

    /// The commit that a request is to be begun for; `None` when one is open that has it.
    fn intent(&self, job: &HeldJob, leave_out: bool) -> Result<Option<CommitId>, PullError> {
        let id = job.id().clone();
        if lease(job.meta()).is_some() {
            return Err(PullError::Fleet(id));
        }
        let wip = saved_branch(self.queue, &id, job.meta(), leave_out)?;
        let tip = wip.tip()?.ok_or_else(|| WorkplaceError::NoBranch(id.clone()))?;
        if tip == *wip.base() {
            return Err(PullError::NothingNew(id));
        }
        // Before anything is begun that cannot be completed.
        self.repository(&wip)?;
        wip.target_name()?;
        let is_begun = job.meta().get(RecordKey::PullRequestCommit) == Some(tip.as_str());
        let is_open = job.meta().has(RecordKey::PullRequestOpen);
        let is_done = is_begun && is_open && job.stage() == Stage::Testing;
        Ok(Some(tip).filter(|_| !is_done))
    }

    /// Completes what is on record: pushes its commit, and finds or opens the request.
    pub(crate) fn complete(
        &self,
        job: &mut HeldJob,
        now: Timestamp,
    ) -> Result<PullProgress, PullError> {
        let completed = self.try_complete(job, now);
        if let Err(e) = &completed {
            self.note_error(job, e, now)?;
        }
        completed
    }

    fn try_complete(&self, job: &mut HeldJob, now: Timestamp) -> Result<PullProgress, PullError> {
        let id = job.id().clone();
        let no_branch = || PullError::from(WorkplaceError::NoBranch(id.clone()));
        let wip = watched_branch(self.queue, &id, job.meta(), self.watch.clone(), None)?;
        let wip = wip.ok_or_else(no_branch)?;
        let commit = job.meta().get(RecordKey::PullRequestCommit).and_then(CommitId::parse);
        let commit = commit.ok_or_else(no_branch)?;
        let repository = self.repository(&wip)?;
        let remote = &self.settings.shipping.pr_remote;
        // An open one that has this commit keeps what others have pushed since.
        if !job.meta().has(RecordKey::PullRequestOpen)
            && wip.publish(remote, &commit)? == PublishOutcome::Overtaken
        {
            let branch = wip.branch().to_owned();
            return Err(PullError::Overtaken { id, branch, remote: remote.clone() });
        }
        let number = number_of(job.meta().get(RecordKey::PullRequestName), &repository);
        let text = description(&id, job.meta());
        let find = || -> Result<Option<PullRequest>, PullError> {
            let found = patiently(|| self.forge.0.of_branch(&repository, wip.branch()))?;
            Ok(found.into_iter().find(|pull| is_this(pull, &commit, number)))
        };
        let (pull, is_new) = match find()? {
            Some(pull) => (pull, false),
            None => match self.open(job, &wip, &repository, &text)? {
                Some(pull) => (pull, true),
                None => (find()?.ok_or_else(|| no_pull(&repository))?, false),
            },
        };
        let name = format!("{repository}#{}", pull.number);
        job.step(&NotePull { url: &pull.url, name: &name }, now)?;
        if pull.state != PullState::Open {
            return self.end(job, &wip, &pull, now);
        }
        if !is_new && let Some(body) = with_own_part(&pull.body, &text) {
            let change = PullChange { body: Some(&body), ..PullChange::default() };
            patiently(|| self.forge.0.update(&repository, pull.number, &change))?;
        }
        Ok(PullProgress::Open { url: pull.url, is_new })
    }

    /// Opens a request; `None` when there is one by now.
    fn open(
        &self,
        job: &HeldJob,
        wip: &JobBranch,
        repository: &GitHubRepository,
        text: &str,
    ) -> Result<Option<PullRequest>, PullError> {
        // A file that cannot be read has no heading.
        let file = read_text(&self.queue.job_file(job.stage(), job.id())).unwrap_or_default();
        let (title, body) = (title(job.id(), &file), own_part(text));
        let base = wip.target_name()?;
        let new = NewPull { head: wip.branch(), base: &base, title: &title, body: &body };
        Ok(patiently(|| self.forge.0.open(repository, &new))?)
    }

    /// Asks what has become of a job's open request. `None`: nothing since the version `etag`,
    /// which is the newest one afterwards.
    pub(crate) fn look(
        &self,
        record: &JobRecord,
        etag: &mut Option<String>,
        now: Timestamp,
    ) -> Result<Option<PullProgress>, PullError> {
        let id = &record.id;
        let asked = self.ask(record, etag);
        let pull = match asked {
            Ok(None) => return self.settle(record, now).map(|()| None),
            Ok(Some(pull)) => pull,
            Err(e) => {
                self.note_error(&mut HeldJob::lock(self.queue, id)?, &e, now)?;
                return Err(e);
            }
        };
        if pull.state == PullState::Open {
            self.settle(record, now)?;
            return Ok(Some(PullProgress::Open { url: pull.url, is_new: false }));
        }
        let mut job = HeldJob::lock(self.queue, id)?;
        let name = RecordKey::PullRequestName;
        let is_same = job.meta().get(name) == record.meta.get(name);
        if !is_same || job.stage() != Stage::Testing || !job.meta().has(RecordKey::PullRequestOpen)
        {
            // It is another request by now, or none.
            return Ok(None);
        }
        job.expect_sound()?;
        let wip = watched_branch(self.queue, id, job.meta(), self.watch.clone(), None)?;
        let wip = wip.ok_or_else(|| WorkplaceError::NoBranch(id.clone()))?;
        self.end(&mut job, &wip, &pull, now).map(Some)
    }

    fn ask(
        &self,
        record: &JobRecord,
        etag: &mut Option<String>,
    ) -> Result<Option<PullRequest>, PullError> {
        let name = record.meta.get(RecordKey::PullRequestName).unwrap_or_default();
        let Ok(ItemId::Issue { repository, number }) = name.parse() else {
            return Err(no_pull_of(name));
        };
        let branch = record.meta.get(RecordKey::WipBranch).unwrap_or_default();
        match self.forge.0.read(&repository, number, branch, etag.as_deref())? {
            PullAnswer::Unchanged => Ok(None),
            PullAnswer::Read { pull, etag: version } => {
                *etag = version;
                Ok(Some(pull))
            }
        }
    }

    /// Ends a job whose request is not open any more.
    fn end(
        &self,
        job: &mut HeldJob,
        wip: &JobBranch,
        pull: &PullRequest,
        now: Timestamp,
    ) -> Result<PullProgress, PullError> {
        let url = pull.url.clone();
        let remote = &self.settings.shipping.pr_remote;
        // Somebody may have merged it by hand.
        if pull.state == PullState::Closed && !wip.is_in(remote, &pull.base)? {
            let reason = format!("the pull request {url} was closed without a merge");
            job.step(&RejectWork { reason: Some(&reason) }, now)?;
            return Ok(PullProgress::Closed { url });
        }
        job.step(&ShipPull { into: &pull.base }, now)?;
        Ok(PullProgress::Merged { url, into: pull.base.clone() })
    }

    /// The repository of the remote that branches are pushed to.
    fn repository(&self, wip: &JobBranch) -> Result<GitHubRepository, PullError> {
        let remote = &self.settings.shipping.pr_remote;
        let hosts = self.forge.0.hosts();
        let addresses = wip.remote_addresses(remote)?;
        let found = addresses.iter().find_map(|address| hosts.repository(address));
        found.ok_or_else(|| PullError::NoRepository {
            remote: remote_words(remote),
            host: hosts.host().to_owned(),
            addresses: addresses.first().map_or_else(String::new, |one| remote_words(one)),
        })
    }

    /// Forgets an earlier error, once GitHub answers.
    fn settle(&self, record: &JobRecord, now: Timestamp) -> Result<(), PullError> {
        if record.meta.has(RecordKey::PullRequestError) {
            let mut job = HeldJob::lock(self.queue, &record.id)?;
            if job.stage() == Stage::Testing {
                job.step(&NotePullError { why: "" }, now)?;
            }
        }
        Ok(())
    }

    /// Notes an error for those who ask why.
    fn note_error(
        &self,
        job: &mut HeldJob,
        error: &PullError,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let why: String = error.to_string().chars().take(MAX_REASON).collect();
        let is_known = job.meta().get(RecordKey::PullRequestError) == Some(why.as_str());
        if error.is_passing() || is_known || job.stage() != Stage::Testing {
            return Ok(());
        }
        job.step(&NotePullError { why: &why }, now)
    }
}

/// Tests for the request of a commit. One that has ended is another attempt's, unless it ended
/// before it was written down.
fn is_this(pull: &PullRequest, commit: &CommitId, known: Option<u64>) -> bool {
    match pull.state {
        PullState::Open => true,
        PullState::Merged { .. } => pull.head_commit == commit.as_str(),
        PullState::Closed => pull.head_commit == commit.as_str() && known != Some(pull.number),
    }
}

/// The number of a request on record, where it is in this repository.
fn number_of(name: Option<&str>, repository: &GitHubRepository) -> Option<u64> {
    match name?.parse() {
        Ok(ItemId::Issue { repository: found, number }) if found == *repository => Some(number),
        _ => None,
    }
}

fn no_pull(repository: &GitHubRepository) -> PullError {
    no_pull_of(&repository.to_string())
}

fn no_pull_of(item: &str) -> PullError {
    PullError::Forge(TrackerError::NotFound { who: "GitHub", item: item.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_requests_are_of_other_attempts() {
        let commit = CommitId::parse(&"0".repeat(40)).unwrap();
        let is_this = |state: &PullState, head: char, known| {
            let pull = PullRequest {
                number: 7,
                url: String::new(),
                state: state.clone(),
                head_commit: String::from(head).repeat(40),
                base: String::new(),
                body: String::new(),
            };
            is_this(&pull, &commit, known)
        };
        assert!(is_this(&PullState::Open, '1', None));
        let merged = PullState::Merged { commit: None };
        assert!(is_this(&merged, '0', Some(7)) && !is_this(&merged, '1', None));
        // It was opened and closed before it was written down; or it was rejected before.
        assert!(
            is_this(&PullState::Closed, '0', None) && is_this(&PullState::Closed, '0', Some(6))
        );
        assert!(!is_this(&PullState::Closed, '0', Some(7)));
        assert!(!is_this(&PullState::Closed, '1', None));
    }

    #[test]
    fn numbers_are_of_one_repository() {
        let repository: GitHubRepository = "github:o/r".parse().unwrap();
        let number = |name| number_of(name, &repository);
        assert_eq!(number(Some("github:o/r#7")), Some(7));
        for name in [None, Some("github:o/other#7"), Some("T-7"), Some("")] {
            assert_eq!(number(name), None, "{name:?}");
        }
    }
}
