//! The thread that owns the connection. It takes what has come together meanwhile and commits it as
//! one transaction, so that many calls cost one sync; each has a savepoint, so that one that fails
//! takes no other along. Answers are given after the commit.

use std::cell::Cell;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::file::DatabaseFile;
use super::session::SqliteTransaction;
use crate::ledger::{DbTime, LeaseTiming};
use crate::store::{Answer, ClockSource, StoreError};

/// Calls in one transaction at most, so that the first does not wait for long.
const MOST: usize = 256;

/// A handle on the thread, which ends when the last one is dropped.
#[derive(Clone)]
pub(crate) struct DatabaseThread {
    to: Sender<Box<dyn StoreCall>>,
}

impl fmt::Debug for DatabaseThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseThread").finish_non_exhaustive()
    }
}

/// A call on its way through the thread.
trait StoreCall: Send {
    /// Does the work inside the transaction; whether it may stay there.
    fn run(&mut self, session: &SqliteTransaction<'_>) -> bool;

    /// Whether nobody waits for the answer any more.
    fn is_gone(&self) -> bool;

    /// Gives the answer, or what became of the transaction instead.
    fn answer(self: Box<Self>, broke: Option<StoreError>);
}

struct QueuedCall<W, T> {
    work: W,
    found: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<W, T> StoreCall for QueuedCall<W, T>
where
    W: Fn(&SqliteTransaction<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, session: &SqliteTransaction<'_>) -> bool {
        let found = (self.work)(session).map_err(|error| session.file.explain(error));
        let keep = found.is_ok();
        self.found = Some(found);
        keep
    }

    fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, broke: Option<StoreError>) {
        let found = match (self.found, broke) {
            (Some(Err(error)), _) | (_, Some(error)) => Err(error),
            (Some(Ok(found)), None) => Ok(found),
            (None, None) => Err(StoreError::Unavailable("the call was not run".to_owned())),
        };
        // Who asked may be gone by now, as may be the answer of any call.
        let _ = self.reply.send(found);
    }
}

impl DatabaseThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        file: DatabaseFile,
        connection: Connection,
        timing: LeaseTiming,
        clock: ClockSource,
    ) -> Result<Self, StoreError> {
        let (to, calls) = channel();
        let owner = ConnectionOwner { file, connection, timing, clock, me: Uuid::new_v4() };
        thread::Builder::new()
            .name("aq-sqlite".to_owned())
            .spawn(move || owner.serve(&calls))
            .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { to })
    }

    /// Runs `work` in a transaction.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        work: impl Fn(&SqliteTransaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.to.send(Box::new(QueuedCall { work, found: None, reply }));
        Box::pin(async move {
            let gone =
                || StoreError::Unavailable("the thread of the database has ended".to_owned());
            sent.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
    }
}

struct ConnectionOwner {
    file: DatabaseFile,
    connection: Connection,
    timing: LeaseTiming,
    clock: ClockSource,
    me: Uuid,
}

impl ConnectionOwner {
    fn serve(mut self, calls: &Receiver<Box<dyn StoreCall>>) {
        while let Ok(first) = calls.recv() {
            let mut batch = vec![first];
            batch.extend(calls.try_iter().take(MOST - 1));
            batch.retain(|call| !call.is_gone());
            // What is answered has to be there for who starts next.
            let done = self.transact(&mut batch).map_err(|error| self.file.explain(error));
            let broke = done.and_then(|()| self.file.is_there()).err();
            for call in batch {
                call.answer(broke.clone());
            }
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn StoreCall>]) -> Result<(), StoreError> {
        let given = self.clock.given();
        let noted = Cell::new(None);
        // A writer from the start: a reader that becomes one can be refused for what it has read.
        let all = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for call in batch {
            let now = given.map_or_else(|| clock_of(&all), Ok)?;
            all.execute_batch("SAVEPOINT call")?;
            let session = SqliteTransaction {
                connection: &all,
                now,
                timing: self.timing,
                me: self.me,
                file: &self.file,
                noted: &noted,
            };
            if !call.run(&session) {
                all.execute_batch("ROLLBACK TO call")?;
            }
            all.execute_batch("RELEASE call")?;
        }
        all.commit()?;
        if let Some((run, seen)) = noted.take() {
            self.file.note(run, seen);
        }
        Ok(())
    }
}

fn clock_of(connection: &Connection) -> Result<DbTime, StoreError> {
    let sql = "SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)";
    Ok(DbTime(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}
