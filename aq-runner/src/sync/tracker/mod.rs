//! Telling trackers what becomes of jobs: what waits to be told is on disk, and is told in order.

mod outbox;
mod pauses;
mod sender;

pub(crate) use outbox::{JobUpdates, UpdateOutbox};
pub(crate) use sender::{OutboxSender, SendResult};
