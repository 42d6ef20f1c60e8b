//! The state that every request can reach.

use std::path::PathBuf;
use std::sync::Arc;

use aq_manifest::JobId;
use aq_runner::run::{ProcessEnvironment, QueueSettings};
use aq_runner::store::{QueueDir, RepositoryMarker};

use super::board::BoardEvents;
use super::coordinator::FleetPoller;
use super::error::PageError;
use super::feed::LookFeed;
use super::guard::AccessGuard;
use super::pace::of_page;
use super::session::BrowserSessions;
use super::turns::{PageReader, ReaderTurns};

/// The dashboard of one queue.
#[derive(Clone, Debug)]
pub(super) struct QueueDashboard(Arc<DashboardState>);

#[derive(Debug)]
pub(super) struct DashboardState {
    pub(super) queue: QueueDir,
    pub(super) environment: ProcessEnvironment,
    /// The program that `promote` starts as a worker.
    pub(super) worker: PathBuf,
    pub(super) door: AccessGuard,
    pub(super) feed: LookFeed,
    pub(super) sessions: BrowserSessions,
    /// Pages.
    pub(super) pages: ReaderTurns,
    /// Pages that cost much.
    pub(super) costly: ReaderTurns,
    /// Diffs.
    pub(super) diffs: ReaderTurns,
    /// Pages that live.
    pub(super) streams: ReaderTurns,
    pub(super) board_events: BoardEvents,
    pub(super) coordinator: FleetPoller,
}

impl std::ops::Deref for QueueDashboard {
    type Target = DashboardState;

    fn deref(&self) -> &DashboardState {
        &self.0
    }
}

impl QueueDashboard {
    pub(super) fn new(inner: DashboardState) -> Self {
        Self(Arc::new(inner))
    }

    /// The settings as they are now: a person may change them while the dashboard is open.
    pub(super) fn settings(&self) -> Result<QueueSettings, PageError> {
        QueueSettings::load(&self.queue, self.environment.clone()).map_err(PageError::environment)
    }

    /// Base of a relative `cwd`: the project whose queue this is, where that is
    /// recorded.
    pub(super) fn base(&self) -> Result<PathBuf, PageError> {
        let marker = RepositoryMarker::read(self.queue.root())?;
        let top = marker.and_then(|marker| marker.top);
        Ok(top.unwrap_or_else(|| self.queue.root().to_owned()))
    }

    /// Does work that blocks, such as reading files, away from the threads that answer requests.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let this = self.clone();
        // It goes on when the reader has left, and so does his turn.
        let page = of_page();
        let work = move || {
            let _page = page;
            work(&this)
        };
        tokio::task::spawn_blocking(work).await.map_err(PageError::environment)?
    }

    /// As [`Self::blocking`], when it is the reader's turn.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        turns: &ReaderTurns,
        work: impl FnOnce(&Self) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let reader = of_page().map_or(PageReader::Anybody, |(reader, _)| reader);
        let turn = turns.take(&reader).await?;
        self.blocking(move |this| {
            let _turn = turn;
            work(this)
        })
        .await
    }
}

/// The job that a path names.
pub(super) fn job_id(text: &str) -> Result<JobId, PageError> {
    JobId::new(text).map_err(|_| PageError::not_found("there is no such job"))
}
