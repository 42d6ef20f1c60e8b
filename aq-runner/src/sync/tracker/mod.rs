//! Updates of jobs for trackers: what waits to be sent is on disk, and is sent in order.

mod outbox;
mod pauses;
mod sender;

pub(crate) use outbox::{JobUpdates, UpdateOutbox};
pub(crate) use sender::{OutboxSender, SendResult};
