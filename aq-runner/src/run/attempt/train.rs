//! The merge of finished work into its target, and what becomes of work that does not go in.
//!
//! The merge is made in objects, checked in the checkout of the train, and lands: the intent on
//! record, the branch, the files of a checkout of it, the step to `shipped/`. A worker that dies in
//! between leaves the intent, from which recovery sees how far it came.
//!
//! The target of a fleet's job is at a remote. Before the intent the coordinator is asked, and its
//! answer goes on record. How far a push came the next worker finds out, at the remote.

use aq_ledger::RecordKey;
use aq_ledger::steps::{
    AllowShip, ForgetLanding, MergedWork, NoteLanding, NoteTrainWait, SendBack, ShipWork,
};
use aq_ledger::{CommitName, LandingIntent};
use aq_manifest::{FailureClass, JobSpec};
use jiff::Timestamp;

use super::JobAttempt;
use super::checkout::git_watch;
use super::commands::{CommandPlace, shell};
use super::end;
use super::failure::AttemptFailure;
use super::feedback::{LastCommand, keep_failure};
use super::ground::{environment, scratch};
use crate::checkpoint::{
    CheckpointError, CommitId, JobBranch, LandingPlan, MergeResult, OwnPlace, PreparedMerge,
    left_out_words, repository_at,
};
use crate::feedback::OutputSource;
use crate::run::checkouts::checkouts;
use crate::run::dependency_jobs::unshipped_dependencies;
use crate::run::fleet::NO_PUSH_TARGET;
use crate::run::host_lack::HostError as _;
use crate::run::left_out::{left_out_record, unexpected};
use crate::run::queue::train::target_remote;
use crate::run::workplace::{present_cwd, recorded_landing, watched_branch};
use crate::store::StoreError;

/// Merges that are made again when somebody else moves the target meanwhile.
const MERGES: u32 = 5;

/// The end of a merge that did not come about.
enum TrainStop {
    /// As an attempt ends: the host lacks something, or the worker is to end.
    Failure(AttemptFailure),
    /// The work has to be mended.
    SendBack(FailureClass, String),
    /// A person comes next, or another job.
    Wait(TrainWait),
}

/// A merge that waits.
#[derive(Debug, Default)]
struct TrainWait {
    refusal: String,
    /// The files that are in the way.
    files: Vec<String>,
    /// The job that has to be shipped first; empty when it is none.
    dep: String,
}

impl From<AttemptFailure> for TrainStop {
    fn from(failure: AttemptFailure) -> Self {
        match failure {
            AttemptFailure::Class(_, refusal)
            | AttemptFailure::Final(_, refusal)
            | AttemptFailure::NoEngineNow(refusal)
            | AttemptFailure::Unresolved(refusal) => {
                Self::Wait(TrainWait { refusal, ..TrainWait::default() })
            }
            other => Self::Failure(other),
        }
    }
}

impl From<CheckpointError> for TrainStop {
    fn from(error: CheckpointError) -> Self {
        if let Some(lack) = error.lack() {
            return Self::Failure(AttemptFailure::Host(lack));
        }
        let refusal = error.to_string();
        match error {
            CheckpointError::Stopped { .. } => Self::Failure(AttemptFailure::Stopped),
            CheckpointError::MergeGoesOn { .. } | CheckpointError::TargetMoved(_) => {
                Self::Failure(AttemptFailure::NotCounted(refusal))
            }
            CheckpointError::Conflict { into, paths, .. } => {
                let files = paths.join(", ");
                let why = format!("it does not go together with {into}: conflicts in {files}");
                Self::SendBack(FailureClass::Conflict, why)
            }
            CheckpointError::Overlap { paths: files, .. }
            | CheckpointError::Protected { paths: files, .. } => {
                Self::Wait(TrainWait { refusal, files, ..TrainWait::default() })
            }
            CheckpointError::DepUnshipped { dep, paths: files, .. } => {
                Self::Wait(TrainWait { refusal, files, dep })
            }
            _ => Self::Wait(TrainWait { refusal, ..TrainWait::default() }),
        }
    }
}

/// Merges a job in `testing/`, whatever comes of it.
pub(super) fn make(attempt: &mut JobAttempt<'_>, spec: &JobSpec) -> Result<(), StoreError> {
    match merge(attempt, spec) {
        Ok(merged) => ship(attempt, merged.as_ref()),
        Err(TrainStop::Failure(failure)) => end::fail(attempt, Some(spec), failure),
        Err(TrainStop::SendBack(class, why)) => send_back(attempt, Some(spec), class, &why),
        Err(TrainStop::Wait(TrainWait { refusal, files, dep })) => {
            attempt.record.note_once("not merged: ", &refusal);
            let wait = NoteTrainWait { refusal: &refusal, files: &files, dep: &dep };
            attempt.record.make(&wait, Timestamp::now())
        }
    }
}

/// Sends work back that has to be mended, with what is wrong with it.
pub(super) fn send_back(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    class: FailureClass,
    why: &str,
) -> Result<(), StoreError> {
    keep_failure(attempt, spec, class.as_str(), why);
    let retry = spec.and_then(|spec| spec.retry.as_ref());
    let retries = match retry {
        Some(retry) if !retry.on.contains(&class) => 0,
        _ => attempt.settings.shipping.train_retries,
    };
    let step = SendBack { class, message: why, retries };
    let next = match step.has_try_left(attempt.record.row()) {
        true => "; it goes back to its agent",
        false => "; no try is left",
    };
    attempt.record.note(&format!("failed: {class}: {why}{next}"));
    attempt.record.end(&step, Timestamp::now())
}

fn ship(attempt: &mut JobAttempt<'_>, merged: Option<&MergeResult>) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let Some(merged) = merged else {
        attempt.record.note("accepted: it has no branch, so there is nothing to merge");
        return attempt.record.end(&ShipWork { merged: None }, now);
    };
    let (into, commit) = (merged.into.as_str(), merged.commit.as_str());
    let remote = merged.remote.as_deref();
    let at = remote.map_or(String::new(), |remote| format!(" of {remote}"));
    attempt.record.note(&format!("merged into {into}{at}, which is at {commit} now"));
    if !merged.submodules.is_empty() {
        let behind = merged.submodules.join(", ");
        attempt.record.note(&format!("`git submodule update` brings these up to date: {behind}"));
    }
    attempt.record.end(&ShipWork { merged: Some(MergedWork { into, commit, remote }) }, now)
}

/// `None`: the job has no branch.
fn merge(attempt: &mut JobAttempt<'_>, spec: &JobSpec) -> Result<Option<MergeResult>, TrainStop> {
    let (queue, id) = (attempt.queue, attempt.record.id().clone());
    let watch = git_watch(attempt, spec.timeout);
    let remote = target_remote(attempt.record.row(), &attempt.settings);
    let is_nowhere = remote.is_none() && attempt.record.row().has_lease();
    let Some(wip) = watched_branch(queue, &id, attempt.record.content(), watch, remote)? else {
        ask_to_ship(attempt, None)?;
        return Ok(None);
    };
    if is_nowhere {
        let refusal = NO_PUSH_TARGET.to_owned();
        return Err(TrainStop::Wait(TrainWait { refusal, ..TrainWait::default() }));
    }
    let wip = wip.signing_merges(attempt.settings.shipping.merge_sign).merging_in_one_step();
    if let Some(landing) = recorded_landing(attempt.record.row())
        && let Some(merged) = finish(attempt, &wip, &landing)?
    {
        return Ok(Some(merged));
    }
    if attempt.record.stop_request().is_made() {
        return Err(TrainStop::Failure(AttemptFailure::Stopped));
    }
    save(attempt, &wip)?;
    let unshipped = unshipped_dependencies(queue, attempt.record.content())
        .map_err(|e| AttemptFailure::not_counted(&e))?;
    let merged = bring_in(attempt, spec, &wip, &unshipped);
    if let Err(TrainStop::SendBack(..)) = merged
        && let Ok(changes) = wip.changes()
    {
        // For the feedback.
        attempt.ground.changed = changes.paths;
    }
    merged.map(Some)
}

/// Makes the merge until it lands.
fn bring_in(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    wip: &JobBranch,
    unshipped: &[String],
) -> Result<MergeResult, TrainStop> {
    let message = format!("aq: {}", attempt.record.id());
    let mut tries = 0;
    loop {
        tries += 1;
        let prepared = wip.prepare_merge(&message, unshipped)?;
        if prepared.landing().moves() {
            prepared.expect_clear()?;
            check(attempt, spec, &prepared)?;
        }
        let landed = match prepared.expect_unmoved() {
            Ok(()) => {
                ask_to_ship(attempt, Some((wip, &prepared.landing().commit)))?;
                land(attempt, wip, prepared)
            }
            Err(e) => Err(e),
        };
        match landed {
            Err(CheckpointError::TargetMoved(_)) if tries < MERGES => {}
            landed => return Ok(landed?),
        }
    }
}

/// Asks the coordinator whether a job of the fleet may ship. It decides that once: what is refused
/// at the remote later is merged again without another question.
fn ask_to_ship(
    attempt: &mut JobAttempt<'_>,
    merge: Option<(&JobBranch, &CommitId)>,
) -> Result<(), TrainStop> {
    let row = attempt.record.row();
    if !row.has_lease() || row.fleet_ships().is_some() {
        return Ok(());
    }
    attempt.ask_to_ship(merge)?;
    let allowed = attempt.record.make(&AllowShip, Timestamp::now());
    Ok(allowed.map_err(|e| AttemptFailure::not_counted(&e))?)
}

/// Commits what was corrected in the job's checkout since, as that is its work, too.
fn save(attempt: &mut JobAttempt<'_>, wip: &JobBranch) -> Result<(), TrainStop> {
    let record = &mut attempt.record;
    if wip.is_in_place() && record.content().get(RecordKey::CheckpointError).is_none() {
        return Ok(());
    }
    wip.expect_finished()?;
    let saved = wip.finish(&format!("{}: left uncommitted", record.id()))?;
    let left = unexpected(record.content(), saved.left_out);
    let Some(refusal) = left_out_words(&left) else { return Ok(()) };
    record.try_append(&left_out_record(&left));
    let refusal = format!("not all of its work is on its branch: {refusal}");
    Err(TrainStop::Wait(TrainWait { refusal, ..TrainWait::default() }))
}

/// Runs the check of the target and the job's own on the merge. The job has passed its own already
/// where the target has not moved since.
fn check(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    prepared: &PreparedMerge,
) -> Result<(), TrainStop> {
    let of_target = attempt.settings.shipping.merge_verify.clone();
    let has_passed = attempt.record.row().verified() == Some(true);
    let own = spec.verify.as_ref().filter(|_| !(has_passed && prepared.is_as_verified()));
    if of_target.is_none() && own.is_none() {
        return Ok(());
    }
    let scratch = scratch(attempt)?;
    let env = environment(attempt, spec, &[], &scratch).map_err(AttemptFailure::NotCounted)?;
    let root = prepared.check_out(&train_place(attempt, prepared))?;
    if let Some(command) = of_target {
        let place = CommandPlace { dir: root.clone(), env: env.clone() };
        run(attempt, spec, "merge.verify", &command, &place)?;
    }
    if let Some(command) = own {
        let place = CommandPlace { dir: prepared.directory_in(&root)?, env };
        if let Some(setup) = &spec.setup {
            run(attempt, spec, "setup", setup, &place)?;
        }
        run(attempt, spec, "verify", command, &place)?;
    }
    Ok(())
}

fn run(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    name: &str,
    command: &str,
    place: &CommandPlace,
) -> Result<(), TrainStop> {
    attempt.record.note(&format!("{name}, on the merge"));
    let passed = shell(attempt, (OutputSource::Verify, name), command, spec, place)?;
    passed.map_err(|why| {
        TrainStop::SendBack(FailureClass::VerifyFailed, format!("{why}, on the merge"))
    })?;
    // What it printed is no reason for anything that comes later.
    attempt.commands.last = LastCommand::default();
    Ok(())
}

fn train_place(attempt: &JobAttempt<'_>, prepared: &PreparedMerge) -> OwnPlace {
    let queue = attempt.queue;
    let cwd = present_cwd(queue, attempt.record.content());
    let work = checkouts(queue, &attempt.settings, &cwd);
    let repository = repository_at(&cwd).unwrap_or_default();
    OwnPlace::of_train(&work, &queue.state(), &repository, &prepared.landing().target)
}

/// Moves the target, with the intent on record first.
fn land(
    attempt: &mut JobAttempt<'_>,
    wip: &JobBranch,
    prepared: PreparedMerge,
) -> Result<MergeResult, CheckpointError> {
    let landing = prepared.landing().clone();
    let mut intend = || {
        if (attempt.record.stop_check())() || attempt.record.stop_request().is_made() {
            return Err(CheckpointError::Stopped { command: "merge".to_owned() });
        }
        note_landing(attempt, &landing)
    };
    let failed = match prepared.land(&mut intend) {
        Ok(merged) => return Ok(merged),
        Err(e) => e,
    };
    if recorded_landing(attempt.record.row()).is_none() {
        return Err(failed);
    }
    match finish(attempt, wip, &landing)? {
        Some(merged) => Ok(merged),
        None => Err(failed),
    }
}

fn note_landing(
    attempt: &mut JobAttempt<'_>,
    landing: &LandingPlan,
) -> Result<(), CheckpointError> {
    let commit = |name| CommitName::of(name).ok_or_else(|| nonsense(name));
    let old = landing.old.as_ref().map(|old| commit(old.as_str())).transpose()?;
    let new = commit(landing.commit.as_str())?;
    let landing = LandingIntent { target: &landing.target, old, new };
    let noted = attempt.record.make(&NoteLanding { landing }, Timestamp::now());
    noted.map_err(|e| unwritten(attempt, &e))
}

/// Finds out how far a landing came, and finishes it. `None`: the target has not moved, and the
/// landing is forgotten.
fn finish(
    attempt: &mut JobAttempt<'_>,
    wip: &JobBranch,
    landing: &LandingPlan,
) -> Result<Option<MergeResult>, CheckpointError> {
    if let Some(merged) = wip.finish_landing(landing)? {
        return Ok(Some(merged));
    }
    let forgotten = attempt.record.make(&ForgetLanding, Timestamp::now());
    forgotten.map(|()| None).map_err(|e| unwritten(attempt, &e))
}

fn unwritten(attempt: &JobAttempt<'_>, error: &StoreError) -> CheckpointError {
    CheckpointError::Io {
        action: "write",
        path: attempt.queue.meta(attempt.record.id()),
        source: std::io::Error::other(error.to_string()),
    }
}

fn nonsense(name: &str) -> CheckpointError {
    CheckpointError::Nonsense {
        source_name: "git".to_owned(),
        answer: name.to_owned(),
        expected: "the name of a commit",
    }
}
