//! Lacks of the host: jobs wait for the thing, the loop says it once, and they go on by themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use aq_ledger::{JobRow, RecordKey};
use aq_manifest::JobId;
use aq_scheduler::{HostLack, State, WaitReason};
use jiff::Timestamp;

use crate::store::{JobRecord, StoreError};

use super::super::host_lack::{ENGINE, HostError as _, is_worth_a_wait, recorded_lack};
use super::super::room::room_lack;
use super::super::wake::Wake;
use super::super::workplace::clean_shipped;
use super::{Dispatcher, Progress};

/// Pause between two looks at the room of a queue that has a mark.
const LOOK: Duration = Duration::from_secs(1);

/// The same while there is too little.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Pause after shipped jobs were put away, where the config asks for that.
const PUT_AWAY: Duration = Duration::from_secs(600);

/// Jobs that are named when a loop ends without them; the others are counted.
const NAMED: usize = 5;

/// The lacks that a loop has met.
#[derive(Debug)]
pub(super) struct Lacks {
    /// Codes of what jobs have met since the loop began: for others it may be here now.
    met: HashMap<JobId, String>,
    /// Engines that are gone, each with its line printed.
    absent: Vec<HostLack>,
    room: Option<HostLack>,
    looked: Option<Instant>,
    put_away: Option<Instant>,
    is_putting_away: bool,
    /// Lines of the thread that puts jobs away, and `None` at its end.
    words: (Sender<Option<String>>, Receiver<Option<String>>),
}

impl Default for Lacks {
    fn default() -> Self {
        Self {
            met: HashMap::new(),
            absent: Vec::new(),
            room: None,
            looked: None,
            put_away: None,
            is_putting_away: false,
            words: channel(),
        }
    }
}

impl Lacks {
    /// The longest that the loop may sleep.
    pub(super) fn sleep_limit(&self) -> Option<Duration> {
        self.room.as_ref().map(|_| LOOK_AGAIN)
    }

    /// Has room looked at before the next plan.
    pub(super) fn look_soon(&mut self) {
        self.looked = None;
    }

    /// Notes what a job has met. Answers whether it is news: no other job has met it, or all have got
    /// over it since.
    fn met(&mut self, id: &JobId, lack: &HostLack) -> bool {
        let code = match lack {
            // The words change with every job.
            HostLack::Resource { resource, .. } => resource.as_str().to_owned(),
            other => other.to_string(),
        };
        let is_known = self.met.values().any(|met| *met == code);
        self.met.insert(id.clone(), code);
        !is_known
    }
}

impl Dispatcher<'_> {
    /// State of a resting job, with its lack. One that was not tried by this loop is tried at once: a
    /// person may have mended what an earlier loop met.
    pub(super) fn with_lack(&self, row: JobRow<'_>, state: State) -> (State, Option<HostLack>) {
        let State::Waiting { .. } = state else { return (state, None) };
        match recorded_lack(row.content()) {
            None => (state, None),
            Some(_) if !self.lacks.met.contains_key(row.id) => (State::WAITING, None),
            // A loop that drains the queue does not wait for long, but says what is left.
            lack if self.options.once && !is_worth_a_wait(row.content()) => (State::WAITING, lack),
            lack => (state, lack),
        }
    }

    /// Takes note of a job that has come back. Answers whether it did for want of something.
    pub(super) fn came_back(&mut self, record: &JobRecord) -> bool {
        if record.meta.get(RecordKey::HostLacks) == Some(ENGINE) {
            // It was there when the plan was made. The next one says what follows.
            self.refresh_engines();
            return true;
        }
        let Some(lack) = recorded_lack(&record.meta) else {
            self.got_over(&record.id);
            return false;
        };
        if self.lacks.met(&record.id, &lack) {
            let (id, lack) = (&record.id, lack.to_string());
            (self.observer)(Progress::Trouble(&format!(
                "{id} waits, and its attempt does not count: {lack}"
            )));
        }
        true
    }

    /// A job has not met again what it had lacked: the others that wait for the same are tried at once.
    fn got_over(&mut self, id: &JobId) {
        let Some(code) = self.lacks.met.remove(id) else { return };
        let is_same = |(other, met): (&JobId, &String)| (*met == code).then(|| other.clone());
        let others: Vec<JobId> = self.lacks.met.iter().filter_map(is_same).collect();
        for other in others {
            self.lacks.met.remove(&other);
            self.look_at(&other);
        }
    }

    /// Reports an error that a job met in the loop, once while it is the host's.
    pub(super) fn tell_trouble(&mut self, id: &JobId, error: &StoreError) {
        if error.lack().is_none_or(|lack| self.lacks.met(id, &lack)) {
            (self.observer)(Progress::Trouble(&error.to_string()));
        }
    }

    /// Reports engines that are gone. A loop that drains the queue does so at its end.
    pub(super) fn tell_absent(&mut self, absent: &[HostLack]) {
        if *absent == *self.lacks.absent {
            return;
        }
        for lack in absent.iter().filter(|lack| !self.lacks.absent.contains(lack)) {
            if !self.options.once {
                let words = format!("{lack}; its jobs wait until it is there");
                (self.observer)(Progress::Trouble(&words));
            }
        }
        self.lacks.absent = absent.to_vec();
    }

    /// Compares what is free with the mark of the queue.
    pub(super) fn look_at_room(&mut self) {
        let every = if self.lacks.room.is_some() { LOOK_AGAIN } else { LOOK };
        if self.lacks.looked.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.lacks.looked = Some(Instant::now());
        let lack = room_lack(self.queue, &self.settings);
        if lack == self.lacks.room {
            return;
        }
        if let (Some(lack), None, false) = (&lack, &self.lacks.room, self.options.once) {
            let words = format!("{lack}; nothing starts until there is");
            (self.observer)(Progress::Trouble(&words));
        }
        self.model.set_lack(lack.clone());
        self.lacks.room = lack;
    }

    /// Puts shipped jobs away whose time is over. It takes a thread: git may take long.
    pub(super) fn put_shipped_away(&mut self) {
        while let Ok(words) = self.lacks.words.1.try_recv() {
            match words {
                Some(words) => (self.observer)(Progress::Trouble(&words)),
                None => self.lacks.is_putting_away = false,
            }
        }
        let Some(keep) = self.settings.room_keep else { return };
        let is_due = self.lacks.put_away.is_none_or(|at| at.elapsed() >= PUT_AWAY);
        if !is_due || self.lacks.is_putting_away {
            return;
        }
        self.lacks.put_away = Some(Instant::now());
        let (queue, sender) = (self.queue.clone(), self.lacks.words.0.clone());
        let started = self.wakes.after(Wake::Engines, move || {
            let problems = match clean_shipped(&queue, keep, Timestamp::now()) {
                Ok((_, left)) => left,
                Err(e) => vec![format!("shipped jobs cannot be put away: {e}")],
            };
            // A loop that has ended hears nothing.
            for words in problems.into_iter().map(Some).chain([None]) {
                let _ = sender.send(words);
            }
        });
        self.lacks.is_putting_away = started.is_ok();
    }

    /// Names the jobs that a loop leaves because of a fault of the host or of an engine. Answers how
    /// many they are.
    pub(super) fn tell_kept(&mut self) -> u32 {
        let plan = self.model.plan(Timestamp::now());
        let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in self.model.order() {
            if let Some(reason @ (WaitReason::HostLacks(_) | WaitReason::EngineOut { .. })) =
                self.model.explain(&plan, id)
            {
                kept.entry(reason.to_string()).or_default().push(id.to_string());
            }
        }
        for (reason, jobs) in &kept {
            let waits = if jobs.len() == 1 { "waits" } else { "wait" };
            let more = match jobs.len().checked_sub(NAMED) {
                None | Some(0) => String::new(),
                Some(more) => format!(" and {more} more"),
            };
            let named = jobs.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            (self.observer)(Progress::Trouble(&format!("{named}{more} {waits}: {reason}")));
        }
        u32::try_from(kept.values().map(Vec::len).sum::<usize>()).unwrap_or(u32::MAX)
    }
}
