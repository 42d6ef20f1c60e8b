//! Joining the fleet: the threads of the membership, and the one that pushes snapshots.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};

use aq_caps::CapabilityToken;
use aq_fleet::client::CoordinatorClient;
use aq_fleet::switches::FleetMode;

use super::lines::CALL_FOR_WORKER;
use super::{CALL, FleetMember, tell};
use crate::run::fleet::{FleetSettings, LeaseNote, fleet_dir, host_name, push_snapshots};
use crate::run::run_loop::context::{LoopContext, PendingWork};
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::LoopEvent;
use crate::run::run_loop::progress::RunError;
use crate::store::{QueueDir, profile_names};
use crate::sync::fleet::{EndedLog, FleetMembership, HostStatus, MemberNews, MembershipSettings};

impl FleetMember {
    /// Joins the fleet.
    pub(in crate::run::run_loop::listeners) fn join(
        settings: &FleetSettings,
        capabilities: Vec<CapabilityToken>,
        context: &LoopContext<'_>,
    ) -> Result<Self, RunError> {
        let (queue, options) = (context.queue, context.options);
        let holder = settings.holder(queue, CALL)?;
        let dir = fleet_dir(queue);
        std::fs::create_dir_all(dir.join("held"))
            .map_err(|e| RunError::System("make .state/fleet", e))?;
        let ended = EndedLog::in_dir(&dir);
        // More than has to be kept is kept then.
        let _ = ended.trim();
        let mode = settings.switches.mode();
        let news = Arc::new(Mutex::new(Vec::new()));
        let deliver = { holder.clone() };
        let membership = FleetMembership::start(
            holder.client(),
            &MembershipSettings {
                factory: settings.factory.clone(),
                host: host_name(),
                capabilities,
                capacity: options.max,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                route: mode == FleetMode::Route,
                once: options.once,
                request_file: dir.join("claim"),
                ended: ended.clone(),
            },
            move |limit| drop(deliver.deliver(limit)),
            reporter(&news, context),
        )
        .map_err(|e| RunError::System("start the threads of the fleet", e))?;
        Ok(Self {
            membership,
            for_workers: holder.within(CALL_FOR_WORKER),
            holder,
            news,
            unheard: VecDeque::new(),
            taking: None,
            mode,
            jobs: BTreeMap::new(),
            noted: LeaseNote::all(queue).into_iter().collect(),
            steps: BTreeMap::new(),
            seen: BTreeSet::new(),
            locks: Vec::new(),
            told: HostStatus::default(),
            empty: false,
            ships: BTreeMap::new(),
            ended,
            unlooked: BTreeSet::new(),
            pushing: None,
        })
    }

    /// Has the jobs looked at that ended while no loop was there to report it, and begins to push.
    pub(in crate::run::run_loop::listeners) fn begin(
        &mut self,
        context: &mut LoopContext<'_>,
        out: &mut Vec<PendingWork>,
    ) {
        self.unlooked = LeaseNote::all(context.queue).into_iter().collect();
        out.extend(self.unlooked.iter().cloned().map(|id| LoopEvent::JobTouched(id).into()));
        self.start_pushing(context);
    }

    /// The client for calls of this host.
    pub(in crate::run::run_loop::listeners) fn client(&self) -> &Arc<CoordinatorClient> {
        self.holder.client()
    }

    /// A call that reports something that went wrong, for another thread.
    pub(in crate::run::run_loop::listeners) fn trouble_reporter(
        &self,
        context: &LoopContext<'_>,
    ) -> impl Fn(String) + Send + 'static {
        let report_news = reporter(&self.news, context);
        move |words| report_news(MemberNews::Trouble(words))
    }

    /// Pushes snapshots of what the agents do, from time to time, when the config says where to.
    fn start_pushing(&mut self, context: &mut LoopContext<'_>) {
        let Some(remote) = context.settings.config.fleet.push_wip.clone() else { return };
        let (queue, every) = (context.queue.clone(), context.settings.push_every);
        let report_news = reporter(&self.news, context);
        let (stop, stopped) = channel::<()>();
        let pushing = std::thread::Builder::new().name("aq-push".to_owned()).spawn(move || {
            let mut last = None;
            // Until the loop lets go of the other end.
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let problem = push_snapshots(&queue, &remote).pop();
                let words = problem.map(|(id, e)| format!("the work of {id} is not pushed: {e}"));
                // Logged once until it changes.
                if words != last
                    && let Some(words) = &words
                {
                    report_news(MemberNews::Trouble(words.clone()));
                }
                last = words;
            }
        });
        match pushing {
            Ok(_) => self.pushing = Some(stop),
            Err(e) => context.report_trouble(&format!("cannot push work in progress: {e}")),
        }
    }
}

/// A call that sends this listener news, for another thread.
fn reporter(
    news: &Arc<Mutex<Vec<MemberNews>>>,
    context: &LoopContext<'_>,
) -> impl Fn(MemberNews) + Send + Sync + 'static {
    let (told, wake) = (news.clone(), context.source.waker(WakeCause::ListenerNews));
    move |one| {
        tell(&told, one);
        wake();
    }
}

/// The capabilities of this host, and the profiles that it knows.
pub(in crate::run::run_loop::listeners) fn advertised(
    queue: &QueueDir,
    mut tokens: Vec<CapabilityToken>,
) -> Vec<CapabilityToken> {
    let profiles = profile_names(queue.profiles());
    tokens.extend(profiles.iter().filter_map(|name| format!("profile:{name}").parse().ok()));
    tokens
}
