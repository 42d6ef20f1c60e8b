//! The lines of a job's file, and what is left to send by them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::OutboxMessage;

/// No file gets so far; a higher number is damage, and there is always a next one.
const MAX_NUMBER: u64 = 1 << 53;

/// One line, to be written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OutboxLine<'a> {
    /// A message and its number.
    Message { n: u64, message: &'a OutboxMessage },
    /// The message of this number was dealt with.
    Done { done: u64 },
}

/// One line, as it was read.
#[derive(Deserialize)]
#[serde(untagged)]
enum ParsedLine {
    Message { n: u64, message: Box<OutboxMessage> },
    Done { done: u64 },
}

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct OutboxContents {
    /// The messages that are left to send, by number.
    pub(super) waiting: BTreeMap<u64, OutboxMessage>,
    /// The highest number so far.
    pub(super) last: u64,
    /// Whole lines that are none, by their place from 1.
    pub(super) damaged: Vec<u64>,
    /// Bytes after the last newline.
    pub(super) torn: usize,
}

impl OutboxContents {
    /// Reads a file. Never fails: what is no line is counted.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let mut contents = Self { torn: bytes.len() - whole, ..Self::default() };
        let lines = bytes[..whole].split_inclusive(|&b| b == b'\n');
        for (place, line) in (1..).zip(lines) {
            match serde_json::from_slice(line) {
                // A number that was there before is a line written twice: the first counts.
                Ok(ParsedLine::Message { n, message }) if n > contents.last && n <= MAX_NUMBER => {
                    contents.last = n;
                    contents.waiting.insert(n, *message);
                }
                Ok(ParsedLine::Done { done }) => {
                    contents.waiting.remove(&done);
                }
                Ok(ParsedLine::Message { .. }) | Err(_) => contents.damaged.push(place),
            }
        }
        contents
    }
}

impl OutboxLine<'_> {
    /// The bytes of the line, its newline included.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
