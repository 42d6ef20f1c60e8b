//! Turns at what costs this machine something: how many a reader has at once, and all readers
//! together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::PageError;

/// The one who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PageReader {
    /// A browser that has signed in, by the secret of its session.
    Session(String),
    /// All who have not, together.
    Anybody,
}

/// The turns of one kind.
#[derive(Debug)]
pub(super) struct ReaderTurns {
    each: usize,
    all: Arc<Semaphore>,
    readers: Mutex<HashMap<PageReader, Weak<Semaphore>>>,
}

/// A turn, until its last copy is dropped.
#[derive(Clone, Debug)]
pub(super) struct ReaderTurn {
    own: Arc<OwnedSemaphorePermit>,
    _all: Arc<OwnedSemaphorePermit>,
}

impl ReaderTurn {
    /// The part of it that counts for its reader only.
    pub(super) fn into_own(self) -> Arc<OwnedSemaphorePermit> {
        self.own
    }
}

impl ReaderTurns {
    /// So many for each reader, and for all.
    pub(super) fn new(each: usize, all: usize) -> Self {
        Self { each, all: Arc::new(Semaphore::new(all)), readers: Mutex::default() }
    }

    /// Waits for a turn.
    pub(super) async fn take(&self, reader: &PageReader) -> Result<ReaderTurn, PageError> {
        let own = self.of(reader).acquire_owned().await.map_err(PageError::environment)?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(PageError::environment)?;
        Ok(ReaderTurn { own: Arc::new(own), _all: Arc::new(all) })
    }

    /// A turn at once, or a refusal with these words.
    pub(super) fn try_take(
        &self,
        reader: &PageReader,
        words: &str,
    ) -> Result<ReaderTurn, PageError> {
        let refused = |_| PageError::new(StatusCode::SERVICE_UNAVAILABLE, words);
        let own = self.of(reader).try_acquire_owned().map_err(refused)?;
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(refused)?;
        Ok(ReaderTurn { own: Arc::new(own), _all: Arc::new(all) })
    }

    /// The turns of one reader, which are forgotten when none is taken or waited for.
    fn of(&self, reader: &PageReader) -> Arc<Semaphore> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = readers.get(reader).and_then(Weak::upgrade) {
            return own;
        }
        readers.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.each));
        readers.insert(reader.clone(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(name: &str) -> PageReader {
        PageReader::Session(name.to_owned())
    }

    #[tokio::test]
    async fn turns_are_limited_and_given_back() {
        let turns = ReaderTurns::new(2, 3);
        let is_free = |of: &PageReader| turns.try_take(of, "no").is_ok();
        let first = turns.take(&reader("a")).await.unwrap();
        let copy = first.clone();
        let _second = turns.take(&reader("a")).await.unwrap();
        assert!(!is_free(&reader("a")) && is_free(&reader("b")) && is_free(&PageReader::Anybody));
        let other = turns.take(&reader("b")).await.unwrap();
        assert!(!is_free(&reader("b")) && !is_free(&PageReader::Anybody));
        drop(first);
        assert!(!is_free(&reader("a")));
        drop(copy);
        assert!(is_free(&reader("a")));
        // What is left of it counts for its reader only.
        let own = other.into_own();
        let _third = turns.take(&reader("b")).await.unwrap();
        let _fourth = turns.take(&PageReader::Anybody).await.unwrap();
        assert!(!is_free(&reader("a")));
        drop(own);
    }

    #[tokio::test]
    async fn readers_who_left_are_forgotten() {
        let turns = ReaderTurns::new(1, 9);
        for n in 0..100 {
            drop(turns.take(&reader(&n.to_string())).await.unwrap());
        }
        assert_eq!(turns.readers.lock().unwrap().len(), 1);
    }
}
