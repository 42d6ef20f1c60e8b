//! Lines about one job.

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage, format_duration};
use aq_runner::checkpoint::LeftOut;
use aq_runner::run::{
    BuildsOn, BuiltDep, DepChange, JobActivity, JobView, PullProgress, RecoveryResult,
    ReplyOutcome, StopOutcome, WorkProblem, recorded_left_out,
};
use aq_runner::store::JobRecord;
use aq_scheduler::WaitReason;
use jiff::Timestamp;
use serde_json::json;

use super::json::{CodedReason, shown};
use super::style::plain;
use super::time::{short, until};

/// The reason why a job waits, with times as people read them.
pub(crate) fn reason(reason: &WaitReason, now: Timestamp) -> String {
    plain(&reason.to_text(&|at| until(at, now)))
}

/// The same without how long it is still.
#[cfg(feature = "dashboard")]
pub(crate) fn lasting_reason(reason: &WaitReason, now: Timestamp) -> String {
    plain(&reason.to_text(&|at| super::time::clock(at, now)))
}

/// Describes the end of a job that did not end well.
pub(crate) fn result(record: &JobRecord) -> String {
    let meta = &record.meta;
    let message =
        meta.get(RecordKey::Message).map_or(String::new(), |text| format!(": {}", plain(text)));
    match (meta.get(RecordKey::Result), meta.get(RecordKey::FailureClass)) {
        (Some("retries_exhausted"), Some(class)) => format!("retries exhausted ({class}){message}"),
        (Some(result), _) => format!("{}{message}", plain(&result.replace('_', " "))),
        (None, _) => "moved here by hand".to_owned(),
    }
}

/// Jobs that another one waits for, by what a person can do about them.
#[derive(Debug, Default)]
pub(crate) struct DependencyHelp {
    /// These can be shipped.
    pub(crate) shippable: Vec<JobId>,
    /// These have failed.
    pub(crate) failed: Vec<JobId>,
}

/// The answer of `aq why`.
pub(crate) fn why(
    job: &JobView,
    help: &DependencyHelp,
    base: Option<&BuildsOn>,
    now: Timestamp,
) -> String {
    let mut lines =
        vec![format!("{} (in {}/) {}", job.record.id, job.record.stage, what(job, now))];
    lines.extend(base.map(builds_on));
    lines.extend(base.iter().flat_map(|base| changed_deps(base)).map(|one| one.text().to_owned()));
    let names = |ids: &[JobId]| ids.iter().map(JobId::as_str).collect::<Vec<_>>().join(" ");
    if !help.shippable.is_empty() {
        lines.push(format!("`aq ship {}` ships what it waits for", names(&help.shippable)));
    }
    if !help.failed.is_empty() {
        let failed = names(&help.failed);
        lines.push(format!("`aq requeue {failed}` runs again what has failed of that"));
    }
    lines.extend(warnings(job).iter().map(|warning| warning.text().to_owned()));
    lines.join("\n")
}

/// The base of a job in a line.
pub(crate) fn builds_on(base: &BuildsOn) -> String {
    let at = |name: &str, commit: &str| format!("{} at {:.7}", plain(name), commit);
    let start = at(base.start.as_deref().unwrap_or("its target"), base.commit.as_str());
    let deps = base.deps.iter().map(|dep| at(dep.job.as_str(), dep.commit.as_str()));
    format!("builds on {}", deps.chain([start]).collect::<Vec<_>>().join(", "))
}

/// The changes of what a job builds on, since it was begun.
pub(crate) fn changed_deps(base: &BuildsOn) -> Vec<CodedReason> {
    let coded = |dep: &BuiltDep| {
        let (job, change) = (&dep.job, dep.change.as_ref()?);
        let (fields, words) = match change {
            DepChange::Reopened(stage) => {
                (json!({ "stage": stage.folder() }), format!("is in {stage}/ again"))
            }
            DepChange::Rejected => (json!({}), "was rejected".to_owned()),
            DepChange::Failed(stage) => {
                (json!({ "stage": stage.folder() }), format!("is in {stage}/"))
            }
            DepChange::Replaced => (json!({}), "was replaced by another job".to_owned()),
            DepChange::Moved(commit) => (
                json!({ "commit": commit.as_str() }),
                format!("has gone on to {:.7}", commit.as_str()),
            ),
        };
        let mut fields = fields;
        fields["dep"] = job.as_str().into();
        fields["change"] = change.code().into();
        let text = format!("{job} {words} since this job began on its work");
        Some(CodedReason::new("dep_changed", fields, text))
    };
    base.deps.iter().filter_map(coded).collect()
}

/// Faults of a job's work, each with the mend.
pub(crate) fn warnings(job: &JobView) -> Vec<CodedReason> {
    let mut all: Vec<CodedReason> = recorded_left_out(&job.record.meta)
        .iter()
        .map(|one| {
            let fields = json!({ "what": one.what, "why": one.why });
            CodedReason::new("left_out", fields, left_out_line(one))
        })
        .collect();
    all.extend(job.record.meta.get(RecordKey::PushError).map(|why| {
        let text = format!("not pushed for the next host: {}", plain(why));
        CodedReason::new("not_pushed", json!({ "why": why }), text)
    }));
    all.extend(pull_error(&job.record).map(|why| {
        let text = format!("its pull request: {}", plain(why));
        CodedReason::new("pull_request_failed", json!({ "why": why }), text)
    }));
    all.extend(job.work_problem.as_ref().zip(work_problem(job)).map(|(problem, text)| {
        let fields = match problem {
            WorkProblem::NotSaved { why, dir } => {
                json!({ "why": why, "dir": dir.as_deref().map(shown) })
            }
            WorkProblem::CheckoutGone { dir, branch } => {
                json!({ "dir": shown(dir), "branch": branch })
            }
        };
        CodedReason::new(problem.code(), fields, text)
    }));
    all
}

/// The page of the pull request that a job waits for.
pub(crate) fn open_pull(record: &JobRecord) -> Option<&str> {
    let is_open = record.stage == Stage::Testing && record.meta.has(RecordKey::PullRequestOpen);
    record.meta.get(RecordKey::PullRequest).filter(|_| is_open)
}

/// Returns the reason why the pull request of a job cannot be opened or asked about.
pub(crate) fn pull_error(record: &JobRecord) -> Option<&str> {
    record.meta.get(RecordKey::PullRequestError).filter(|_| record.stage == Stage::Testing)
}

/// The reason why a job with an open pull request is not shipped.
pub(crate) fn pull_reason(record: &JobRecord) -> Option<CodedReason> {
    let url = open_pull(record)?;
    let text = format!("waits for its pull request: {}", plain(url));
    Some(CodedReason::new("pull_request", json!({ "url": url }), text))
}

/// Describes the progress of a job's pull request.
pub(crate) fn pulled(id: &JobId, progress: &PullProgress) -> String {
    match progress {
        PullProgress::Open { url, is_new: true } => {
            format!("{id} waits for its pull request, opened just now: {}", plain(url))
        }
        PullProgress::Open { url, is_new: false } => {
            format!("{id} waits for its pull request: {}", plain(url))
        }
        PullProgress::Merged { url, into } => {
            format!("{id} is shipped: {} was merged into {}", plain(url), plain(into))
        }
        PullProgress::Closed { url } => {
            format!("{id} is rejected: {} was closed without a merge", plain(url))
        }
    }
}

/// The problem of a job in a few words; `aq why` has the rest.
pub(crate) const fn short_problem(problem: &WorkProblem) -> &'static str {
    match problem {
        WorkProblem::NotSaved { .. } => "not all of its work is committed",
        WorkProblem::CheckoutGone { .. } => "its checkout is gone",
    }
}

/// The problem of the place of its work, with the mend.
pub(crate) fn work_problem(job: &JobView) -> Option<String> {
    let problem = job.work_problem.as_ref()?;
    let said = plain(&problem.to_string());
    let id = &job.record.id;
    Some(match problem {
        WorkProblem::NotSaved { dir, .. } => {
            let place = dir.as_ref().map_or_else(String::new, |dir| {
                format!(", and is in {}", plain(&dir.display().to_string()))
            });
            let mend = match job.record.stage {
                Stage::Review | Stage::Testing => {
                    format!("`aq ship --merge {id}` commits it first, or says why not")
                }
                Stage::Inbox => "the next attempt commits it first".to_owned(),
                Stage::Shipped => "commit there what you need".to_owned(),
                _ => format!("`aq requeue {id}` commits it first and goes on from it"),
            };
            format!("{said}{place}; {mend}")
        }
        WorkProblem::CheckoutGone { branch, .. } => {
            let branch = plain(branch);
            let mend = match job.record.stage {
                Stage::Inbox => format!("the next attempt goes on from {branch} in a new one"),
                _ => format!("`aq ship --merge --leave-out {id}` goes on with what is on {branch}"),
            };
            format!("{said}; put it back there, or {mend}")
        }
    })
}

/// The run of git that the job waits for, when that takes long.
pub(crate) fn git_step(record: &JobRecord) -> Option<&str> {
    record.meta.get(RecordKey::Step)
}

/// Describes the activity of a job, or the reason why it waits.
pub(crate) fn what(job: &JobView, now: Timestamp) -> String {
    match &job.activity {
        JobActivity::Waiting(None) => "would start now; `aq run` starts it".to_owned(),
        JobActivity::Waiting(Some(why)) if job.record.stage == Stage::Testing => {
            format!("is finished: {}", reason(why, now))
        }
        JobActivity::Waiting(Some(why)) => format!("does not run: {}", reason(why, now)),
        JobActivity::Unread => "waits for a loop to read it: it was dropped in by hand".to_owned(),
        JobActivity::Running { since, stalled, verifying } => {
            let doing = match job.record.stage {
                Stage::Testing => "is being merged",
                _ if *verifying => "is being verified",
                _ => "is running",
            };
            let since = since
                .map_or(String::new(), |at| format!(", for {}", short(now.duration_since(at))));
            let stalled = stalled.map_or(String::new(), |silent| {
                format!("; silent for {}", format_duration(silent))
            });
            let step = git_step(&job.record);
            let step = step.map_or(String::new(), |step| format!("; {step} takes long"));
            format!("{doing}{since}{stalled}{step}")
        }
        JobActivity::Lost => {
            "was running when its worker died; `aq recover`, or the loop, puts it back".to_owned()
        }
        JobActivity::Resting => rest(&job.record, job.has_log),
        JobActivity::Unusable(fault) => {
            format!("is left alone, since its record cannot be used: {}", plain(&fault.to_string()))
        }
    }
}

/// The names of work that the branch of a job does not hold, which a person may be about to accept.
pub(crate) fn left_out(record: &JobRecord) -> Option<String> {
    let is_open = matches!(record.stage, Stage::Review | Stage::Testing);
    let left = recorded_left_out(&record.meta);
    let names: Vec<String> = left.iter().map(|one| plain(&one.what)).collect();
    (is_open && !names.is_empty()).then(|| names.join(", "))
}

/// Each piece of it in a line of its own, with the reason.
pub(crate) fn left_out_lines(record: &JobRecord) -> Vec<String> {
    recorded_left_out(&record.meta).iter().map(left_out_line).collect()
}

fn left_out_line(one: &LeftOut) -> String {
    format!("left out: {}", plain(&one.to_string()))
}

fn rest(record: &JobRecord, has_log: bool) -> String {
    let id = &record.id;
    // Without the option, what is offered would be refused.
    let (lacks, option) = match left_out(record) {
        Some(_) => (" (not all of its work is on its branch)", "--leave-out "),
        None => ("", ""),
    };
    let more = if has_log { format!("`aq logs {id}` has more, ") } else { String::new() };
    let ship = format!("`aq ship {option}{id}`");
    if let Some(url) = open_pull(record) {
        return format!("waits for its pull request: {}", plain(url));
    }
    match (record.stage, record.verified()) {
        (Stage::Review, _) => {
            format!("waits for you{lacks}: `aq promote {id}`, {ship} or `aq reject {id}`")
        }
        (Stage::Testing, Some(true)) => format!("is verified{lacks}; {ship} accepts it"),
        (Stage::Testing, Some(false)) => format!("is not verified{lacks}; {ship} accepts it"),
        (Stage::Testing, None) => format!("has run{lacks}; {ship} accepts it"),
        (Stage::Shipped, verified) => {
            let verified = if verified == Some(false) { ", and was not verified" } else { "" };
            let by = record.meta.get(RecordKey::PullRequest);
            let by = by.map_or(String::new(), |url| format!("; its pull request: {}", plain(url)));
            format!("is shipped{}{verified}{by}", merged_into(record))
        }
        (Stage::Quarantine, _) => {
            format!("ended: {}; {more}`aq requeue --force {id}` runs it again", result(record))
        }
        _ if record.meta.is_empty() => {
            format!(
                "has ended; `aq clean` has put its record away, `aq requeue {id}` runs it again"
            )
        }
        _ => format!("ended: {}; {more}`aq requeue {id}` runs it again", result(record)),
    }
}

/// The branch that a job was merged into, and the commit.
fn merged_into(record: &JobRecord) -> String {
    let Some(into) = record.merged_into() else { return String::new() };
    let commit =
        record.meta.get(RecordKey::MergedCommit).map(|commit| commit.get(..12).unwrap_or(commit));
    let at = commit.map_or(String::new(), |commit| format!(" at {}", plain(commit)));
    format!(", merged into {}{at}", plain(&into))
}

/// Where a job has come to rest after `aq promote`.
pub(crate) fn moved(record: &JobRecord) -> String {
    let message = record
        .meta
        .get(RecordKey::Message)
        .filter(|_| !matches!(record.stage, Stage::Testing | Stage::Shipped));
    let message = message.map_or(String::new(), |text| format!(": {}", plain(text)));
    format!("{} is in {}/{message}", record.id, record.stage)
}

/// Describes the result of a stop.
pub(crate) fn stopped(id: &JobId, how: &StopOutcome) -> String {
    match how {
        StopOutcome::BeforeStart => format!("{id} is stopped; it had not started"),
        StopOutcome::Ended(Stage::Failed) => format!("{id} is stopped"),
        StopOutcome::Ended(stage) => format!("{id} had ended by itself; it is in {stage}/"),
        StopOutcome::Signalled => {
            format!("{id} was told to stop and has not ended yet; `aq status` shows it")
        }
    }
}

/// The outcome of a reply to a job.
pub(crate) fn replied(id: &JobId, what: ReplyOutcome) -> String {
    match what {
        ReplyOutcome::PutBack => format!("{id} is back in the inbox; its next attempt is told"),
        ReplyOutcome::Waits => format!("{id} waits; its next attempt is told"),
        ReplyOutcome::Runs => format!("{id} runs; kept for its next attempt, if there is one"),
    }
}

/// Describes what `aq recover` did to a job.
pub(crate) fn recovered(id: &JobId, what: &RecoveryResult) -> String {
    match what {
        RecoveryResult::Nothing => format!("{id} needs no recovery"),
        RecoveryResult::VerifyAgain => format!("{id} is in review/; `verify` runs again"),
        RecoveryResult::MergeAgain => format!("{id} is in testing/; its merge did not come about"),
        RecoveryResult::Completed(stage) => format!("{id} had ended; it is in {stage}/ now"),
        RecoveryResult::Requeued { counted: true } => {
            format!("{id} is back in the inbox; the attempt counts")
        }
        RecoveryResult::Requeued { counted: false } => {
            format!("{id} is back in the inbox; it had not started")
        }
        RecoveryResult::Quarantined => {
            format!("{id}: its fleet lease has passed to another host; it is in quarantine/")
        }
        RecoveryResult::Failed(outcome) => format!("{id} is in failed/: {outcome}"),
        RecoveryResult::DuplicatesResolved(files) => {
            files.iter().map(|file| format!("{id}: {file}")).collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use aq_ledger::RecordContent;

    use super::*;

    #[test]
    fn offered_verbs_are_not_refused() {
        let rested = |stage, meta| {
            let id = JobId::new("a").unwrap();
            rest(&JobRecord { id, stage, meta: RecordContent::parse(meta) }, true)
        };
        let failed = rested(Stage::Failed, "result=crash\n");
        assert!(failed.ends_with("`aq requeue a` runs it again"), "{failed}");
        for meta in ["result=fenced\n", ""] {
            let fenced = rested(Stage::Quarantine, meta);
            assert!(fenced.ends_with("`aq requeue --force a` runs it again"), "{fenced}");
        }
    }
}
