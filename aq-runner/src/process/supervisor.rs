//! The process that runs commands and owns all that they start.

use std::io::{self, PipeReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::SigSet;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Signal;
use signal_hook::{consts, flag, low_level::pipe};

use super::os;

/// The state that [`ProcessSupervisor::run`] keeps between commands.
///
/// Signals are caught by handlers, not blocked: a blocked signal would stay blocked in every
/// command that is started, and unblocking it there would cost a full `fork` for each start.
/// Handlers vanish at `exec`.
#[derive(Debug)]
pub struct ProcessSupervisor {
    /// Readable after a signal.
    pub(super) wake: PipeReader,
    /// The number of the signal that asked to stop, 0 for none.
    stop: Arc<AtomicUsize>,
    /// Where output is read into.
    pub(super) buffer: Box<[u8]>,
}

impl ProcessSupervisor {
    /// Size of one read. A whole pipe holds four of it; more would be touched, and kept resident,
    /// by every worker for the sake of the few whose agents print that fast.
    const CHUNK: usize = 16 * 1024;

    /// Makes the calling process a supervisor, for the rest of its life: a session of its own,
    /// parent of every orphan below it, SIGTERM, SIGINT and SIGHUP noted instead of obeyed.
    ///
    /// Call it once, first thing, in a process with one thread. From here on only
    /// [`run`](Self::run) may have children running while it is at work.
    ///
    /// # Errors
    /// When the system refuses one of these.
    pub fn install() -> io::Result<ProcessSupervisor> {
        // A leader of a process group cannot open a session: somebody's shell started it by hand.
        // Then it stays in that shell's session.
        match rustix::process::setsid() {
            Ok(_) | Err(rustix::io::Errno::PERM) => {}
            Err(e) => return Err(e.into()),
        }
        os::adopt_orphans()?;

        let (wake, waker) = io::pipe()?;
        fcntl_setfl(&wake, OFlags::NONBLOCK)?;
        let stop = Arc::new(AtomicUsize::new(0));
        for signal in [consts::SIGINT, consts::SIGHUP] {
            note_stop(signal, &stop)?;
            pipe::register(signal, waker.try_clone()?)?;
        }
        // `spawn_detached` blocked these two. What came by now was a key pressed at the terminal
        // of the loop and not for us, so it is let in and forgotten.
        SigSet::empty().thread_set_mask()?;
        stop.store(0, Ordering::SeqCst);
        note_stop(consts::SIGTERM, &stop)?;
        pipe::register(consts::SIGTERM, waker.try_clone()?)?;
        pipe::register(consts::SIGCHLD, waker)?;

        Ok(ProcessSupervisor { wake, stop, buffer: vec![0; Self::CHUNK].into_boxed_slice() })
    }

    /// The signal that asked this process to stop, if one came since [`install`](Self::install).
    /// It stays set: no further command starts.
    #[must_use]
    pub fn stop_requested(&self) -> Option<Signal> {
        let number = i32::try_from(self.stop.load(Ordering::SeqCst)).ok()?;
        Signal::from_named_raw(number)
    }

    /// Returns whether a stop was asked for, also where the supervisor itself is not at hand.
    pub fn stop_check(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let stop = Arc::clone(&self.stop);
        move || stop.load(Ordering::SeqCst) != 0
    }

    /// Takes note that the wake-up was seen. State is looked at after this, never before.
    pub(super) fn clear_wake(&mut self) -> io::Result<()> {
        let mut bytes = [0; 256];
        loop {
            match self.wake.read(&mut bytes) {
                Ok(n) if n == bytes.len() => {}
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn note_stop(signal: i32, stop: &Arc<AtomicUsize>) -> io::Result<()> {
    let number = usize::try_from(signal).map_err(io::Error::other)?;
    flag::register_usize(signal, Arc::clone(stop), number).map(drop)
}
