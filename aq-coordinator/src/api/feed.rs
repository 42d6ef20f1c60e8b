//! `GET /v1/events`: what happens in the fleet, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use aq_fleet::protocol::FeedEvent;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::refusal::Refusal;
use super::state::Api;

/// What a client sends to go on where it was.
const LAST_EVENT_ID: &str = "last-event-id";

/// How often other coordinators' messages are looked for.
const WATCH: Duration = Duration::from_millis(500);

/// Messages read at once.
const PAGE: u32 = 500;

/// Messages that a slow reader may be behind before the reading waits for it.
const BEHIND: usize = 64;

/// Follow the fleet. Starts with what happens from now on, or behind `Last-Event-ID`.
#[utoipa::path(
    get, path = "/v1/events", tag = "fleet",
    params((
        "last-event-id" = Option<String>, Header,
        description = "The `id` of the last message that was received"
    )),
    responses((status = 200, body = FeedEvent, content_type = "text/event-stream")),
)]
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    head: HeaderMap,
) -> Result<Response, Refusal> {
    let permit = Arc::clone(&api.readers).try_acquire_owned().map_err(|_| {
        Refusal::unavailable("too many follow the events already; try it again later")
    })?;
    let after = match head.get(LAST_EVENT_ID) {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse::<u64>().ok());
            id.ok_or_else(|| Refusal::invalid(LAST_EVENT_ID, "expected the `id` of a message"))?
        }
        None => api.store.feed(None, 1).await?.next,
    };
    let (messages, stream) = mpsc::channel(BEHIND);
    tokio::spawn(async move {
        // Ends with the reader, or with the coordinator.
        let mut stop = api.stop.clone();
        tokio::select! {
            () = read(&api, after, &messages, permit) => {}
            () = messages.closed() => {}
            _ = stop.wait_for(|&stop| stop) => {}
        }
    });
    let stream = Sse::new(ReceiverStream::new(stream)).keep_alive(KeepAlive::default());
    Ok(stream.into_response())
}

async fn read(
    api: &Api,
    mut after: u64,
    messages: &mpsc::Sender<Result<Event, axum::Error>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut pulse = api.pulse.listen();
    loop {
        // While the database is away there is nothing to tell; it goes on afterwards.
        let feed = api.store.feed(Some(after), PAGE).await.unwrap_or_default();
        let more = feed.events.len() >= PAGE as usize;
        for event in feed.events {
            after = event.id;
            if messages.send(message(&event)).await.is_err() {
                return;
            }
        }
        if !more {
            let _ = tokio::time::timeout(WATCH, pulse.changed()).await;
        }
    }
}

fn message(event: &FeedEvent) -> Result<Event, axum::Error> {
    let message = Event::default().id(event.id.to_string()).event(event.kind.as_str());
    message.json_data(event)
}
