//! The supervisor's ends of a command's three pipes. Nothing here ever blocks.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_setfl};

use super::poll::poll;
use super::task::{CommandInput, ObserverVerdict, OutputObserver, OutputStream};

/// Two outputs and, while there is something to write, the input.
#[derive(Debug)]
pub(super) struct CommandPipes {
    outputs: [Option<File>; 2],
    input: Option<InputPipe>,
}

#[derive(Debug)]
struct InputPipe {
    pipe: File,
    bytes: Vec<u8>,
    written: usize,
}

const STREAMS: [OutputStream; 2] = [OutputStream::Stdout, OutputStream::Stderr];

/// The ends of the same pipes that the command gets.
#[derive(Debug)]
pub(super) struct ChildEnds {
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
}

impl CommandPipes {
    /// Makes the pipes. As much of the input as a pipe holds is in it before the command starts.
    pub(super) fn open(stdin: CommandInput) -> io::Result<(CommandPipes, ChildEnds)> {
        let (out, child_out) = io::pipe()?;
        let (err, child_err) = io::pipe()?;
        let outputs = [Some(non_blocking(out)?), Some(non_blocking(err)?)];
        let (input, child_in) = match stdin {
            CommandInput::Null => (None, Stdio::null()),
            CommandInput::Bytes(bytes) => {
                let (child_in, pipe) = io::pipe()?;
                let input = InputPipe { pipe: non_blocking(pipe)?, bytes, written: 0 };
                (Some(input), Stdio::from(child_in))
            }
        };
        let mut pipes = CommandPipes { outputs, input };
        pipes.feed();
        let (stdout, stderr) = (Stdio::from(child_out), Stdio::from(child_err));
        Ok((pipes, ChildEnds { stdin: child_in, stdout, stderr }))
    }

    /// No more input: the reader sees the end of the file.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// Blocks until a pipe is ready, `wake` is readable or the time is there, and serves the
    /// pipes. Returns whether `wake` is readable and what the observer asked for.
    pub(super) fn serve(
        &mut self,
        wake: BorrowedFd<'_>,
        until: Option<Instant>,
        buffer: &mut [u8],
        observer: &mut dyn OutputObserver,
    ) -> io::Result<(bool, ServedPipes)> {
        let [out, err] = &self.outputs;
        let input = self.input.as_ref().map(|input| &input.pipe);
        let files = [(out.as_ref(), PollFlags::IN), (err.as_ref(), PollFlags::IN)];
        let mut fds = Vec::with_capacity(4);
        fds.push(PollFd::from_borrowed_fd(wake, PollFlags::IN));
        for (file, flags) in files.into_iter().chain([(input, PollFlags::OUT)]) {
            fds.extend(file.map(|file| PollFd::from_borrowed_fd(file.as_fd(), flags)));
        }
        poll(&mut fds, until)?;
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let woken = ready.next().unwrap_or(false);
        let mut next = |open: bool| open && ready.next().unwrap_or(false);
        let ready = [next(out.is_some()), next(err.is_some()), next(input.is_some())];

        let mut served = ServedPipes::default();
        for side in [0, 1] {
            if ready[side] {
                self.read(side, buffer, observer, &mut served)?;
            }
        }
        if ready[2] {
            self.feed();
        }
        Ok((woken, served))
    }

    /// Reads what is in the pipes now. When all who wrote are gone this is everything; `until`
    /// bounds it in case a stranger was handed a pipe and goes on writing.
    pub(super) fn empty(
        &mut self,
        until: Instant,
        buffer: &mut [u8],
        observer: &mut dyn OutputObserver,
    ) -> io::Result<()> {
        for side in [0, 1] {
            let mut served = ServedPipes::default();
            while self.read(side, buffer, observer, &mut served)? && Instant::now() < until {}
        }
        Ok(())
    }

    /// One read. `false` when there was nothing more to have.
    fn read(
        &mut self,
        side: usize,
        buffer: &mut [u8],
        observer: &mut dyn OutputObserver,
        served: &mut ServedPipes,
    ) -> io::Result<bool> {
        let Some(pipe) = &mut self.outputs[side] else { return Ok(false) };
        match pipe.read(buffer) {
            Ok(0) => {
                self.outputs[side] = None;
                Ok(false)
            }
            Ok(n) => {
                served.note(observer.output(STREAMS[side], &buffer[..n]));
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Writes what fits; closes the pipe after the last byte, or when nobody reads it.
    fn feed(&mut self) {
        let Some(input) = &mut self.input else { return };
        while input.written < input.bytes.len() {
            match input.pipe.write(&input.bytes[input.written..]) {
                Ok(n) => input.written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                // The command closed its input, which is its right.
                Err(_) => break,
            }
        }
        self.input = None;
    }
}

/// Result of serving the pipes once.
#[derive(Debug, Default)]
pub(super) struct ServedPipes {
    /// Something was read.
    pub(super) output: bool,
    /// The observer's last [`ObserverVerdict::EndAfter`], or `Some(None)` for an
    /// [`ObserverVerdict::NotYet`] after it.
    pub(super) end_after: Option<Option<Duration>>,
    /// The observer asked for [`ObserverVerdict::End`].
    pub(super) end: bool,
}

impl ServedPipes {
    fn note(&mut self, flow: ObserverVerdict) {
        self.output = true;
        match flow {
            ObserverVerdict::Continue => {}
            ObserverVerdict::EndAfter(time) => self.end_after = Some(Some(time)),
            ObserverVerdict::NotYet => self.end_after = Some(None),
            ObserverVerdict::End => self.end = true,
        }
    }
}

/// A pipe has no other status flag that could be lost here.
fn non_blocking(end: impl Into<OwnedFd>) -> io::Result<File> {
    let fd = end.into();
    fcntl_setfl(&fd, OFlags::NONBLOCK)?;
    Ok(File::from(fd))
}
