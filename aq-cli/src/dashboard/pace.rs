//! The pace of pages: a reader has few at once, and what he does not read is not kept for long.
//!
//! A turn lasts as long as anything works on the page, though the reader may have left, and then
//! until the answer is sent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::error::PageError;
use super::state::QueueDashboard;
use super::turns::{PageReader, ReaderTurn};

/// Pages of one reader at once: a browser makes six connections.
pub(super) const PAGES_OF_EACH: usize = 8;

/// Pages at once on which something works.
pub(super) const PAGES_OF_ALL: usize = 24;

/// Smaller answers, in bytes, are not worth a turn while they are sent.
const SMALL: usize = 64 << 10;

/// A reader who takes nothing for so long gets no more.
const STALL: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The reader of the page that is being made, and his turn.
    static PAGE: (PageReader, ReaderTurn);
}

/// The reader and the turn of the page that is being made; `None` outside of one.
pub(super) fn of_page() -> Option<(PageReader, ReaderTurn)> {
    PAGE.try_with(Clone::clone).ok()
}

/// Waits for a turn, then makes the page.
pub(super) async fn pace(
    State(dashboard): State<QueueDashboard>,
    request: Request,
    next: Next,
) -> Response {
    let reader = dashboard.sessions.reader(request.headers());
    let turn = match dashboard.pages.take(&reader).await {
        Ok(turn) => turn,
        Err(error) => return error.into_response(),
    };
    let response = PAGE.scope((reader, turn.clone()), next.run(request)).await;
    send(response, turn).await
}

/// Holds the reader's part of the turn until the answer is sent.
async fn send(response: Response, turn: ReaderTurn) -> Response {
    let (mut parts, body) = response.into_parts();
    let chunks = match body.size_hint().exact() {
        Some(size) if size <= SMALL as u64 => return Response::from_parts(parts, body),
        Some(size) => {
            let bytes = match to_bytes(body, usize::MAX).await {
                Ok(bytes) => bytes,
                Err(error) => return PageError::environment(error).into_response(),
            };
            parts.headers.insert(header::CONTENT_LENGTH, size.into());
            stream::iter(slices(bytes)).map(Ok).boxed()
        }
        None => body.into_data_stream().map(|chunk| chunk.map_err(io::Error::other)).boxed(),
    };
    Response::from_parts(
        parts,
        Body::from_stream(StreamedAnswer::new(chunks, turn.into_own(), STALL)),
    )
}

fn slices(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(SMALL))))
}

/// An answer that is being sent.
struct StreamedAnswer(Arc<Mutex<Option<StreamRest>>>);

struct StreamRest {
    chunks: BoxStream<'static, io::Result<Bytes>>,
    /// When the last chunk was taken.
    taken: Instant,
    _turn: Arc<OwnedSemaphorePermit>,
}

fn lock(rest: &Mutex<Option<StreamRest>>) -> MutexGuard<'_, Option<StreamRest>> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StreamedAnswer {
    fn new(
        chunks: BoxStream<'static, io::Result<Bytes>>,
        turn: Arc<OwnedSemaphorePermit>,
        stall: Duration,
    ) -> Self {
        let rest = StreamRest { chunks, taken: Instant::now(), _turn: turn };
        let rest = Arc::new(Mutex::new(Some(rest)));
        let watched = Arc::downgrade(&rest);
        // A connection that takes nothing asks for nothing, so somebody else has to notice.
        tokio::spawn(async move {
            let mut pause = stall;
            loop {
                tokio::time::sleep(pause).await;
                let Some(rest) = watched.upgrade() else { return };
                let mut rest = lock(&rest);
                let Some(left) =
                    rest.as_ref().map(|rest| stall.saturating_sub(rest.taken.elapsed()))
                else {
                    return;
                };
                if left.is_zero() {
                    *rest = None;
                    return;
                }
                pause = left;
            }
        });
        Self(rest)
    }
}

impl Stream for StreamedAnswer {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut held = lock(&self.0);
        let Some(rest) = held.as_mut() else {
            let words = "nobody took the answer";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, words))));
        };
        rest.taken = Instant::now();
        rest.chunks.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::turns::ReaderTurns;

    #[tokio::test]
    async fn an_answer_is_whole_and_holds_the_turn() {
        let turns = ReaderTurns::new(1, 1);
        let text = "x".repeat(SMALL * 2 + 1);
        let turn = turns.take(&PageReader::Anybody).await.unwrap();
        let response = send(text.clone().into_response(), turn).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], text.len().to_string());
        assert!(turns.try_take(&PageReader::Anybody, "").is_err());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(bytes, text);
        assert!(turns.try_take(&PageReader::Anybody, "").is_ok());

        let turn = turns.take(&PageReader::Anybody).await.unwrap();
        let small = send("y".into_response(), turn).await;
        assert!(turns.try_take(&PageReader::Anybody, "").is_ok());
        drop(small);
    }

    #[tokio::test]
    async fn what_nobody_takes_is_dropped() {
        let turns = ReaderTurns::new(1, 1);
        let own = turns.take(&PageReader::Anybody).await.unwrap().into_own();
        let chunks = stream::iter([Ok(Bytes::from_static(b"x"))]).boxed();
        let mut held = StreamedAnswer::new(chunks, own, Duration::from_millis(20));
        assert!(turns.try_take(&PageReader::Anybody, "").is_err());
        let waited =
            tokio::time::timeout(Duration::from_secs(60), turns.take(&PageReader::Anybody));
        assert!(waited.await.is_ok());
        assert!(held.next().await.unwrap().is_err());
    }
}
