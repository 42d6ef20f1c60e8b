//! The table of keys. docs/on-disk-format.md shows it; what a fresh start forgets is written in
//! this order.

use std::path::Path;

use aq_caps::HostRequirement;
use aq_manifest::{
    DepsMode, FailureClass, Isolation, Outcome, Priority, ReviewPolicy, ShipMode, Stage,
};
use jiff::Timestamp;

use crate::key::{KeyGroup, KeyLifetime, misfit, record_keys};
use crate::key_name::{KeyName, LengthIndex};
use crate::row::JobRow;
use crate::value::{CommitName, FleetId, FullBranch, LandingIntent, MarkedOne, RecordValue};

record_keys! {
    /// Format of the record; absent: `1`.
    format Format: &'a str, "", Definition, Job;
    /// Time at which the job was added.
    added_at AddedAt: Timestamp, "", Definition, Job;
    /// Directory in which `aq add` ran.
    added_from AddedFrom: &'a Path, "", Definition, Job;
    /// Branch that `cwd` had checked out then, by its full name.
    added_on AddedOn: FullBranch<'a>, "", Definition, Job;
    /// Branch that the job names: it starts from it and is merged into it.
    target Target: FullBranch<'a>, "", Definition, Job;
    /// Branch, tag or commit that it starts from in place of its target with its deps' work.
    base Base: &'a str, "", Definition, Job;
    /// `accept`, `merge` or `pr`: how it is shipped; absent: as the config says.
    ship Ship: ShipMode, "", Definition, Job;
    /// Moves of the project for which `cwd`, `lock` and `added_from` were mapped.
    place_moves PlaceMoves: u32, "", Definition, Job;
    /// Directory of the job, absolute.
    cwd Cwd: &'a Path, "", Definition, Job;
    /// Lock key; absent: none.
    lock Lock: &'a str, "", Definition, Job;
    /// `critical`, `high`, `medium` or `low`.
    priority Priority: Priority, "", Definition, Job;
    /// Name of the job's profile.
    profile Profile: &'a str, "", Definition, Job;
    /// Engine that the job asks for.
    engine_wanted EngineWanted: &'a str, "", Definition, Job;
    /// Class of engines, for a job that asks for none.
    engine_class EngineClass: &'a str, "", Definition, Job;
    /// Engines in the order in which they are preferred within the class.
    prefers_engine PrefersEngine: Vec<String>, "", Definition, Job;
    /// Model asked for; after a run, the one that ran.
    model Model: &'a str, "", Definition, Job;
    /// Requirements.
    capabilities Capabilities: Vec<HostRequirement>, "", Definition, Job;
    /// `auto` or `human`.
    review_policy ReviewPolicy: ReviewPolicy, "", Definition, Job;
    /// Globs of what the job may change.
    allowed_scope AllowedScope: Vec<String>, "", Definition, Job;
    /// Globs of what the job expects to be left out.
    leave_out LeaveOut: Vec<String>, "", Definition, Job;
    /// Idempotency key.
    idempotency_key IdempotencyKey: &'a str, "", Definition, Job;
    /// Keys of the jobs that it waits for.
    deps Deps: Vec<String>, "", Definition, Job;
    /// `hard` or `soft`.
    deps_mode DepsMode: DepsMode, "", Definition, Job;
    /// Attempts in all.
    retry_max RetryMax: u32, "", Definition, Job;
    /// Id of its item at the tracker.
    tracker_item TrackerItem: &'a str, "", Definition, Job;
    /// Tracker item of the last update.
    tracker_told TrackerTold: &'a str, "", Definition, Job;
    /// Folder of the last tracker update.
    tracker_echoed TrackerEchoed: &'a str, "", Definition, Job;
    /// Number of the comment that was written, where comments are edited.
    tracker_comment TrackerComment: &'a str, "", Definition, Job;
    /// Size, time and inode of the job file that all this was read from: when they differ, it is
    /// read again.
    source Source: &'a str, "", Definition, Job;
    /// The same of the profile's file.
    profile_source ProfileSource: &'a str, "", Definition, Job;

    /// Number of the attempt that the last launch began, from 1.
    attempt Attempt: u32, "", Run, Run;
    /// Attempts that have ended and count.
    attempts Attempts: u32, "", Run, Run;
    /// Times in a row that its worker died; 10 fail the job.
    recoveries Recoveries: u32, "", Run, Run;
    /// Time at which the last attempt took its slot.
    launched_at LaunchedAt: Timestamp, "", Run, Run;
    /// Time at which the worker of the last attempt began.
    started_at StartedAt: Timestamp, "", Run, Run;
    /// Time at which the last attempt ended.
    ended_at EndedAt: Timestamp, "", Run, Run;
    /// Time before which it is not started.
    next_eligible NextEligible: Timestamp, "", Run, Run;
    /// Process id of the worker.
    pid Pid: u32, "", Run, Run;
    /// Start time of the worker, as the kernel counts it.
    pidstart Pidstart: u64, "clock ticks", Run, Run;
    /// Boot id of the system that the worker runs on.
    boot Boot: &'a str, "", Run, Run;
    /// Cgroup of the worker, where there is one.
    cgroup Cgroup: &'a str, "", Run, Job;
    /// Run of git that the worker waits for, once that takes longer than 2 s.
    step Step: &'a str, "", Run, Job;
    /// Engine that runs or ran.
    engine Engine: &'a str, "", Run, Run;
    /// The engine's own session: the next attempt goes on with it.
    session_id SessionId: &'a str, "", Run, Session;
    /// Engine of that session.
    session_engine SessionEngine: &'a str, "", Run, Session;
    /// Use of that session when the run ended, for engines that report running totals.
    session_total SessionTotal: &'a str, "", Run, Session;
    /// Feedback that this session knows: a random word, no text.
    session_feedback SessionFeedback: &'a str, "", Run, Session;
    /// `1`: a person holds it.
    held Held: &'a str, "", Run, Hold;
    /// Input of the last run without cached tokens; empty when not known, as are the next ones.
    input_tokens InputTokens: u64, "tokens", Run, Run;
    /// Input that came out of a cache.
    cached_tokens CachedTokens: u64, "tokens", Run, Run;
    /// Input written to a cache, where [the engine counts it apart](engines.md#usage).
    cache_write_tokens CacheWriteTokens: u64, "tokens", Run, Run;
    /// Output of the last run.
    output_tokens OutputTokens: u64, "tokens", Run, Run;
    /// Reasoning, where the engine counts it apart.
    reasoning_tokens ReasoningTokens: u64, "tokens", Run, Run;
    /// Cost of the last run.
    cost_usd CostUsd: f64, "US dollars", Run, Run;
    /// `1`: the numbers were read out of text for people.
    usage_estimated UsageEstimated: MarkedOne, "", Run, Run;
    /// `input_tokens` over all runs of the job.
    total_input_tokens TotalInputTokens: u64, "tokens", Run, Job;
    /// `cached_tokens` over all runs.
    total_cached_tokens TotalCachedTokens: u64, "tokens", Run, Job;
    /// `cache_write_tokens` over all runs.
    total_cache_write_tokens TotalCacheWriteTokens: u64, "tokens", Run, Job;
    /// `output_tokens` over all runs.
    total_output_tokens TotalOutputTokens: u64, "tokens", Run, Job;
    /// `reasoning_tokens` over all runs.
    total_reasoning_tokens TotalReasoningTokens: u64, "tokens", Run, Job;
    /// `cost_usd` over all runs.
    total_cost_usd TotalCostUsd: f64, "US dollars", Run, Job;
    /// `duration_s` over all runs.
    total_duration_s TotalDurationS: f64, "seconds", Run, Job;
    /// The job's branch, `aq/wip/<job>`; absent outside git.
    wip_branch WipBranch: &'a str, "", Run, Job;
    /// Commit that the job's own work is on top of: `wip_target` with the work of `wip_deps`.
    wip_base WipBase: CommitName<'a>, "", Run, Job;
    /// Commit of its target at that time.
    wip_target WipTarget: CommitName<'a>, "", Run, Job;
    /// Work of other jobs in it that the target did not have, each as `<job>@<commit>`.
    wip_deps WipDeps: Vec<String>, "", Run, Job;
    /// `worktree`, which is a checkout of its own, or `in-place`.
    isolation Isolation: Isolation, "", Run, Job;
    /// Directory of its own checkout.
    checkout Checkout: &'a Path, "", Run, Job;
    /// Repository that it has to itself: the common git directory of an in-place job.
    repository_lock RepositoryLock: &'a Path, "", Run, Job;
    /// Files changed from `wip_base` to the branch.
    files_changed FilesChanged: u64, "", Run, Run;
    /// Lines added; binary files have none.
    lines_added LinesAdded: u64, "", Run, Run;
    /// Lines deleted.
    lines_deleted LinesDeleted: u64, "", Run, Run;
    /// Changed paths outside `allowed-scope`, the first 20.
    scope_warning ScopeWarning: Vec<String>, "", Run, Run;
    /// Reason why the last changes could not be committed; they are where they were.
    checkpoint_error CheckpointError: &'a str, "", Run, Run;
    /// Names of work that the branch does not hold.
    left_out LeftOut: Vec<String>, "", Run, Run;
    /// Reasons of it, in the same order.
    left_out_why LeftOutWhy: Vec<String>, "", Run, Run;
    /// Result: `success`, `shipped`, `crash`, `timeout`, `verify_failed`, `retries_exhausted`,
    /// `capability_mismatch`, `no_engine`, `invalid_manifest`, `setup_failed`, `scope_violation`,
    /// `budget_exceeded`, `no_changes`, `stopped`, `fenced`, `rejected`.
    result Result: Outcome, "", Run, Run;
    /// Failure of the last attempt: `crash`, `timeout`, `verify_failed`, `conflict`.
    failure_class FailureClass: FailureClass, "", Run, Run;
    /// Reason of its state, in a line for people.
    message Message: &'a str, "", Run, Run;
    /// Error of the engine's vendor: `auth`, `quota`, ...
    engine_error EngineError: &'a str, "", Run, Run;
    /// Exit code of the engine, `signal N`, or `none`.
    exit Exit: &'a str, "", Run, Run;
    /// Time that the engine ran.
    duration_s DurationS: f64, "seconds", Run, Run;
    /// Tool calls that the engine refused for lack of permission.
    permission_denials PermissionDenials: u64, "", Run, Run;
    /// Requirements that the host lacks.
    missing Missing: Vec<String>, "", Run, Run;
    /// `1`: `setup` has run in the directory that the job has.
    setup_done SetupDone: MarkedOne, "", Run, Session;
    /// `1`: `verify` has run and passed before it reached `testing/`; `0`: there was none; absent
    /// when version 0.1 judged it.
    verified Verified: bool, "", Run, Run;
    /// Time at which it reached `testing/`.
    verified_at VerifiedAt: Timestamp, "", Run, Run;
    /// Time at which it reached `shipped/`.
    shipped_at ShippedAt: Timestamp, "", Run, Run;
    /// Branch that it was merged into.
    merged_into MergedInto: &'a str, "", Run, Run;
    /// Commit of that branch that first had its work.
    merged_commit MergedCommit: CommitName<'a>, "", Run, Run;
    /// Remote at which that branch is; absent: in the job's own repository.
    merged_remote MergedRemote: &'a str, "", Run, Run;
    /// Move of its target that was begun: the branch, its commit before (`-`: none) and after.
    landing Landing: LandingIntent<'a>, "", Run, Run;
    /// Times that the train has sent it back.
    train_tries TrainTries: u32, "", Run, Run;
    /// `1`: the next attempt starts from the newest commit of its target.
    rebase Rebase: MarkedOne, "", Run, Session;
    /// Reason why its merge needs a person.
    train_waits TrainWaits: &'a str, "", Run, Run;
    /// Files that are in the way of its merge.
    train_waits_for TrainWaitsFor: Vec<String>, "", Run, Run;
    /// Job without whose work its own does not go, and that is not shipped.
    train_waits_dep TrainWaitsDep: &'a str, "", Run, Run;
    /// Page of its pull request.
    pull_request PullRequest: &'a str, "", Run, Job;
    /// Name of its pull request: `github:owner/repo#7`.
    pull_request_name PullRequestName: &'a str, "", Run, Job;
    /// Commit that its pull request is to have.
    pull_request_commit PullRequestCommit: CommitName<'a>, "", Run, Run;
    /// `1`: the pull request has that commit and was open when it was last asked about.
    pull_request_open PullRequestOpen: MarkedOne, "", Run, Run;
    /// Reason why its pull request cannot be opened or asked about.
    pull_request_error PullRequestError: &'a str, "", Run, Run;
    /// Reason why a part of the log is missing.
    log_incomplete LogIncomplete: &'a str, "", Run, Run;
    /// Lack of the host when it was last tried: `program`, `engine`, or `room`, `writable_disk`,
    /// `sound_disk`, `open_files`, `memory`, `processes`, `file_size`, `answer`.
    host_lacks HostLacks: &'a str, "", Run, Run;
    /// Name of that program, or the system's refusal.
    host_lacks_detail HostLacksDetail: &'a str, "", Run, Run;
    /// Times in a row that it was put back for that; the pause grows with it.
    host_tries HostTries: u32, "", Run, Run;
    /// File because of which the work of its deps does not go together.
    deps_conflict DepsConflict: &'a str, "", Run, Run;
    /// Job whose work does not go with the target and the other deps there.
    deps_conflict_dep DepsConflictDep: &'a str, "", Run, Run;
    /// Digest of where the branches of target and deps were then.
    deps_seen DepsSeen: &'a str, "", Run, Run;
    /// Dep whose work is on another host, and that host: `<job>@<host>`.
    dep_elsewhere DepElsewhere: &'a str, "", Run, Run;
    /// Name of its line in `.state/spent`.
    spent_at SpentAt: Timestamp, "", Run, Job;
    /// Folder that the last step was to, [see below](#steps-and-crashes).
    moved_to MovedTo: Stage, "", Run, Run;

    /// The job's id at the coordinator.
    fleet_job_id FleetJobId: FleetId<'a>, "", Fleet, Lease;
    /// Epoch of the grant under which it is here.
    fleet_lease_epoch FleetLeaseEpoch: u64, "", Fleet, Lease;
    /// Name of this host in the fleet when it was given the job: the coordinator is asked under it.
    fleet_factory FleetFactory: &'a str, "", Fleet, Lease;
    /// Number of the last report to the coordinator under this grant.
    fleet_reports FleetReports: u64, "", Fleet, Lease;
    /// Last stage that was reported to the coordinator, or is to be: `testing@3`.
    fleet_told FleetTold: &'a str, "", Fleet, Lease;
    /// `1`: the coordinator has let it ship under this grant.
    fleet_ships FleetShips: MarkedOne, "", Fleet, Lease;
    /// Time at which the coordinator could not be asked whether it may ship.
    ship_tried_at ShipTriedAt: Timestamp, "", Fleet, Job;
    /// Jobs that its deps are in the fleet.
    fleet_deps FleetDeps: Vec<String>, "", Fleet, Lease;
    /// Branch in which another host has left its work.
    resume_branch ResumeBranch: &'a str, "", Fleet, Lease;
    /// Commit in which it has left its work.
    resume_commit ResumeCommit: CommitName<'a>, "", Fleet, Lease;
    /// Failure of its last attempt there.
    resume_failure_class ResumeFailureClass: &'a str, "", Fleet, Lease;
    /// Attempts there.
    resume_attempts ResumeAttempts: u32, "", Fleet, Lease;
    /// Files changed there.
    resume_files_changed ResumeFilesChanged: u64, "", Fleet, Lease;
    /// Reason why the newest work could not be pushed.
    push_error PushError: &'a str, "", Fleet, Lease;
    /// Branch that this host's work was pushed to last.
    pushed_branch PushedBranch: &'a str, "", Fleet, Lease;
    /// Commit that was pushed last.
    pushed_commit PushedCommit: CommitName<'a>, "", Fleet, Lease;
    /// Remote that it was pushed to.
    pushed_to PushedTo: &'a str, "", Fleet, Lease;
    /// Host and path of that remote's address.
    pushed_repository PushedRepository: &'a str, "", Fleet, Lease;
}

impl KeyName for RecordKey {
    fn text(self) -> &'static str {
        TEXTS[self as usize]
    }

    fn find(text: &[u8]) -> Option<Self> {
        BY_LENGTH.find(&TEXTS, text).map(|at| Self::ALL[at])
    }
}
