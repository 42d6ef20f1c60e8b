//! Pages that live: streams of events, and how many there may be.

use std::convert::Infallible;
use std::future::ready;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};

use super::error::PageError;
use super::guard::PageViewer;
use super::state::QueueDashboard;

/// Streams at once, each for a page that somebody sees: the rest of the connections is for
/// everything else.
pub(super) const STREAMS_OF_ALL: usize = 128;

/// Streams of one reader, so that there are some for others.
pub(super) const STREAMS_OF_EACH: usize = 64;

/// Answers with a stream of events, when there is room for one more. A page that is gone is noticed
/// within the 15 s after which something is sent in any case; a session that has ended, with the
/// next event.
pub(super) fn live(
    dashboard: &QueueDashboard,
    viewer: PageViewer,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Result<Response, PageError> {
    let words = "too many pages are open; close some";
    let turn = dashboard.streams.try_take(&viewer.reader, words)?;
    let dashboard = dashboard.clone();
    let events = events.take_while(move |_| ready(dashboard.sessions.knows(&viewer.reader)));
    // The turn is given back when the stream is dropped, which it is with its connection.
    let events = events.map(move |event| {
        let _held = &turn;
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
