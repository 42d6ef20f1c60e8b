//! The order of the waiting jobs as somebody saw it, for those who look at one job of very many.
//!
//! The file is derived. Who looks at a long queue writes it; who finds one that is not of the queue
//! as it is now, or cannot be believed for another reason, reads all records.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::durable::write_new;
use super::error::Result;
use super::queue_dir::QueueDir;
use crate::disk::user;

/// Waiting jobs from which on their order is kept.
const MANY: usize = 1_000;

/// The most that is read of the file, in bytes.
const MAX_LEN: u64 = 256 << 20;

/// Time for which a folder has to have been at rest: a change that comes sooner after another one
/// may leave the folder with the same time.
const REST: Duration = Duration::from_millis(100);

/// The first word of the file, with the version of its format.
const FORMAT: &str = "aq-order/1";

/// The folders of jobs at one moment: a name that came or went gives them another stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueStamp {
    text: String,
    /// The time of the last change.
    changed: SystemTime,
}

impl QueueStamp {
    /// The stamp as it is now; `None` when a folder cannot be looked at.
    pub(crate) fn of(queue: &QueueDir) -> Option<Self> {
        let mut stamp = Self { text: String::new(), changed: SystemTime::UNIX_EPOCH };
        for stage in Stage::ALL {
            let about = queue.stage(stage).metadata().ok()?;
            let (dev, ino) = (about.dev(), about.ino());
            stamp.text += &format!("{dev}:{ino}:{}.{:09},", about.mtime(), about.mtime_nsec());
            stamp.changed = stamp.changed.max(about.modified().ok()?);
        }
        Some(stamp)
    }

    /// Tests for folders that were at rest then, so that each later change is seen.
    fn is_settled(&self) -> bool {
        self.changed.elapsed().is_ok_and(|age| age >= REST)
    }
}

/// The names of the waiting jobs, in the order in which they will run.
#[derive(Debug)]
pub(crate) struct WaitingOrder {
    names: String,
}

impl WaitingOrder {
    /// The order that was kept; `None` when there is none for the queue as it is now.
    pub(crate) fn read(queue: &QueueDir, now: Timestamp) -> Option<Self> {
        let (span, order) = Self::read_names(queue)?;
        span.contains(now).then_some(order)
    }

    /// The same whatever time it is: the names are those that are there.
    fn read_names(queue: &QueueDir) -> Option<(OrderSpan, Self)> {
        let mut text = String::new();
        open(queue).ok()?.take(MAX_LEN).read_to_string(&mut text).ok()?;
        let (head, names) = text.split_once('\n')?;
        let span = OrderSpan::parse(head.split(' ').nth(2)?)?;
        if head != head_of(&QueueStamp::of(queue)?, span, names) {
            return None;
        }
        let start = head.len() + 1;
        Some((span, Self { names: text.split_off(start) }))
    }

    /// The names, the next job to run first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = JobId> {
        self.names.lines().filter_map(|name| JobId::new(name).ok())
    }

    /// Number of the names.
    pub(crate) fn count(&self) -> usize {
        self.names.bytes().filter(|&byte| byte == b'\n').count()
    }

    fn starting_with(&self, prefix: &str) -> Vec<JobId> {
        let names = self.names.lines().filter(|name| name.starts_with(prefix));
        names.filter_map(|name| JobId::new(name).ok()).collect()
    }

    /// Keeps the order of many jobs, when the queue has not changed since its stamp was taken, and
    /// nobody has kept it. Who cannot write there does without.
    pub(crate) fn keep<'a>(
        queue: &QueueDir,
        stamp: Option<QueueStamp>,
        span: OrderSpan,
        waiting: impl Iterator<Item = &'a JobId>,
    ) {
        let Some(stamp) = stamp.filter(QueueStamp::is_settled) else { return };
        let names: String = waiting.flat_map(|id| [id.as_str(), "\n"]).collect();
        let order = Self { names };
        if order.count() < MANY
            || QueueStamp::of(queue).as_ref() != Some(&stamp)
            || Self::read(queue, span.from).is_some()
        {
            return;
        }
        let names = &order.names;
        let text = format!("{}\n{names}", head_of(&stamp, span, names));
        let through = queue.state().join(format!("tmp/.order-{}", std::process::id()));
        let written = write_new(&through, text.as_bytes(), false);
        if written.is_err() || std::fs::rename(&through, path(queue)).is_err() {
            let _ = std::fs::remove_file(&through);
        }
    }
}

/// The time in which an order holds: then the first pause of a waiting job is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderSpan {
    from: Timestamp,
    until: Timestamp,
}

impl OrderSpan {
    /// From a look until the first of these times that is after it.
    pub(crate) fn new(from: Timestamp, pauses: impl Iterator<Item = Timestamp>) -> Self {
        let until = pauses.filter(|&end| end > from).min().unwrap_or(Timestamp::MAX);
        Self { from, until }
    }

    fn contains(self, now: Timestamp) -> bool {
        (self.from..self.until).contains(&now)
    }

    fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('/')?;
        Some(Self { from: from.parse().ok()?, until: until.parse().ok()? })
    }
}

/// The jobs of a folder whose names begin so, quickly where very many wait.
///
/// # Errors
/// When the folder cannot be read.
pub fn jobs_starting_with(queue: &QueueDir, stage: Stage, prefix: &str) -> Result<Vec<JobId>> {
    let kept = (stage == Stage::Inbox).then(|| WaitingOrder::read_names(queue)).flatten();
    match kept {
        Some((_, order)) => Ok(order.starting_with(prefix)),
        None => Ok(queue.each_job(stage)?.filter(|id| id.as_str().starts_with(prefix)).collect()),
    }
}

/// Lets an order count no more that was kept, or is about to be: the record of a waiting job has
/// changed, and its file has not.
pub(crate) fn outdate_order(queue: &QueueDir) {
    let inbox = File::open(queue.stage(Stage::Inbox));
    // Without that somebody who looks at one job may see an earlier one.
    let _ = inbox.and_then(|inbox| inbox.set_modified(SystemTime::now()));
}

fn path(queue: &QueueDir) -> PathBuf {
    queue.state().join("order")
}

/// The first line: the format, the queue, the time, and the hash of what follows, which a torn file
/// has not.
fn head_of(stamp: &QueueStamp, OrderSpan { from, until }: OrderSpan, names: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(names.as_bytes());
    format!("{FORMAT} {} {from}/{until} {:016x}", stamp.text, hasher.finish())
}

/// Opens the file when it is a regular one of this user's that nobody else can write.
fn open(queue: &QueueDir) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path(queue))?;
    let about = file.metadata()?;
    let is_own = about.is_file() && about.uid() == user() && about.mode() & 0o022 == 0;
    if is_own { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    fn many() -> Vec<JobId> {
        (0..MANY).map(|n| id(&format!("job{n}"))).collect()
    }

    /// A queue that has been at rest for long, with an order that was kept.
    fn kept() -> (TestQueue, Vec<JobId>) {
        let (queue, ids) = (TestQueue::new(), many());
        settle(&queue);
        keep(&queue, QueueStamp::of(&queue), &ids);
        (queue, ids)
    }

    fn settle(queue: &QueueDir) {
        for stage in Stage::ALL {
            let folder = File::open(queue.stage(stage)).unwrap();
            folder.set_modified(SystemTime::now() - 2 * REST).unwrap();
        }
    }

    fn keep(queue: &QueueDir, stamp: Option<QueueStamp>, ids: &[JobId]) {
        let span = OrderSpan::new(Timestamp::UNIX_EPOCH, std::iter::empty());
        WaitingOrder::keep(queue, stamp, span, ids.iter());
    }

    fn read(queue: &QueueDir) -> Option<Vec<JobId>> {
        WaitingOrder::read(queue, Timestamp::now()).map(|order| order.ids().collect())
    }

    #[test]
    fn kept_order_is_read_back() {
        let (queue, ids) = kept();
        assert_eq!(read(&queue), Some(ids));
        // There are no files: the names are those that were kept.
        let named = |stage| jobs_starting_with(&queue, stage, "job99").unwrap().len();
        assert_eq!((named(Stage::Inbox), named(Stage::Failed)), (11, 0));
        outdate_order(&queue);
        assert_eq!(read(&queue), None);
        assert_eq!(named(Stage::Inbox), 0);
    }

    #[test]
    fn changed_inbox_has_no_order() {
        let (queue, ids) = kept();
        queue.place("new", Stage::Inbox, "x");
        assert_eq!(read(&queue), None);
        // Just changed: the next change may give it the same time.
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue), None);
        // Changed while somebody read it.
        let stamp = QueueStamp::of(&queue);
        settle(&queue);
        keep(&queue, stamp, &ids);
        assert_eq!(read(&queue), None);
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue), Some(ids));
    }

    #[test]
    fn any_folder_outdates_the_order() {
        for stage in Stage::ALL {
            let (queue, _) = kept();
            queue.place("new", stage, "x");
            assert_eq!(read(&queue), None, "{stage}");
        }
    }

    #[test]
    fn orders_hold_until_a_pause_ends() {
        let (queue, ids) = (TestQueue::new(), many());
        settle(&queue);
        let at = |second| Timestamp::from_second(second).unwrap();
        let pauses = [at(50), at(300), at(200)].into_iter();
        let span = OrderSpan::new(at(100), pauses);
        WaitingOrder::keep(&queue, QueueStamp::of(&queue), span, ids.iter());
        let holds = |second| WaitingOrder::read(&queue, at(second)).is_some();
        assert_eq!([99, 100, 199, 200].map(holds), [false, true, true, false]);
    }

    #[test]
    fn future_inbox_is_not_believed() {
        let (queue, ids) = (TestQueue::new(), many());
        settle(&queue);
        let inbox = File::open(queue.stage(Stage::Inbox)).unwrap();
        inbox.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue), None);
    }

    #[test]
    fn torn_and_foreign_orders_are_ignored() {
        let (queue, ids) = kept();
        let whole = fs::read(path(&queue)).unwrap();
        for end in [0, 5, whole.len() / 2, whole.len() - 1] {
            fs::write(path(&queue), &whole[..end]).unwrap();
            assert_eq!(read(&queue), None, "{end}");
        }
        // It is written anew.
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue).as_ref(), Some(&ids));
        let zeros = [&whole[..100], &vec![0; whole.len() - 100][..]].concat();
        fs::write(path(&queue), zeros).unwrap();
        assert_eq!(read(&queue), None);
        let other = String::from_utf8(whole.clone()).unwrap().replace(FORMAT, "aq-order/2");
        fs::write(path(&queue), other).unwrap();
        assert_eq!(read(&queue), None);
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue).as_ref(), Some(&ids));
        fs::set_permissions(path(&queue), fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(read(&queue), None);
        fs::remove_file(path(&queue)).unwrap();
        let elsewhere = queue.state().join("elsewhere");
        fs::write(&elsewhere, &whole).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path(&queue)).unwrap();
        assert_eq!(read(&queue), None);
        fs::remove_file(path(&queue)).unwrap();
        nix::unistd::mkfifo(&path(&queue), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&queue), None);
    }

    #[test]
    fn half_written_order_harms_nothing() {
        let (queue, ids) = kept();
        // What a killed writer leaves, under the name that this process would use.
        let through = queue.state().join(format!("tmp/.order-{}", std::process::id()));
        fs::write(&through, "aq-ord").unwrap();
        assert_eq!(read(&queue), Some(ids.clone()));
        fs::remove_file(path(&queue)).unwrap();
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue), Some(ids));
        assert!(!through.exists());
    }

    #[test]
    fn writers_at_once_leave_one_order() {
        let (queue, ids) = (TestQueue::new(), many());
        settle(&queue);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        keep(&queue, QueueStamp::of(&queue), &ids);
                        assert!(read(&queue).is_none_or(|read| read == ids));
                        let _ = fs::remove_file(path(&queue));
                    }
                });
            }
        });
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert_eq!(read(&queue), Some(ids.clone()));
    }

    #[test]
    fn few_jobs_have_no_order() {
        let (queue, ids) = (TestQueue::new(), many());
        settle(&queue);
        keep(&queue, QueueStamp::of(&queue), &ids[1..]);
        assert!(!path(&queue).exists());
        let tmp = queue.state().join("tmp");
        fs::remove_dir_all(&tmp).unwrap();
        keep(&queue, QueueStamp::of(&queue), &ids);
        assert!(!path(&queue).exists(), "who cannot write does without");
    }
}
