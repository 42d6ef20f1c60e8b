//! Room for connections: who has a place, and who loses it when there is none left.
//!
//! Whoever has shown no token yet goes first, then whoever has asked for nothing for the longest
//! time; a request that is being answered is never cut off. So no number of idle connections keeps
//! others out.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tracing::warn;

use crate::metrics::ConnectionCounts;

/// Interval at which the log says that connections are turned away.
const TELL: Duration = Duration::from_secs(60);

/// The places of a server.
#[derive(Debug)]
pub(super) struct GuestRoom {
    most: usize,
    counts: ConnectionCounts,
    seats: Mutex<GuestSeats>,
}

#[derive(Debug, Default)]
struct GuestSeats {
    next: u64,
    taken: HashMap<u64, GuestSeat>,
    /// Those that wait for a request, the first to go first.
    idle: BTreeSet<(bool, Instant, u64)>,
    warned: Option<Instant>,
}

#[derive(Debug)]
struct GuestSeat {
    /// Ends the connection.
    close: oneshot::Sender<()>,
    /// A valid token came over it.
    is_known: bool,
    /// `None` while a request is answered.
    idle_since: Option<Instant>,
}

/// A connection that has a place, until this is dropped.
#[derive(Debug)]
pub(super) struct RoomGuest {
    room: Arc<GuestRoom>,
    id: u64,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct BusyGuest(Arc<RoomGuest>);

impl GuestRoom {
    pub(super) fn new(most: usize, counts: ConnectionCounts) -> Arc<Self> {
        Arc::new(Self { most, counts, seats: Mutex::default() })
    }

    /// Gives a place, somebody else's if need be, and what says that it is lost. `None` when all
    /// are at work.
    pub(super) fn enter(self: &Arc<Self>) -> Option<(RoomGuest, oneshot::Receiver<()>)> {
        let mut seats = self.locked();
        if seats.taken.len() >= self.most {
            self.warn(&mut seats);
            if !self.evict(&mut seats) {
                self.counts.refused.inc();
                return None;
            }
        }
        let (close, closed) = oneshot::channel();
        let (id, now) = (seats.next, Instant::now());
        seats.next += 1;
        seats.taken.insert(id, GuestSeat { close, is_known: false, idle_since: Some(now) });
        seats.idle.insert((false, now, id));
        self.counts.open.inc();
        Some((RoomGuest { room: Arc::clone(self), id }, closed))
    }

    /// Lets one go that does nothing, where the system has no descriptor for another one.
    pub(super) fn make_room(&self) {
        let mut seats = self.locked();
        self.warn(&mut seats);
        self.evict(&mut seats);
    }

    fn evict(&self, seats: &mut GuestSeats) -> bool {
        let Some((.., id)) = seats.idle.pop_first() else { return false };
        if let Some(seat) = seats.taken.remove(&id) {
            self.counts.open.dec();
            self.counts.evicted.inc();
            // Its task may have ended just now.
            let _ = seat.close.send(());
        }
        true
    }

    fn warn(&self, seats: &mut GuestSeats) {
        if seats.warned.is_none_or(|at| at.elapsed() >= TELL) {
            seats.warned = Some(Instant::now());
            let unknown = seats.idle.iter().filter(|(is_known, ..)| !is_known).count();
            warn!(
                connections = seats.taken.len(),
                without_a_token = unknown,
                "there is no room for another connection: idle ones are closed"
            );
        }
    }

    fn locked(&self) -> MutexGuard<'_, GuestSeats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoomGuest {
    /// A request has come. `None` when the place is lost.
    pub(super) fn begin(self: &Arc<Self>) -> Option<BusyGuest> {
        let mut seats = self.room.locked();
        let seat = seats.taken.get_mut(&self.id)?;
        let idle = seat.idle_since.take().map(|since| (seat.is_known, since, self.id));
        idle.map(|idle| seats.idle.remove(&idle));
        drop(seats);
        Some(BusyGuest(Arc::clone(self)))
    }

    /// Waits until it has been here for so long without a request, and with no token shown.
    pub(super) async fn overstays(&self, longest: Duration) {
        loop {
            let left = match self.room.locked().taken.get(&self.id) {
                Some(seat) if !seat.is_known => {
                    let idle = seat.idle_since.map_or(Duration::ZERO, |since| since.elapsed());
                    longest.saturating_sub(idle)
                }
                _ => break,
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
        std::future::pending::<()>().await;
    }
}

impl Drop for RoomGuest {
    fn drop(&mut self) {
        let mut seats = self.room.locked();
        let Some(seat) = seats.taken.remove(&self.id) else { return };
        self.room.counts.open.dec();
        if let Some(since) = seat.idle_since {
            seats.idle.remove(&(seat.is_known, since, self.id));
        }
    }
}

impl BusyGuest {
    /// A valid token came with the request.
    pub(super) fn is_known(&self) {
        if let Some(seat) = self.0.room.locked().taken.get_mut(&self.0.id) {
            seat.is_known = true;
        }
    }
}

impl Drop for BusyGuest {
    fn drop(&mut self) {
        let mut seats = self.0.room.locked();
        let now = Instant::now();
        let Some(seat) = seats.taken.get_mut(&self.0.id) else { return };
        seat.idle_since = Some(now);
        let is_known = seat.is_known;
        seats.idle.insert((is_known, now, self.0.id));
    }
}

/// The body of an answer, which is being answered until it is sent.
pub(super) struct BusyBody {
    body: Body,
    _busy: BusyGuest,
}

impl BusyBody {
    pub(super) fn new(body: Body, busy: BusyGuest) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(most: usize) -> Arc<GuestRoom> {
        GuestRoom::new(most, ConnectionCounts::default())
    }

    #[test]
    fn who_has_shown_no_token_goes_first() {
        let room = room(3);
        let (known, mut known_closed) = room.enter().unwrap();
        let known = Arc::new(known);
        known.begin().unwrap().is_known();
        let (_first, mut first_closed) = room.enter().unwrap();
        let (_second, mut second_closed) = room.enter().unwrap();
        let (_third, mut third_closed) = room.enter().unwrap();
        assert!(first_closed.try_recv().is_ok());
        assert!(second_closed.try_recv().is_err() && third_closed.try_recv().is_err());
        let _more = [room.enter().unwrap(), room.enter().unwrap()];
        assert!(second_closed.try_recv().is_ok() && third_closed.try_recv().is_ok());
        assert!(known_closed.try_recv().is_err());
        assert_eq!((room.counts.open.get(), room.counts.evicted.get()), (3, 3));
    }

    #[test]
    fn who_is_answered_stays() {
        let room = room(1);
        let (guest, mut closed) = room.enter().unwrap();
        let guest = Arc::new(guest);
        let busy = guest.begin().unwrap();
        assert!(room.enter().is_none());
        assert_eq!(room.counts.refused.get(), 1);
        drop(busy);
        let (other, _closed) = room.enter().unwrap();
        assert!(closed.try_recv().is_ok());
        assert!(guest.begin().is_none(), "too late");
        drop((guest, other));
        assert_eq!(room.counts.open.get(), 0);
        assert!(room.locked().idle.is_empty());
    }
}
