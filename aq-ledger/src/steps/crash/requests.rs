//! The requests of every step that the model makes.

use std::time::Duration;

use aq_manifest::{FailureClass, Isolation, Outcome, RetryBackoff, RetryPolicy, ReviewPolicy};
use aq_scheduler::HostLack;
use jiff::Timestamp;

use super::super::*;
use crate::{CommitName, JobRow, LandingIntent, RecordUpdate};

/// The process that makes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepActor {
    Loop,
    Person,
    Worker,
}

pub(super) type Request = Box<dyn Fn(JobRow<'_>, Timestamp) -> Result<StepWrites, StepRefusal>>;

fn request(step: impl JobStep + 'static) -> Request {
    Box::new(move |row, now| step.decide(row, now))
}

/// The requests of each step that differ in what they write. `landed`: the job's target has moved
/// to a commit with its work.
pub(super) fn requests(name: StepName, stop: Option<StopReason>, landed: bool) -> Vec<Request> {
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const TRIES_TWICE: RetryPolicy = RetryPolicy {
        max: 2,
        backoff: RetryBackoff {
            initial: Duration::from_secs(60),
            factor: 2.0,
            max: Duration::from_secs(60),
        },
        on: Vec::new(),
    };
    match name {
        StepName::Accept => vec![
            request(AcceptWork { policy: ReviewPolicy::Auto }),
            request(AcceptWork { policy: ReviewPolicy::Human }),
        ],
        StepName::AllowShip => vec![request(AllowShip)],
        StepName::AwaitDeps => {
            let obstacle = DepObstacle::Conflict { file: "f", seen: "s" };
            vec![request(AwaitDeps { dep: "b", obstacle, message: "x" })]
        }
        StepName::BeginPull => vec![request(BeginPull { commit: COMMIT })],
        StepName::Begin => vec![request(BeginAttempt { pid: 7, start: 1, boot: "b" })],
        StepName::EndUnwanted => {
            stop.map(|reason| request(EndUnwanted { reason })).into_iter().collect()
        }
        StepName::Fail => vec![
            Box::new(|row, now| {
                let retry = RetryPolicy { on: vec![FailureClass::Crash], ..TRIES_TWICE };
                let class = FailureClass::Crash;
                FailAttempt { class, message: "x", retry: Some(&retry) }.decide(row, now)
            }),
            request(FailAttempt { class: FailureClass::Timeout, message: "x", retry: None }),
        ],
        StepName::FailFinally => {
            vec![request(FailFinally { outcome: Outcome::SetupFailed, message: "x" })]
        }
        StepName::Fence => vec![request(FenceJob)],
        StepName::ForgetLanding if landed => Vec::new(),
        StepName::ForgetLanding => vec![request(ForgetLanding)],
        StepName::GiveBack => vec![request(GiveBack { message: "x" })],
        StepName::Hold => vec![request(HoldJob)],
        StepName::Interrupt => vec![request(InterruptAttempt)],
        StepName::Launch => vec![request(LaunchJob { engine: "shell" })],
        StepName::NoteCheckout => vec![request(NoteCheckout {
            branch: "aq/wip/a",
            base: COMMIT,
            target: COMMIT,
            deps: &[],
            isolation: Isolation::InPlace,
            checkout: None,
            is_fresh: true,
        })],
        StepName::NoteLanding => {
            let new = CommitName::of(COMMIT).expect("a commit");
            let landing = LandingIntent { target: "refs/heads/main", old: None, new };
            vec![request(NoteLanding { landing })]
        }
        StepName::NoteTrainWait => {
            vec![request(NoteTrainWait { refusal: "x", files: &[], dep: "" })]
        }
        StepName::NotePull => {
            vec![request(NotePull { url: "https://x/7", name: "github:o/r#7" })]
        }
        StepName::NotePullError => vec![request(NotePullError { why: "x" })],
        StepName::NotePush => vec![request(NotePush::Failed { why: "x" })],
        StepName::NoteSession => {
            vec![request(NoteSession { session: "s", engine: "shell", feedback: None })]
        }
        StepName::NumberReport => vec![request(NumberReport)],
        StepName::Postpone => vec![request(PostponeJob { message: "x" })],
        StepName::PutBack => vec![Box::new(|row, now| {
            let lack = HostLack::Program { program: "git".to_owned() };
            PutBack { lack: &lack }.decide(row, now)
        })],
        StepName::RecordRun => vec![request(RecordRun {
            exit: "0",
            duration: Duration::ZERO,
            permission_denials: None,
            session: None,
            engine_error: None,
            model: None,
            usage: RunUsage::default(),
            session_total: None,
        })],
        StepName::Recover => {
            let recover = RecoverJob { stop, saved: RecordUpdate::new() };
            vec![request(recover)]
        }
        StepName::Refuse => {
            vec![request(RefuseJob { cause: RefusalCause::InvalidManifest, message: "x" })]
        }
        StepName::Reject => vec![request(RejectWork { reason: None })],
        StepName::Release => vec![request(ReleaseJob)],
        StepName::Requeue => vec![request(RequeueJob { force: true })],
        StepName::Resume => vec![
            request(ResumeJob { from: ResumeFrom::Reply }),
            request(ResumeJob { from: ResumeFrom::Requeue { force: true } }),
        ],
        StepName::SendBack => {
            let class = FailureClass::Conflict;
            vec![request(SendBack { class, message: "x", retries: 1 })]
        }
        StepName::SetAside => vec![request(SetAside { message: "x" })],
        StepName::Ship if landed => {
            let merged = MergedWork { into: "main", commit: COMMIT, remote: None };
            vec![request(ShipWork { merged: Some(merged) }), request(ShipWork { merged: None })]
        }
        StepName::Ship => vec![request(ShipWork { merged: None })],
        StepName::ShipPull => vec![request(ShipPull { into: "main" })],
        StepName::StopWaiting => vec![request(StopWaiting)],
        StepName::Verify => vec![request(VerifyWork { has_passed: true })],
    }
}

pub(super) fn actor(name: StepName) -> StepActor {
    match name {
        StepName::BeginPull
        | StepName::Fence
        | StepName::ForgetLanding
        | StepName::Launch
        | StepName::NotePull
        | StepName::NotePullError
        | StepName::Recover
        | StepName::Refuse
        | StepName::Ship
        | StepName::ShipPull => StepActor::Loop,
        StepName::Hold
        | StepName::Reject
        | StepName::Release
        | StepName::Requeue
        | StepName::Resume
        | StepName::SetAside
        | StepName::StopWaiting => StepActor::Person,
        StepName::Accept
        | StepName::AllowShip
        | StepName::AwaitDeps
        | StepName::Begin
        | StepName::EndUnwanted
        | StepName::Fail
        | StepName::FailFinally
        | StepName::GiveBack
        | StepName::Interrupt
        | StepName::NoteCheckout
        | StepName::NoteLanding
        | StepName::NotePush
        | StepName::NoteSession
        | StepName::NoteTrainWait
        | StepName::NumberReport
        | StepName::Postpone
        | StepName::PutBack
        | StepName::RecordRun
        | StepName::SendBack
        | StepName::Verify => StepActor::Worker,
    }
}

/// Steps about pull requests.
pub(super) fn is_of_pull(name: StepName) -> bool {
    use StepName::{BeginPull, NotePull, NotePullError, ShipPull};
    matches!(name, BeginPull | NotePull | NotePullError | ShipPull)
}

/// Steps that only note something. They have no part in the job's way.
pub(super) fn is_note(name: StepName) -> bool {
    matches!(
        name,
        StepName::NoteCheckout
            | StepName::NotePush
            | StepName::NoteSession
            | StepName::NumberReport
            | StepName::RecordRun
    )
}
