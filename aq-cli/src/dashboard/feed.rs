//! The look of the queue, kept up to date while somebody looks.
//!
//! One thread looks, as `aq status` does, when a file of the queue changes, and now and then
//! because time alone changes what is shown. Everybody reads the same look.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aq_runner::run::place::require_trust;
use aq_runner::run::{ProcessEnvironment, QueueOverview, QueueSettings, QueueWatch, overview};
use aq_runner::store::QueueDir;
use jiff::Timestamp;
use tokio::sync::watch;

/// Ended jobs that are shown, the newest.
pub(super) const ENDED: usize = 1_000;

/// The longest that a look is relied on while somebody looks: agents stall, and pauses end, without
/// a file that changes.
const STALE: Duration = Duration::from_secs(2);

/// The shortest pause between two looks, however much changes.
const PAUSE: Duration = Duration::from_millis(40);

/// One look at the queue. An error is its words: what is shown instead.
pub(super) type Look = Result<QueueOverview, String>;

/// The newest look, and those who wait for the next.
#[derive(Debug)]
pub(super) struct LookFeed {
    looks: watch::Receiver<Arc<Look>>,
    wake: Mutex<Sender<()>>,
}

impl LookFeed {
    /// Starts to look.
    pub(super) fn start(queue: QueueDir, environment: ProcessEnvironment) -> std::io::Result<Self> {
        let (wake, woken) = channel();
        let (sender, looks) = watch::channel(Arc::new(look(&queue, &environment)));
        let watcher = wake.clone();
        std::thread::Builder::new().name("aq-look".to_owned()).spawn(move || {
            keep(&queue, &environment, &woken, &watcher, &sender);
        })?;
        Ok(Self { looks, wake: Mutex::new(wake) })
    }

    /// Returns the present look of the queue. When nobody followed, the look may be an old one: it
    /// is made again.
    pub(super) async fn fresh(&self) -> Arc<Look> {
        let mut looks = self.looks.clone();
        looks.mark_unchanged();
        self.look_again();
        // A queue that takes longer is shown as it was, and the page gets the rest later.
        let _ = tokio::time::timeout(STALE, looks.changed()).await;
        Arc::clone(&looks.borrow())
    }

    /// The newest look.
    pub(super) fn now(&self) -> Arc<Look> {
        self.looks.borrow().clone()
    }

    /// The looks from now on.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Look>> {
        let follower = self.looks.clone();
        self.look_again();
        follower
    }

    /// Something was done here: it is looked at without waiting for an event of the file system.
    pub(super) fn look_again(&self) {
        // The thread ends with the process.
        let _ = self.wake.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }
}

fn look(queue: &QueueDir, environment: &ProcessEnvironment) -> Look {
    let settings = QueueSettings::load(queue, environment.clone()).map_err(|e| e.to_string())?;
    let look = overview(queue, &settings, ENDED, Timestamp::now());
    let mut look = look.map_err(|e| e.to_string())?;
    if require_trust(queue, environment).is_err() {
        look.distrust();
    }
    Ok(look)
}

fn keep(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    woken: &Receiver<()>,
    waker: &Sender<()>,
    sender: &watch::Sender<Arc<Look>>,
) {
    let mut watch: Option<QueueWatch> = None;
    let mut rest = STALE;
    loop {
        // The feed itself has one receiver; without another one nobody looks at a page that lives,
        // and what changes is not even listened to.
        match sender.receiver_count() {
            0 => return,
            1 => {
                watch = None;
                // Changes of before.
                while woken.try_recv().is_ok() {}
                if sender.receiver_count() == 1 {
                    let _ = woken.recv();
                }
            }
            _ => {
                let _ = woken.recv_timeout(rest);
            }
        }
        while woken.try_recv().is_ok() {}
        if let Some(watch) = &mut watch {
            watch.renew();
        } else {
            let waker = waker.clone();
            // A file system that cannot be watched is looked at after each rest.
            watch = QueueWatch::start(queue, move || {
                let _ = waker.send(());
            })
            .ok();
        }
        let begun = Instant::now();
        sender.send_replace(Arc::new(look(queue, environment)));
        let took = begun.elapsed();
        // A large queue takes longer to look at: a third of one core is enough for that while much
        // changes, and a twentieth while nothing does.
        rest = STALE.max(took * 20);
        std::thread::sleep(PAUSE.max(took * 2));
    }
}
