//! The thread that talks to a kind of tracker. The client blocks and has a runtime of its own, so
//! it is made, used and dropped here, and nowhere on the coordinator's runtime. It is no thread of
//! that one either, whose end would wait for a tracker that hangs.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use aq_tracker::{ItemId, RenderedUpdate, Tracker, TrackerError, TrackerKind, Trackers};
use tokio::sync::oneshot;

/// The tracker's answer: see [`Tracker::echo`].
pub(super) type Answer = Result<Option<String>, TrackerError>;

/// One update to send.
#[derive(Debug)]
pub(super) struct SendRequest {
    pub(super) item: ItemId,
    pub(super) update: RenderedUpdate,
    pub(super) comment: Option<String>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Starts the thread, which ends with the sender.
pub(super) fn start(kind: TrackerKind, trackers: Arc<Trackers>) -> io::Result<Sender<SendRequest>> {
    let (to, requests) = channel();
    std::thread::Builder::new()
        .name("aq-echo".to_owned())
        .spawn(move || talk(kind, &trackers, &requests))?;
    Ok(to)
}

fn talk(kind: TrackerKind, trackers: &Trackers, requests: &Receiver<SendRequest>) {
    let mut made = None;
    for request in requests {
        let SendRequest { item, update, comment, answer } = request;
        let said = tell(&mut made, kind, trackers, &item, &update, comment.as_deref());
        // Who asked may have ended.
        let _ = answer.send(said);
    }
}

fn tell(
    made: &mut Option<Box<dyn Tracker>>,
    kind: TrackerKind,
    trackers: &Trackers,
    item: &ItemId,
    update: &RenderedUpdate,
    comment: Option<&str>,
) -> Answer {
    let tracker = match made {
        Some(tracker) => tracker,
        None => made.insert(trackers.tracker(kind)?),
    };
    tracker.echo(item, update, comment)
}
