//! Doing what the core says, and sending what came of it.

mod host_checks;
mod look;
mod run_end;
mod start;

use std::io;

use aq_caps::CapabilityToken;
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::clock::LoopClock;
use super::context::{ListenerContext, LoopContext, PendingWork};
use super::event_source::WakeCause;
use super::folders::{FolderLooks, QueueIdentity};
use super::listeners::LoopListeners;
use super::lock::LoopLock;
use super::loop_core::{LoopCore, LoopEffect, LoopEvent, LoopSummary};
use super::progress::{LoopProgress, RunError};
use crate::run::recovery::{RecoveryResult, resolve_duplicates};
use crate::run::settings::QueueSettings;
use crate::run::stop::LoopStopRequest;
use crate::store::{HeldJob, InvalidJobFile, QueueDir, StoreError, refuse};
use host_checks::HostChecks;

/// All that a run loop touches.
pub(super) struct EffectPerformer<'a> {
    /// The right to be the loop. It goes first, while signals are still taken.
    lock: LoopLock,
    pub(super) context: LoopContext<'a>,
    pub(super) folders: FolderLooks,
    host: HostChecks,
    clock: LoopClock,
    /// The request to end of somebody whose signal would end the whole program.
    stop_request: LoopStopRequest,
    listeners: LoopListeners,
}

/// Hands the settings on to workers. Without that a job cannot start while the file has an error.
pub(super) fn keep_settings(
    queue: &QueueDir,
    settings: &QueueSettings,
    observer: &mut dyn FnMut(LoopProgress<'_>),
) {
    if let Err(e) = settings.keep(queue) {
        observer(LoopProgress::Trouble(&format!("the settings are not kept for workers: {e}")));
    }
}

impl<'a> EffectPerformer<'a> {
    pub(super) fn new(
        lock: LoopLock,
        identity: QueueIdentity,
        context: LoopContext<'a>,
        listeners: LoopListeners,
    ) -> Self {
        Self {
            lock,
            folders: FolderLooks::new(identity),
            host: HostChecks::new(&context),
            clock: LoopClock::new(),
            stop_request: LoopStopRequest::of(context.queue),
            listeners,
            context,
        }
    }

    pub(super) fn queue(&self) -> &'a QueueDir {
        self.context.queue
    }

    /// The path of the loop's lock by now, if the system knows it.
    pub(super) fn lock_path(&self) -> Option<std::path::PathBuf> {
        self.lock.path_now()
    }

    /// Has the listeners begin that need the core.
    pub(super) fn join(
        &mut self,
        capabilities: Vec<CapabilityToken>,
        core: &mut LoopCore,
    ) -> Result<Vec<PendingWork>, RunError> {
        let mut out = Vec::new();
        self.listeners.join(capabilities, core, &mut self.context, &mut out)?;
        Ok(out)
    }

    /// Leaves each job in one folder before any is looked at: a job that has ended must not run
    /// again because a power cut brought its name in the inbox back. Then all of them are looked
    /// at.
    pub(super) fn begin(&mut self) -> Result<Vec<PendingWork>, RunError> {
        let mut out = Vec::new();
        for (id, resolved) in resolve_duplicates(self.queue(), Timestamp::now())? {
            match resolved {
                Ok(RecoveryResult::DuplicatesResolved(files)) => {
                    for file in files {
                        self.context.report_trouble(&format!("{id}: {file}"));
                    }
                }
                Ok(_) => {}
                Err(e) => out.push(self.troubled(&id, &e)),
            }
        }
        self.folders.note_states(self.context.queue);
        out.push(LoopEffect::ListFolders.into());
        Ok(out)
    }

    /// Gives the listeners a moment for their last words.
    pub(super) fn leave(mut self, summary: LoopSummary) {
        self.listeners.leave(&mut self.context, summary);
        self.stop_request.withdraw();
    }

    /// Does one effect. What came of it goes to `out`.
    pub(super) fn perform(
        &mut self,
        effect: LoopEffect,
        core: &LoopCore,
        out: &mut Vec<PendingWork>,
    ) -> Result<(), RunError> {
        match effect {
            LoopEffect::Look(id) => self.look(id, out),
            LoopEffect::Ship(id) => self.ship(id, out),
            LoopEffect::Merge(id) => self.merge(&id, out),
            LoopEffect::Launch { id, engine } => self.launch(id, engine, out),
            LoopEffect::Reject(id, why) => self.reject(id, &why, out),
            LoopEffect::Refuse(id, why) => self.refuse_circle(id, why, out),
            LoopEffect::AwaitFree(id) => self.await_free(&id, out),
            LoopEffect::ReadRun(id) => self.read_run(id, out),
            LoopEffect::ReadEngines => out.push(self.host.read_engines(&self.context).into()),
            LoopEffect::LoadSettings => self.load_settings(out),
            LoopEffect::ListFolders => self.list_folders(out)?,
            LoopEffect::CheckHost => self.check_host(out),
            LoopEffect::Notify(notice) => {
                self.listeners.hear(notice, &mut with(&mut self.context, core, out));
            }
            LoopEffect::AskListeners => out.push(self.listeners.expectations(core).into()),
            LoopEffect::LoopReport(report) => self.context.report(&report),
            LoopEffect::Sleep(limit) => {
                let wakes = self.context.source.wait(Some(limit));
                self.listeners.report_troubles(&mut self.context);
                if self.clock.was_set_back() {
                    out.push(LoopEvent::ClockSetBack.into());
                }
                self.sweep_when_due(core, out)?;
                self.lock.sign()?;
                out.extend(wakes.into_iter().map(PendingWork::Wake));
                out.push(LoopEvent::Woken.into());
            }
            LoopEffect::ExpectQueue => {
                // Without an inbox there is nothing in it, and that is no end to be content with.
                self.expect_queue(core)?;
                QueueDir::open(self.context.queue.root())?;
            }
            // The loop has ended.
            LoopEffect::End(_) => {}
        }
        Ok(())
    }

    /// Makes an event of what woke the loop.
    pub(super) fn wake(
        &mut self,
        cause: WakeCause,
        core: &LoopCore,
        out: &mut Vec<PendingWork>,
    ) -> Result<(), RunError> {
        let event = match cause {
            WakeCause::Job(id) => LoopEvent::JobTouched(id),
            WakeCause::Free(id) => LoopEvent::JobFreed(id),
            WakeCause::WorkerEnded(id) => LoopEvent::WorkerEnded(id),
            WakeCause::Folders => return self.look_at_folders(true, core, out),
            WakeCause::Everything => LoopEvent::FoldersChanged,
            WakeCause::Settings => LoopEvent::SettingsChanged,
            WakeCause::ListenerNews => {
                self.listeners.woken(&mut with(&mut self.context, core, out));
                return Ok(());
            }
            WakeCause::Signal(signal) => LoopEvent::Signal(signal),
            // Engines and requests to end are looked at after each wake.
            WakeCause::Engines | WakeCause::Stop => return Ok(()),
        };
        out.push(event.into());
        Ok(())
    }

    fn check_host(&mut self, out: &mut Vec<PendingWork>) {
        // A request by its handle or, where a signal would end the whole program, on disk.
        let is_asked = self.context.source.is_stopped()
            || (!self.context.options.take_signals && self.stop_request.is_made());
        if is_asked {
            out.push(LoopEvent::EndAsked.into());
        } else {
            self.host.check(&mut self.context, out);
        }
    }

    /// A loop with a bad config would refuse to start; one that runs keeps the one it has.
    fn load_settings(&mut self, out: &mut Vec<PendingWork>) {
        let queue = self.context.queue;
        match QueueSettings::load(queue, self.context.settings.environment.clone()) {
            Ok(mut settings) => {
                settings.trackers = std::mem::take(&mut self.context.settings.trackers);
                keep_settings(queue, &settings, self.context.observer);
                self.context.settings = settings;
                self.host.look_soon();
                out.push(self.host.read_engines(&self.context).into());
            }
            Err(e) => self.context.report_trouble(&format!("the old settings stay: {e}")),
        }
        // A folder that is not there has no job.
        let _ = self.context.touch_jobs(Stage::Inbox, out);
    }

    fn refuse_circle(&mut self, id: JobId, why: String, out: &mut Vec<PendingWork>) {
        let queue = self.context.queue;
        let invalid = InvalidJobFile::whole(&format!("{id}.md"), why);
        let refused = HeldJob::lock(queue, &id)
            .and_then(|mut job| refuse(queue, &mut job, &invalid, Timestamp::now()));
        out.push(match refused {
            Ok(()) => LoopEvent::JobRefused { id, why: invalid.summary }.into(),
            Err(StoreError::Busy(_)) => LoopEvent::JobBusy(id).into(),
            Err(e) => self.troubled(&id, &e),
        });
    }

    fn troubled(&self, id: &JobId, error: &StoreError) -> PendingWork {
        LoopEvent::JobTroubled(id.clone(), self.context.trouble_of(id, error)).into()
    }

    fn cannot_wait(&self, id: &JobId, source: io::Error) -> PendingWork {
        let path = self.context.queue.meta(id);
        let error = StoreError::Io { action: "start a thread that waits for", path, source };
        LoopEvent::CannotWait(id.clone(), self.context.trouble_of(id, &error)).into()
    }
}

fn with<'c, 'a>(
    context: &'c mut LoopContext<'a>,
    core: &'c LoopCore,
    out: &'c mut Vec<PendingWork>,
) -> ListenerContext<'c, 'a> {
    ListenerContext { context, core, out }
}
