//! The steps of a job's life, one a file. Each is a pure function of the job's row, what is asked
//! for and the time; nobody else decides what a step writes, or whether it may be made.
//!
//! A step is written as two writes: its update is appended to the record, and the job's file is
//! renamed. `crash/` tries every crash between them, against everybody who may come next.

mod accept;
mod allow_ship;
mod attempt_end;
mod await_deps;
mod begin;
#[cfg(test)]
mod crash;
mod end_unwanted;
mod fail;
mod fail_finally;
mod give_back;
mod hold;
mod interrupt;
#[cfg(test)]
mod lab;
mod landing;
mod launch;
mod note_checkout;
mod note_push;
mod note_session;
mod number_report;
mod postpone;
mod pull;
mod put_back;
mod record_run;
mod recover;
mod refuse;
mod reject;
mod requeue;
mod resume;
mod set_aside;
mod ship;
mod step;
mod stop;
mod stop_reason;
mod train;
mod verify;

pub use accept::AcceptWork;
pub use allow_ship::AllowShip;
pub use await_deps::{AwaitDeps, DepObstacle};
pub use begin::BeginAttempt;
pub use end_unwanted::EndUnwanted;
pub use fail::FailAttempt;
pub use fail_finally::FailFinally;
pub use give_back::GiveBack;
pub use hold::{HoldJob, ReleaseJob};
pub use interrupt::InterruptAttempt;
pub use landing::{ForgetLanding, NoteLanding};
pub use launch::LaunchJob;
pub use note_checkout::NoteCheckout;
pub use note_push::NotePush;
pub use note_session::NoteSession;
pub use number_report::NumberReport;
pub use postpone::PostponeJob;
pub use pull::{BeginPull, NotePull, NotePullError, ShipPull};
pub use put_back::{ENGINE_LACK, PutBack, is_worth_a_wait, recorded_lack};
pub use record_run::{RecordRun, RunSession, RunUsage};
pub use recover::{DeadWorker, MAX_RECOVERIES, RecoverJob, RecoveryEnd, folder_of};
pub use refuse::{RefusalCause, RefuseJob};
pub use reject::RejectWork;
pub use requeue::RequeueJob;
pub use resume::{ResumeFrom, ResumeJob};
pub use set_aside::SetAside;
pub use ship::{MergedWork, ShipWork};
pub use step::{Durability, JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
pub use stop::{FenceJob, StopWaiting};
pub use stop_reason::StopReason;
pub use train::{NoteTrainWait, SendBack};
pub use verify::VerifyWork;
