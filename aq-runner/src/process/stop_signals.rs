//! Signals that a process takes for a while, and gives back as they were.
//!
//! `signal-hook` keeps a handler for the life of the process, which is right for a worker and wrong
//! for a loop that is a part of somebody's program.

use std::ffi::c_int;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rustix::fs::{OFlags, fcntl_setfl};

/// Signals that ask a program to end, and the one of a file that gets too long: with a handler the
/// write fails, and the process lives.
const TAKEN: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGXFSZ];

/// Byte that ends the thread; no signal has this number.
const END: u8 = 0;

/// Write end of the pipe, for the handler; -1 before the first listener.
static TO_THREAD: AtomicI32 = AtomicI32::new(-1);

/// Both ends of the pipe. They stay open: a handler may run on one thread while another gives the
/// signals back.
static PIPE: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();

/// A listener's call, with the number of its listener.
type Listener = (u64, Box<dyn Fn(c_int) + Send>);

static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

/// The handlers in force, while there is a listener.
static TAKEOVER: Mutex<SignalTakeover> = Mutex::new(SignalTakeover { next: 0, installed: None });

struct SignalTakeover {
    /// Number of the next listener.
    next: u64,
    installed: Option<InstalledHandlers>,
}

struct InstalledHandlers {
    /// The actions that the process had before.
    before: Vec<(Signal, SigAction)>,
    thread: JoinHandle<()>,
}

/// SIGTERM, SIGINT and SIGHUP reported to a listener until it is dropped; a write beyond the limit
/// of file sizes fails meanwhile and ends nothing. With the last listener of the process its
/// earlier handlers are in force again. Commands that are started meanwhile have the default ones.
#[derive(Debug)]
pub(crate) struct StopSignals {
    number: u64,
}

impl StopSignals {
    /// Calls `tell` with the number of each signal, on a thread of this module.
    ///
    /// # Errors
    /// When the system gives no thread or no pipe, or refuses a handler.
    pub(crate) fn listen(tell: impl Fn(c_int) + Send + 'static) -> io::Result<Self> {
        let mut takeover = lock(&TAKEOVER);
        let number = takeover.next;
        takeover.next += 1;
        lock(&LISTENERS).push((number, Box::new(tell)));
        if takeover.installed.is_none() {
            match InstalledHandlers::new() {
                Ok(installed) => takeover.installed = Some(installed),
                Err(e) => {
                    forget(number);
                    return Err(e);
                }
            }
        }
        Ok(Self { number })
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        let mut takeover = lock(&TAKEOVER);
        if forget(self.number)
            && let Some(installed) = takeover.installed.take()
        {
            installed.end();
        }
    }
}

impl InstalledHandlers {
    fn new() -> io::Result<Self> {
        let (mut reader, _) = pipe()?;
        // A signal that came while the last thread ended is not for this one.
        let stale = rustix::io::ioctl_fionread(reader)?;
        io::copy(&mut reader.take(stale), &mut io::sink())?;
        let thread = std::thread::Builder::new()
            .name("aq-signals".to_owned())
            .stack_size(128 << 10)
            .spawn(move || pass_on(&mut reader))?;
        let mut installed = Self { before: Vec::new(), thread };
        let action =
            SigAction::new(SigHandler::Handler(note_signal), SaFlags::SA_RESTART, SigSet::empty());
        for signal in TAKEN {
            #[expect(unsafe_code, reason = "there is no safe call that can be undone")]
            // SAFETY: the handler calls nothing but what a handler may call, see there.
            let before = unsafe { sigaction(signal, &action) };
            match before {
                Ok(before) => installed.before.push((signal, before)),
                Err(e) => {
                    installed.end();
                    return Err(e.into());
                }
            }
        }
        Ok(installed)
    }

    /// Gives the signals back, but not those that somebody else has taken since.
    fn end(self) {
        for (signal, before) in self.before {
            #[expect(unsafe_code, reason = "there is no safe call that can be undone")]
            // SAFETY: the action was in force before, or somebody has put it there since.
            unsafe {
                if let Ok(now) = sigaction(signal, &before)
                    && !is_ours(&now)
                {
                    let _ = sigaction(signal, &now);
                }
            }
        }
        // The pipe is there since the thread is. When it is full, the thread is about to read.
        while let Ok((_, mut writer)) = pipe()
            && writer.write(&[END]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        {
            std::thread::yield_now();
        }
        let _ = self.thread.join();
    }
}

fn is_ours(action: &SigAction) -> bool {
    let own: extern "C" fn(c_int) = note_signal;
    matches!(action.handler(), SigHandler::Handler(other) if std::ptr::fn_addr_eq(other, own))
}

/// Both ends of the pipe.
fn pipe() -> io::Result<(&'static PipeReader, &'static PipeWriter)> {
    if PIPE.get().is_none() {
        let (reader, writer) = io::pipe()?;
        // A handler must not wait.
        fcntl_setfl(&writer, OFlags::NONBLOCK)?;
        let _ = PIPE.set((reader, writer));
    }
    let (reader, writer) = PIPE.get().ok_or(io::ErrorKind::BrokenPipe)?;
    TO_THREAD.store(writer.as_raw_fd(), Ordering::SeqCst);
    Ok((reader, writer))
}

/// Removes a listener. Answers whether it was the last one.
fn forget(number: u64) -> bool {
    let mut listeners = lock(&LISTENERS);
    listeners.retain(|(other, _)| *other != number);
    listeners.is_empty()
}

fn pass_on(reader: &mut &PipeReader) {
    let mut byte = [END];
    loop {
        match reader.read(&mut byte) {
            Ok(1) if byte[0] != END => {
                lock(&LISTENERS).iter().for_each(|(_, tell)| tell(c_int::from(byte[0])));
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

extern "C" fn note_signal(signal: c_int) {
    // Its handler is there so that the write fails.
    if signal == libc::SIGXFSZ {
        return;
    }
    let before = Errno::last_raw();
    let byte = signal.to_le_bytes()[0];
    #[expect(unsafe_code, reason = "a handler may call little more than this")]
    // SAFETY: `write` may be called in a handler. The descriptor is -1 or the pipe's, which is
    // never closed, and the pointer is to one byte. The interrupted call finds its `errno` again.
    unsafe {
        libc::write(TO_THREAD.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
    }
    Errno::set_raw(before);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
