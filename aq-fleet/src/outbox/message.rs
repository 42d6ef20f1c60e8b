//! Messages that can wait in an outbox.

use serde::{Deserialize, Serialize};

use crate::client::{CallError, CoordinatorClient};
use crate::protocol::{Epoch, EventsRequest, FleetJobId, ReleaseRequest, ReportRequest};

/// A call about one job that may be made late, and more than once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "body")]
pub enum OutboxMessage {
    /// The progress of the job.
    Report(ReportRequest),
    /// The job is given back.
    Release(ReleaseRequest),
    /// Events, for people.
    Events(EventsRequest),
}

/// The fate of a message that was sent.
#[derive(Clone, Debug, PartialEq)]
pub enum DeliveryOutcome {
    /// The coordinator has it.
    Done,
    /// The coordinator will never take it: it is dropped.
    Refused(CallError),
    /// Not now: it stays, and all after it.
    Later(CallError),
}

impl OutboxMessage {
    /// The grant that it was written under.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Report(report) => report.epoch,
            Self::Release(release) => release.epoch,
            Self::Events(events) => events.epoch,
        }
    }

    /// Makes the call, and says what is to become of the message.
    pub fn send(&self, client: &CoordinatorClient, job: FleetJobId) -> DeliveryOutcome {
        let called = match self {
            Self::Report(report) => client.report(job, report),
            Self::Release(release) => client.release(job, release),
            Self::Events(events) => client.events(job, events),
        };
        match called {
            Ok(_) => DeliveryOutcome::Done,
            Err(error) => DeliveryOutcome::from(error),
        }
    }
}

impl From<CallError> for DeliveryOutcome {
    /// A message that is itself refused is dropped: it would be refused for ever, and hold back
    /// those after it. One that failed for another reason stays.
    fn from(error: CallError) -> Self {
        if error.may_pass() { Self::Later(error) } else { Self::Refused(error) }
    }
}
