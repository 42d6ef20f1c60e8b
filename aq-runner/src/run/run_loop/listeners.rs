//! Listeners: they hear of each job's state before and after a change, of decisions, and of the
//! loop's rest, and send events of their own. Without any of them the loop is the same.

mod fleet;
mod shadow;

use std::os::unix::net::UnixStream;

use aq_caps::CapabilityToken;
use aq_fleet::switches::FleetMode;
use aq_ledger::{JobRow, RecordContent};
use aq_manifest::ShipMode;
use aq_scheduler::JobState;

use super::context::{ListenerContext, LoopContext, PendingWork};
use super::loop_core::{LoopCore, LoopEvent, LoopNotice, LoopSummary};
use super::progress::RunError;
use super::pulls::PullListener;
use crate::run::fleet::{FleetSettings, lease};
use crate::run::run_loop::echo::{EchoError, TrackerThreads};
use crate::run::settings::QueueSettings;
use crate::store::QueueDir;
use fleet::{FleetMember, WorkerLine, advertised};
use shadow::ShadowWatch;

/// Everybody who listens to a run loop.
pub(super) struct LoopListeners {
    /// Sends updates to trackers; nothing at all unless the environment asks for it.
    trackers: TrackerThreads,
    /// Opens pull requests and asks about them.
    pulls: PullListener,
    /// This host in a fleet; `None` offline.
    fleet: Option<FleetMember>,
    /// The comparison of decisions; `None` in any other mode than shadow.
    shadow: Option<ShadowWatch>,
}

impl From<EchoError> for RunError {
    fn from(error: EchoError) -> Self {
        match error {
            EchoError::Thread(e) => Self::System("start a thread for trackers", e),
            EchoError::Token(e) => Self::Token(e),
        }
    }
}

impl LoopListeners {
    /// Starts those that need no core.
    pub(super) fn new(queue: &QueueDir, settings: &QueueSettings) -> Result<Self, RunError> {
        let trackers = TrackerThreads::start(queue, settings)?;
        Ok(Self { trackers, pulls: PullListener::default(), fleet: None, shadow: None })
    }

    /// Joins the fleet when the switches say so.
    pub(super) fn join(
        &mut self,
        capabilities: Vec<CapabilityToken>,
        core: &mut LoopCore,
        context: &mut LoopContext<'_>,
        out: &mut Vec<PendingWork>,
    ) -> Result<(), RunError> {
        let Some(mut settings) = FleetSettings::read(&context.settings.environment)? else {
            return Ok(());
        };
        if let Some(warning) = settings.switches.take_warning() {
            context.report_trouble(warning);
        }
        let warnings = [settings.address_warning().map(str::to_owned), settings.token_warning()];
        for warning in warnings.into_iter().flatten() {
            context.report_trouble(&format!("warning: {warning}"));
        }
        let capabilities = advertised(context.queue, capabilities);
        let mut fleet = FleetMember::join(&settings, capabilities.clone(), context)?;
        if settings.switches.mode() == FleetMode::Shadow {
            let (client, tell) = (fleet.client(), fleet.trouble_reporter(context));
            let shadow =
                ShadowWatch::start(&settings, client, capabilities, core, context.queue, tell)?;
            self.shadow = Some(shadow);
        }
        fleet.begin(context, out);
        self.fleet = Some(fleet);
        Ok(())
    }

    pub(super) fn hear(&mut self, notice: LoopNotice, at: &mut ListenerContext<'_, '_>) {
        self.trackers.hear(&notice);
        self.pulls.hear(&notice, at.context);
        if let Some(fleet) = &mut self.fleet {
            fleet.hear(&notice, at);
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.hear(notice, at);
        }
    }

    /// Lets listeners hear their own threads.
    pub(super) fn woken(&mut self, at: &mut ListenerContext<'_, '_>) {
        self.pulls.woken(at);
        if let Some(fleet) = &mut self.fleet {
            fleet.woken(at);
        }
    }

    /// What the listeners still expect.
    pub(super) fn expectations(&self, core: &LoopCore) -> LoopEvent {
        LoopEvent::ListenersAsked {
            is_drained: self.pulls.is_drained()
                && self.fleet.as_ref().is_none_or(FleetMember::is_drained),
            next: self.fleet.as_ref().and_then(|fleet| fleet.next_ship(core)),
        }
    }

    /// Passes on what went wrong on the listeners' threads.
    pub(super) fn report_troubles(&self, context: &mut LoopContext<'_>) {
        for trouble in self.trackers.troubles() {
            context.report_trouble(&trouble);
        }
    }

    /// State of a job in the inbox, which a listener may want to be started a little later.
    pub(super) fn waiting_state(&self, row: JobRow<'_>, state: JobState) -> JobState {
        match &self.fleet {
            Some(fleet) => fleet.waiting_state(row, state),
            None => state,
        }
    }

    /// Tests whether a listener ships the job, and the loop does not: it rests in testing/ until
    /// the coordinator was asked, for which the loop does not wait. Where it is to be merged, its
    /// worker asks.
    pub(super) fn ships(&self, meta: &RecordContent, mode: ShipMode) -> bool {
        lease(meta).is_some() && (mode != ShipMode::Merge || self.fleet.is_none())
    }

    /// A line to the worker of a job that is about to start, and the worker's end.
    pub(super) fn line_to_worker(&self, meta: &RecordContent) -> Option<(WorkerLine, UnixStream)> {
        self.fleet.as_ref()?.line_to_worker(meta)
    }

    /// Gives each listener a moment for its last words.
    pub(super) fn leave(self, context: &mut LoopContext<'_>, summary: LoopSummary) {
        let is_cut_short = summary.is_cut_short();
        if let Some(shadow) = self.shadow {
            shadow.finish(is_cut_short, context);
        }
        if let Some(fleet) = self.fleet {
            fleet.leave(is_cut_short, context);
        }
        self.pulls.finish(context);
        for trouble in self.trackers.finish() {
            context.report_trouble(&trouble);
        }
    }
}
