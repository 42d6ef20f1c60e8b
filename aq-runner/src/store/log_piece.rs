//! Pieces of a job's log, cut at lines where there are lines: a log of any size is read a piece at
//! a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use aq_manifest::JobId;

use super::error::{Result, StoreIo};
use super::queue_dir::QueueDir;

/// Distance before the end of a piece in which an escape sequence that may be cut in two is looked
/// for.
const ESCAPE: usize = 64;

/// A piece of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPiece {
    /// Where it begins, in bytes.
    pub from: u64,
    /// Where the next piece begins: behind `bytes`, before `open`.
    pub to: u64,
    /// The length of the whole log.
    pub size: u64,
    /// Whole lines. A line that is longer than a piece is cut between two characters.
    pub bytes: Vec<u8>,
    /// The beginning of a last line that has not ended yet; read again with the next piece.
    pub open: Vec<u8>,
}

/// The piece that begins at a byte, at most `most` bytes long. `None`: there is no log.
///
/// # Errors
/// When the log cannot be read.
pub fn log_from(queue: &QueueDir, id: &JobId, from: u64, most: usize) -> Result<Option<LogPiece>> {
    let Some((mut file, size)) = log_file(queue, id)? else { return Ok(None) };
    let from = from.min(size);
    let mut bytes = read(&mut file, from, size, most).at("read", &queue.log(id))?;
    let is_end = from + bytes.len() as u64 >= size;
    let lines = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let open = if is_end && bytes.len() - lines < most {
        bytes.split_off(lines)
    } else {
        bytes.truncate(if lines > 0 { lines } else { whole_characters(&bytes) });
        Vec::new()
    };
    Ok(Some(LogPiece { from, to: from + bytes.len() as u64, size, bytes, open }))
}

/// The piece that ends before a byte, at most `most` bytes long; `None` is the end of the log.
/// `Ok(None)`: there is no log.
///
/// # Errors
/// When the log cannot be read.
pub fn log_until(
    queue: &QueueDir,
    id: &JobId,
    to: Option<u64>,
    most: usize,
) -> Result<Option<LogPiece>> {
    let Some((mut file, size)) = log_file(queue, id)? else { return Ok(None) };
    let end = to.unwrap_or(size).min(size);
    let start = end.saturating_sub(most as u64);
    let mut bytes = read(&mut file, start, end, most).at("read", &queue.log(id))?;
    let lines = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let cut = match bytes.iter().position(|&b| b == b'\n') {
        _ if start == 0 => 0,
        Some(at) if at + 1 < bytes.len() => at + 1,
        _ => first_character(&bytes),
    };
    let open =
        if end == size && bytes.len() - lines < most { bytes.split_off(lines) } else { Vec::new() };
    bytes.drain(..cut);
    let from = start + cut as u64;
    Ok(Some(LogPiece { from, to: from + bytes.len() as u64, size, bytes, open }))
}

/// The log of a job, and its length. `None`: there is none.
///
/// # Errors
/// When it cannot be opened.
pub fn log_file(queue: &QueueDir, id: &JobId) -> Result<Option<(File, u64)>> {
    let path = queue.log(id);
    // Never a link or a pipe: nothing of ours makes one, and it would lead elsewhere or block.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
        Ok(file) => {
            let about = file.metadata().at("look at", &path)?;
            Ok(about.is_file().then_some((file, about.len())))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).at("open", &path),
    }
}

fn read(file: &mut File, from: u64, to: u64, most: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take((to - from).min(most as u64)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where a character, or an escape sequence, begins near the start of a piece that begins inside a
/// line.
fn first_character(bytes: &[u8]) -> usize {
    let near = &bytes[..bytes.len().min(ESCAPE)];
    let escape = near.iter().position(|&b| b == 0x1b);
    escape.or_else(|| near.iter().position(|&b| b & 0xc0 != 0x80)).unwrap_or(0)
}

/// The length without a character, or an escape sequence, that may go on behind the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    let last = bytes.iter().rev().take(4).position(|&b| b & 0xc0 != 0x80).unwrap_or(0);
    let lead = bytes.len().saturating_sub(last + 1);
    let length = match bytes.get(lead) {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    if lead + length > end && lead > 0 {
        end = lead;
    }
    let near = end.saturating_sub(ESCAPE);
    match bytes[near..end].iter().rposition(|&b| b == 0x1b) {
        Some(at) if near + at > 0 => near + at,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    fn with(log: &[u8]) -> TestQueue {
        let queue = TestQueue::new();
        std::fs::write(queue.log(&id("a")), log).unwrap();
        queue
    }

    /// All pieces, from the start or back from the end, put together.
    fn put_together(log: &[u8], most: usize) {
        let (queue, job) = (with(log), id("a"));
        let (mut at, mut all) = (0, Vec::<u8>::new());
        loop {
            let piece = log_from(&queue, &job, at, most).unwrap().unwrap();
            assert!(piece.bytes.len() <= most && piece.open.len() <= most);
            assert_eq!((piece.from, piece.to), (at, at + piece.bytes.len() as u64));
            all.extend(&piece.bytes);
            at = piece.to;
            if piece.bytes.is_empty() {
                all.extend(&piece.open);
                break;
            }
        }
        assert_eq!(all, log, "forwards by {most}");
        let (mut to, mut all) = (None, Vec::<u8>::new());
        loop {
            let piece = log_until(&queue, &job, to, most).unwrap().unwrap();
            assert!(piece.bytes.len() <= most);
            all.splice(0..0, piece.bytes.into_iter().chain(piece.open));
            if piece.from == 0 {
                break;
            }
            assert!(to.is_none_or(|to| piece.from < to), "{} {to:?}", piece.from);
            to = Some(piece.from);
        }
        assert_eq!(all, log, "backwards by {most}");
    }

    #[test]
    fn pieces_make_the_whole_log() {
        let logs: [&[u8]; 7] = [
            b"",
            b"one\n",
            b"one\ntwo two two two two\nthree",
            "näh ✓✓✓✓✓✓✓✓✓\n✓✓".as_bytes(),
            b"\n\n\n\n",
            b"\xff\xff\x80\x80\x80\x80\x80\x80\x80\x80",
            b"\x1b[31mred\x1b[0m and no more of it\n",
        ];
        for log in logs {
            for most in [8, 9, 13, 100] {
                put_together(log, most);
            }
        }
    }

    #[test]
    fn pieces_are_cut_at_lines() {
        let (queue, job) = (with(b"one\ntwo\nthr"), id("a"));
        let piece = log_from(&queue, &job, 0, 6).unwrap().unwrap();
        assert_eq!((&piece.bytes[..], &piece.open[..], piece.size), (&b"one\n"[..], &b""[..], 11));
        let piece = log_from(&queue, &job, 4, 100).unwrap().unwrap();
        assert_eq!((&piece.bytes[..], &piece.open[..], piece.to), (&b"two\n"[..], &b"thr"[..], 8));
        let piece = log_until(&queue, &job, None, 9).unwrap().unwrap();
        assert_eq!(
            (&piece.bytes[..], &piece.open[..], piece.from),
            (&b"two\n"[..], &b"thr"[..], 4)
        );
        assert_eq!(log_from(&queue, &id("b"), 0, 6).unwrap(), None);
        // The log of another run, which is shorter.
        assert_eq!(log_from(&queue, &job, 99, 6).unwrap().unwrap().from, 11);
    }

    #[test]
    fn characters_are_not_cut() {
        let (queue, job) = (with("✓✓✓✓✓✓✓✓".as_bytes()), id("a"));
        assert_eq!(log_from(&queue, &job, 0, 8).unwrap().unwrap().to, 6);
        assert_eq!(log_until(&queue, &job, Some(24), 8).unwrap().unwrap().from, 18);
    }
}
