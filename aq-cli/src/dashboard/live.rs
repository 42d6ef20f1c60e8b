//! Pages that live: streams of events, and how many there may be.

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};

use super::error::PageError;
use super::state::Dashboard;

/// Streams at once, each for a page that somebody sees: the rest of the connections is for everything else.
pub(super) const STREAMS: usize = 128;

/// Answers with a stream of events, when there is room for one more. A page that is gone is noticed within
/// the 15 s after which something is sent in any case.
pub(super) fn live(
    dashboard: &Dashboard,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Result<Response, PageError> {
    let place = Arc::clone(&dashboard.streams).try_acquire_owned().map_err(|_| {
        PageError::new(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open; close some")
    })?;
    // Given back when the stream is dropped, which it is with its connection.
    let events = events.map(move |event| {
        let _held = &place;
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
