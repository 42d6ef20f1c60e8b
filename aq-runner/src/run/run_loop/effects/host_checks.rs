//! Looks at what no event is sent for, before each decision: engines, room, and shipped jobs whose
//! time is over.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use aq_scheduler::{HostLack, SeenBy};
use jiff::Timestamp;

use crate::run::engines::availability::EngineSnapshot;
use crate::run::engines::sightings::note_engines;
use crate::run::engines::versions::{AskedPrograms, ask_engine_versions};
use crate::run::host::ProbePolicy;
use crate::run::queue::reading::read_engines;
use crate::run::room::room_lack;
use crate::run::run_loop::context::{LoopContext, PendingWork};
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::{LOOK_AGAIN, LoopEvent};
use crate::run::workplace::clean_shipped;

/// Pause between two looks at the room of a queue that has a mark.
const LOOK: Duration = Duration::from_secs(1);

/// Pause after shipped jobs were put away, where the config asks for that.
const PUT_AWAY: Duration = Duration::from_secs(600);

/// The last looks at this host.
#[derive(Debug)]
pub(super) struct HostChecks {
    engines: EngineSnapshot,
    room: Option<HostLack>,
    looked: Option<Instant>,
    put_away: Option<Instant>,
    is_putting_away: bool,
    /// Lines of the thread that puts jobs away, and `None` at its end.
    words: (Sender<Option<String>>, Receiver<Option<String>>),
}

impl HostChecks {
    pub(super) fn new(context: &LoopContext<'_>) -> Self {
        Self {
            engines: EngineSnapshot::take(context.queue, &context.settings),
            room: None,
            looked: None,
            put_away: None,
            is_putting_away: false,
            words: channel(),
        }
    }

    /// Has room looked at before the next plan.
    pub(super) fn look_soon(&mut self) {
        self.looked = None;
    }

    /// Sends what has changed since the last look.
    pub(super) fn check(&mut self, context: &mut LoopContext<'_>, out: &mut Vec<PendingWork>) {
        if !self.engines.is_current(context.queue, &context.settings) {
            out.push(self.read_engines(context).into());
        }
        self.put_shipped_away(context);
        self.look_at_room(context, out);
    }

    /// Looks which engines are installed, and which rest.
    pub(super) fn read_engines(&mut self, context: &LoopContext<'_>) -> LoopEvent {
        let (queue, settings) = (context.queue, &context.settings);
        ask_engine_versions(Some(queue), settings, AskedPrograms::New, ProbePolicy::AsNeeded);
        let _ = note_engines(queue, settings, SeenBy::RunLoop);
        self.engines = EngineSnapshot::take(queue, settings);
        LoopEvent::EnginesRead(read_engines(queue, settings, Timestamp::now()))
    }

    /// Compares what is free with the mark of the queue.
    fn look_at_room(&mut self, context: &LoopContext<'_>, out: &mut Vec<PendingWork>) {
        let every = if self.room.is_some() { LOOK_AGAIN } else { LOOK };
        if self.looked.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.looked = Some(Instant::now());
        let lack = room_lack(context.queue, &context.settings);
        if lack != self.room {
            self.room.clone_from(&lack);
            out.push(LoopEvent::RoomRead(lack).into());
        }
    }

    /// Puts shipped jobs away whose time is over. It takes a thread: git may take long.
    fn put_shipped_away(&mut self, context: &mut LoopContext<'_>) {
        while let Ok(words) = self.words.1.try_recv() {
            match words {
                Some(words) => context.report_trouble(&words),
                None => self.is_putting_away = false,
            }
        }
        let Some(keep) = context.settings.room_keep else { return };
        let is_due = self.put_away.is_none_or(|at| at.elapsed() >= PUT_AWAY);
        if !is_due || self.is_putting_away {
            return;
        }
        self.put_away = Some(Instant::now());
        let (queue, sender) = (context.queue.clone(), self.words.0.clone());
        let started = context.source.after(WakeCause::Engines, move || {
            let problems = match clean_shipped(&queue, keep, Timestamp::now()) {
                Ok((_, left)) => left,
                Err(e) => vec![format!("shipped jobs cannot be put away: {e}")],
            };
            // A loop that has ended hears nothing.
            for words in problems.into_iter().map(Some).chain([None]) {
                let _ = sender.send(words);
            }
        });
        self.is_putting_away = started.is_ok();
    }
}
