//! `GET /v1/events`: what happens in the fleet, as server-sent events; `GET /v1/feed`: the same in
//! pages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aq_fleet::protocol::{DEFAULT_PAGE, EventPage, FeedEvent, FeedQuery, MAX_PAGE, MAX_WAIT_MS};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::body::QueryParameters;
use super::refusal::ApiRefusal;
use super::state::ApiState;
use crate::store::FeedMessages;

/// The header by which a client goes on where it was.
const LAST_EVENT_ID: &str = "last-event-id";

/// Interval of looks for other coordinators' messages.
const WATCH: Duration = Duration::from_millis(500);

/// Messages read at once.
const PAGE: u32 = 500;

/// Bytes of messages from which on a page takes no more: a client reads four times as much.
const PAGE_BYTES: usize = 2 << 20;

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
    State(api): State<Arc<ApiState>>,
    head: HeaderMap,
) -> Result<Response, ApiRefusal> {
    let permit = reader(&api)?;
    let after = match head.get(LAST_EVENT_ID) {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse::<u64>().ok());
            id.ok_or_else(|| ApiRefusal::invalid(LAST_EVENT_ID, "expected the `id` of a message"))?
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

/// A page of messages, behind one or from so long ago on. An empty one may be held back until
/// there is a message. An extension of version 1.
#[utoipa::path(
    get, path = "/v1/feed", tag = "fleet",
    params(
        ("after" = Option<u64>, Query, description = "Those behind the message with this id"),
        ("sinceMs" = Option<u64>, Query, description = "Those of so long ago"),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 unless given"),
        ("waitMs" = Option<u64>, Query, description = "How long an empty answer may be held back"),
    ),
    responses((status = 200, body = EventPage)),
)]
pub(super) async fn page(
    State(api): State<Arc<ApiState>>,
    QueryParameters(query): QueryParameters<FeedQuery>,
) -> Result<Json<EventPage>, ApiRefusal> {
    let wait = query.wait_ms.unwrap_or_default();
    if wait > MAX_WAIT_MS {
        let detail = format!("an answer is held back for at most {MAX_WAIT_MS} ms, not {wait}");
        return Err(ApiRefusal::invalid("waitMs", detail));
    }
    let _permit = reader(&api)?;
    let after = match (query.after, query.since_ms) {
        (Some(after), _) => after,
        (None, Some(since)) => api.store.feed_before(Duration::from_millis(since)).await?,
        (None, None) => api.store.feed(None, 1).await?.next,
    };
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let end = Instant::now() + Duration::from_millis(wait);
    let mut pulse = api.pulse.listen();
    let mut stop = api.stop.clone();
    loop {
        let FeedMessages { events, next, gone } = api.store.feed(Some(after), limit).await?;
        let left = end.saturating_duration_since(Instant::now());
        if !events.is_empty() || gone.is_some() || left.is_zero() || *stop.borrow() {
            let next = next.max(after);
            return Ok(Json(bounded(EventPage { events, next, gone })));
        }
        tokio::select! {
            _ = tokio::time::timeout(left.min(WATCH), pulse.changed()) => {}
            _ = stop.wait_for(|&stop| stop) => {}
        }
    }
}

/// The page without what makes it too large for a client; that is the next one's.
fn bounded(mut page: EventPage) -> EventPage {
    let mut room = PAGE_BYTES;
    let fits = page.events.iter().take_while(|event| {
        let had_room = room > 0;
        room = room.saturating_sub(serde_json::to_vec(event).map_or(0, |text| text.len()));
        had_room
    });
    page.events.truncate(fits.count());
    page.next = page.events.last().map_or(page.next, |event| event.id);
    page
}

/// Room for one more who reads from the database by himself.
fn reader(api: &ApiState) -> Result<OwnedSemaphorePermit, ApiRefusal> {
    Arc::clone(&api.readers).try_acquire_owned().map_err(|_| {
        ApiRefusal::unavailable("too many follow the events already; try it again later")
    })
}

async fn read(
    api: &ApiState,
    mut after: u64,
    messages: &mpsc::Sender<Result<Event, axum::Error>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut pulse = api.pulse.listen();
    loop {
        // While the database is away there is nothing to send; it goes on afterwards.
        let feed = api.store.feed(Some(after), PAGE).await.unwrap_or_default();
        let more = feed.events.len() >= PAGE as usize;
        let gap = feed.gone.map(FeedEvent::gap);
        for event in gap.into_iter().chain(feed.events) {
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
