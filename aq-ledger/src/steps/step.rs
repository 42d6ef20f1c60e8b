//! The common shape of all steps.

use aq_manifest::Stage;
use jiff::Timestamp;

use crate::row::JobRow;
use crate::table::RecordKey;
use crate::update::RecordUpdate;

/// A step that a job may make: the request, with what it needs to know beside the row.
pub trait JobStep {
    /// The step's name.
    const NAME: StepName;

    /// The folders from which it is made.
    const FROM: &'static [Stage];

    /// The demand on the record.
    const CHECK: RecordCheck;

    /// Decides what the step writes.
    ///
    /// # Errors
    /// When the row does not allow it. A row outside [`Self::FROM`] is refused by
    /// [`decide`](Self::decide), and never comes here.
    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal>;

    /// Decides whether the step may be made, and what it writes.
    ///
    /// # Errors
    /// When the job is in another folder, or the row does not allow the step.
    fn decide(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        if Self::FROM.contains(&row.stage) {
            return self.write(row, now);
        }
        Err(StepRefusal::WrongStage { step: Self::NAME, at: row.stage, from: Self::FROM })
    }
}

/// The writes of a step.
#[derive(Clone, Debug)]
pub struct StepWrites {
    to: Option<Stage>,
    update: RecordUpdate,
    durability: Durability,
}

impl StepWrites {
    /// A step to another folder, or to the same one.
    pub fn to(stage: Stage, update: RecordUpdate) -> Self {
        Self { to: Some(stage), update, durability: Durability::Deferred }
    }

    /// A step that only writes to the record. It ends no step that was cut short before it.
    pub fn note(update: RecordUpdate) -> Self {
        Self { to: None, update, durability: Durability::Deferred }
    }

    /// The same, synced before it is answered.
    #[must_use]
    pub fn synced(mut self) -> Self {
        self.durability = Durability::Synced;
        self
    }

    /// The same with more lines for the record, which win over those of the step.
    #[must_use]
    pub fn with(mut self, more: RecordUpdate) -> Self {
        self.update = self.update.followed_by(more);
        self
    }

    /// The folder that the job's file is renamed to; `None` when it stays.
    pub fn stage(&self) -> Option<Stage> {
        self.to
    }

    /// The lines that are appended to the record, before the rename.
    pub fn update(&self) -> RecordUpdate {
        match self.to {
            Some(stage) => self.update.clone().set(RecordKey::MovedTo, stage),
            None => self.update.clone(),
        }
    }

    /// The demand on the disk.
    pub fn durability(&self) -> Durability {
        self.durability
    }
}

/// The demand of a step on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Recovery covers its loss.
    Deferred,
    /// It is reported as made: it is synced first.
    Synced,
}

/// The demand of a step on the record that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordCheck {
    /// Every value parses: a guess in the place of one may run a job once more, or ship it.
    Sound,
    /// No newer version has written it. The step only ends the job, or forgets what does not parse.
    KnownFormat,
    /// Nothing: the job runs, and has its slot whatever became of its record.
    Nothing,
}

/// The reason why a step is not made. Nothing is written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepRefusal {
    /// The job is in another folder than the step needs.
    #[error("a job in {at}/ has no step `{step}`")]
    WrongStage {
        /// The step.
        step: StepName,
        /// The job's folder.
        at: Stage,
        /// The folders from which the step is made.
        from: &'static [Stage],
    },
    /// The job is in `quarantine/`, and the step was not made by force.
    #[error("a quarantined job has no step `{step}` without force")]
    Quarantined {
        /// The step.
        step: StepName,
    },
    /// A person holds the job.
    #[error("a held job has no step `{step}`")]
    Held {
        /// The step.
        step: StepName,
    },
    /// The job is in `testing/` under a lease, whose lock it has given back.
    #[error("a job of the fleet in testing/ has no step `{step}`")]
    LeaseGivenBack {
        /// The step.
        step: StepName,
    },
    /// No pull request was begun, or none is open.
    #[error("a job without a pull request has no step `{step}`")]
    NoPullRequest {
        /// The step.
        step: StepName,
    },
    /// The target of the job may have moved already.
    #[error("a job whose merge has begun has no step `{step}`")]
    LandingOpen {
        /// The step.
        step: StepName,
    },
    /// The job is none of the fleet, or none any more.
    #[error("a job without a lease has no step `{step}`")]
    NoLease {
        /// The step.
        step: StepName,
    },
    /// No worker has died.
    #[error("a job without a dead worker has no step `{step}`")]
    NoDeadWorker {
        /// The step.
        step: StepName,
    },
}

impl StepRefusal {
    /// The step that is not made.
    pub fn step(&self) -> StepName {
        match *self {
            Self::WrongStage { step, .. }
            | Self::Quarantined { step }
            | Self::Held { step }
            | Self::LeaseGivenBack { step }
            | Self::LandingOpen { step }
            | Self::NoLease { step }
            | Self::NoPullRequest { step }
            | Self::NoDeadWorker { step } => step,
        }
    }
}

/// Defines [`StepName`] with its words.
macro_rules! step_names {
    ($($(#[doc = $meaning:literal])* $variant:ident = $text:literal,)*) => {
        /// The name of a step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum StepName { $($(#[doc = $meaning])* $variant,)* }

        impl StepName {
            /// Every step.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name as a verb.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

step_names! {
    /// The lease of a job that nobody works on has passed to another host.
    Fence = "fence",
    /// A person keeps a waiting job from its start.
    Hold = "hold",
    /// A waiting job takes its slot.
    Launch = "launch",
    /// The worker of a job is dead.
    Recover = "recover",
    /// A waiting job fails without an attempt.
    Refuse = "refuse",
    /// A person turns finished work down.
    Reject = "reject",
    /// A person lets a held job go.
    Release = "release",
    /// A person puts an ended job back as if it had never run.
    Requeue = "requeue",
    /// A job goes back, and goes on in its session.
    Resume = "reply",
    /// A file under another job's name becomes a job in `quarantine/`.
    SetAside = "set aside",
    /// Finished work is accepted for good.
    Ship = "ship",
    /// A pull request of finished work is to be opened, or to get another commit.
    BeginPull = "begin the pull request of",
    /// A pull request is open, and has the commit that it is to have.
    NotePull = "note the pull request of",
    /// A pull request cannot be opened, or asked about.
    NotePullError = "note the pull request's error of",
    /// People have merged a pull request.
    ShipPull = "ship by pull request",
    /// A person ends a waiting job.
    StopWaiting = "stop",
    /// A worker takes up its job.
    Begin = "begin",
    /// The agent's work is accepted.
    Accept = "accept",
    /// The work passes `verify`, or the job has none.
    Verify = "verify",
    /// An attempt fails.
    Fail = "fail",
    /// An attempt fails, and no further one can help.
    FailFinally = "fail for good",
    /// A worker is asked to end, and its job goes on later.
    Interrupt = "interrupt",
    /// A worker's job is not wanted any more.
    EndUnwanted = "end",
    /// An attempt cannot go on, through no fault of the job.
    GiveBack = "give back",
    /// The work of the job's deps does not go together.
    AwaitDeps = "await deps",
    /// The host lacks something that the job needs.
    PutBack = "put back",
    /// The job's engine is out of use.
    Postpone = "postpone",
    /// An engine names its session.
    NoteSession = "note the session of",
    /// A run of an engine has ended.
    RecordRun = "record a run of",
    /// The job's checkout is ready.
    NoteCheckout = "note the checkout of",
    /// The coordinator is about to get a report.
    NumberReport = "report",
    /// Work was pushed for other hosts.
    NotePush = "note a push of",
    /// The coordinator lets a job ship.
    AllowShip = "allow the ship of",
    /// The target of a job is about to move.
    NoteLanding = "note the landing of",
    /// The target of a job has not moved.
    ForgetLanding = "forget the landing of",
    /// A merge needs a person first.
    NoteTrainWait = "note the wait of",
    /// Finished work does not go into its target as it is.
    SendBack = "send back",
}

impl std::fmt::Display for StepName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{refusal, written};
    use super::super::*;
    use super::*;

    /// The steps with this demand on the record.
    fn with_check(check: RecordCheck) -> Vec<StepName> {
        macro_rules! checks {
            ($($step:ident)*) => { [$(($step::NAME, $step::CHECK)),*] };
        }
        let checks = checks![
            FenceJob HoldJob LaunchJob RecoverJob RefuseJob RejectWork ReleaseJob RequeueJob
            ResumeJob SetAside ShipWork BeginPull NotePull NotePullError ShipPull StopWaiting
            BeginAttempt AcceptWork VerifyWork FailAttempt FailFinally InterruptAttempt
            EndUnwanted GiveBack
            AwaitDeps PutBack PostponeJob NoteSession RecordRun NoteCheckout NumberReport NotePush
            AllowShip NoteLanding ForgetLanding NoteTrainWait SendBack
        ];
        assert_eq!(checks.map(|(name, _)| name), StepName::ALL);
        let steps = checks.iter().filter(|(_, demanded)| *demanded == check);
        steps.map(|(name, _)| *name).collect()
    }

    #[test]
    fn starts_and_ends_need_sound_records() {
        use StepName::{
            AllowShip, BeginPull, Hold, Launch, NoteLanding, NotePull, Recover, Reject, Release,
            Requeue, Resume, Ship, ShipPull, StopWaiting,
        };
        let sound = [Launch, Recover, Ship, BeginPull, NotePull, ShipPull, AllowShip, NoteLanding];
        assert_eq!(with_check(RecordCheck::Sound), sound);
        let of_people = [Hold, Reject, Release, Requeue, Resume, StopWaiting];
        assert_eq!(with_check(RecordCheck::KnownFormat), of_people);
    }

    #[test]
    fn refusals_name_step_and_folders() {
        let wrong = refusal(&HoldJob, Stage::Failed, "");
        let from = HoldJob::FROM;
        let step = StepName::Hold;
        assert_eq!(wrong, StepRefusal::WrongStage { step, at: Stage::Failed, from });
        for step in [StepName::Hold, StepName::Ship] {
            for refusal in [
                StepRefusal::WrongStage { step, at: Stage::Failed, from },
                StepRefusal::Quarantined { step },
                StepRefusal::Held { step },
                StepRefusal::LeaseGivenBack { step },
                StepRefusal::NoLease { step },
                StepRefusal::NoDeadWorker { step },
            ] {
                assert_eq!(refusal.step(), step);
            }
        }
        assert_eq!(wrong.to_string(), "a job in failed/ has no step `hold`");
    }

    #[test]
    fn notes_move_nothing() {
        let note = StepWrites::note(RecordUpdate::new().set(RecordKey::Held, "1"));
        assert_eq!((note.stage(), note.durability()), (None, Durability::Deferred));
        assert_eq!(note.update().to_text(), "held=1\n");
        assert_eq!(written(&HoldJob, Stage::Inbox, ""), Ok((None, "held=1\n".to_owned())));
    }
}
