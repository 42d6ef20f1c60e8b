//! The append-only record of one job: `key=value` lines, the last value of a key wins.

mod locked;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;

use super::error::{At, Result};

pub(crate) use locked::LockFailure;
pub use locked::{MetaFile, append_note};

/// The most that is read of a meta file, in bytes. A job writes some hundred bytes an attempt.
const MAX_LEN: u64 = 4 << 20;

/// What is known of a job beside its file. An empty value counts as absent.
///
/// A look at a queue reads one of these for each job, so it is two allocations and not two a line.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// The lines as read, then what was appended or had to be unescaped.
    text: String,
    /// One entry a key, shorter keys first: so most comparisons are of two numbers.
    entries: Vec<Entry>,
}

/// Where a key and its value stand in the text.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Piece,
    value: Piece,
}

/// A part of the text, in bytes. Half as large as a range of `usize`, and no record has 4 GiB: of a
/// file only the last [`MAX_LEN`] are read.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
}

impl Piece {
    fn new(start: usize, end: usize) -> Self {
        let place = |at: usize| u32::try_from(at).expect("a record is far below 4 GiB");
        Self { start: place(start), end: place(end) }
    }

    fn of(self, text: &str) -> &str {
        &text[self.range()]
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Meta {}

impl Meta {
    /// Reads the lines. A last line without a newline is a torn write and does not count; neither
    /// does a line without `=`.
    pub fn parse(text: &str) -> Self {
        Self::of_text(text.to_owned())
    }

    fn of_text(mut text: String) -> Self {
        text.truncate(text.rfind('\n').unwrap_or(0));
        let end = text.len();
        let mut meta = Self { text, entries: Vec::with_capacity(24) };
        let mut start = 0;
        while start < end {
            let rest = &meta.text.as_bytes()[start..end];
            let line = rest.split(|&b| b == b'\n').next().unwrap_or(rest);
            let next = start + line.len() + 1;
            let key = line.iter().take_while(|&&b| is_in_key(b)).count();
            if key > 0 && line.get(key) == Some(&b'=') {
                let (key, value) =
                    (Piece::new(start, start + key), Piece::new(start + key + 1, next - 1));
                let text = value.of(&meta.text);
                let value = match text.contains('\\').then(|| unescape(text)) {
                    Some(value) => meta.write(&value),
                    None => value,
                };
                meta.entries.push(Entry { key, value });
            }
            start = next;
        }
        // All at once: to find the place of each would take the square of a hostile file's length.
        let text = meta.text.as_bytes();
        meta.entries.sort_by(|a, b| order(&text[a.key.range()], &text[b.key.range()]));
        meta.entries.dedup_by(|next, kept| {
            let is_same = text[next.key.range()] == text[kept.key.range()];
            if is_same {
                kept.value = next.value;
            }
            is_same
        });
        // A look keeps the records of all jobs: each gets what it needs, and the room in which it was
        // read is there for the next.
        Self { text: meta.text.as_str().to_owned(), entries: meta.entries.as_slice().to_vec() }
    }

    fn write(&mut self, text: &str) -> Piece {
        let start = self.text.len();
        self.text.push_str(text);
        Piece::new(start, self.text.len())
    }

    /// Where the entry of a key is, or belongs.
    fn place(&self, key: &str) -> std::result::Result<usize, usize> {
        let text = self.text.as_bytes();
        self.entries.binary_search_by(|at| order(&text[at.key.range()], key.as_bytes()))
    }

    /// Reads a job's meta file; a missing one is empty.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        match open_to_read(path) {
            Ok(mut file) => Self::read_from(&mut file).at("read", path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e).at("open", path),
        }
    }

    fn read_from(file: &mut File) -> io::Result<Self> {
        let text = String::from_utf8(read_end(file)?.1);
        Ok(Self::of_text(
            text.unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
        ))
    }

    /// The value of a key, when it has one.
    pub fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries[self.place(key).ok()?];
        Some(entry.value.of(&self.text)).filter(|value| !value.is_empty())
    }

    /// The value of a key in a type of its own; absent when it does not parse, because what is
    /// recorded is never trusted more than what can be derived.
    pub fn parsed<T: FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.parse().ok()
    }

    /// A time.
    pub fn time(&self, key: &str) -> Option<Timestamp> {
        self.parsed(key)
    }

    /// A number that counts something; 0 when absent.
    pub fn count(&self, key: &str) -> u32 {
        self.parsed(key).unwrap_or(0)
    }

    /// A list, as `list_value` wrote it.
    pub fn list(&self, key: &str) -> Vec<String> {
        self.get(key).map(split_list).unwrap_or_default()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every key with its value, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |piece: Piece| piece.of(&self.text);
        let pairs = self.entries.iter().map(|entry| (text(entry.key), text(entry.value)));
        let mut pairs: Vec<_> = pairs.filter(|(_, value)| !value.is_empty()).collect();
        pairs.sort_unstable();
        pairs.into_iter()
    }

    /// The same in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.entries.iter();
        let pairs = pairs.map(|entry| (entry.key.of(&self.text), entry.value.of(&self.text)));
        pairs.filter(|(_, value)| !value.is_empty())
    }

    /// Takes over what was appended.
    fn apply(&mut self, record: &Record) {
        for (key, value) in &record.lines {
            let value = self.write(value);
            match self.place(key) {
                Ok(at) => self.entries[at].value = value,
                Err(at) => {
                    let key = self.write(key);
                    self.entries.insert(at, Entry { key, value });
                }
            }
        }
    }
}

/// Opens a record to read it; a pipe in its place is not waited for.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

/// What an open record holds from its start on, and where that is: 0, unless the record is so long that
/// only its end is read. There the values are that count.
pub(super) fn read_end(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    file.take(MAX_LEN).read_to_end(&mut bytes).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::Error::other("it is no regular file"),
        _ => e,
    })?;
    if (bytes.len() as u64) < MAX_LEN {
        return Ok((0, bytes));
    }
    let start = file.metadata()?.len().saturating_sub(MAX_LEN);
    file.seek(SeekFrom::Start(start))?;
    bytes.clear();
    file.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok((start, bytes))
}

/// Lines to append together, in one write.
#[derive(Clone, Debug, Default)]
pub struct Record {
    lines: Vec<(&'static str, String)>,
}

impl Record {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more line.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have, owned or not")]
    pub fn set(mut self, key: &'static str, value: impl ToString) -> Self {
        debug_assert!(is_key(key), "{key}");
        self.lines.push((key, value.to_string()));
        self
    }

    /// One more line when there is a value.
    #[must_use]
    pub fn set_some(self, key: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// One more line with a list of items, for [`Meta::list`].
    #[must_use]
    pub fn set_list<T: ToString>(self, key: &'static str, items: &[T]) -> Self {
        self.set(key, list_value(items))
    }

    /// Forgets earlier values of these keys.
    #[must_use]
    pub fn clear(mut self, keys: &[&'static str]) -> Self {
        self.lines.extend(keys.iter().map(|&key| (key, String::new())));
        self
    }

    /// These lines, then those.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        self
    }

    /// These lines less those that forget what is not known anyway.
    fn needed_by(&self, meta: &Meta) -> Self {
        let mut known: BTreeMap<&str, bool> = BTreeMap::new();
        let mut lines = Vec::with_capacity(self.lines.len());
        for (key, value) in &self.lines {
            let is_known = known.entry(key).or_insert_with(|| meta.get(key).is_some());
            if *is_known || !value.is_empty() {
                lines.push((*key, value.clone()));
            }
            *is_known = !value.is_empty();
        }
        Self { lines }
    }

    /// The content of a new file with these lines.
    pub(crate) fn to_new_file(&self) -> String {
        self.needed_by(&Meta::default()).to_text()
    }

    /// The lines as they go to disk.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.lines {
            out.push_str(key);
            out.push('=');
            out.push_str(&escape(value));
            out.push('\n');
        }
        out
    }
}

/// Shorter keys come first.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(is_in_key)
}

fn is_in_key(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '\n', '\r', '\0']) {
        return value.into();
    }
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\0', "\\0")
        .into()
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// A list in one value: items joined by `,`, with `,` and `\` inside an item escaped.
pub(crate) fn list_value<T: ToString>(items: &[T]) -> String {
    let quoted = |item: &T| item.to_string().replace('\\', "\\\\").replace(',', "\\,");
    items.iter().map(quoted).collect::<Vec<_>>().join(",")
}

pub(crate) fn split_list(value: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, items.last_mut()) {
            (',', _) => items.push(String::new()),
            ('\\', Some(item)) => item.extend(chars.next()),
            (c, Some(item)) => item.push(c),
            (_, None) => {}
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pipe_in_the_place_of_a_record_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.meta");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Meta::read(&path).unwrap().is_empty());
        let Err(LockFailure::Io(e)) = MetaFile::try_lock(&path) else { panic!("it is no record") };
        assert_eq!(e.to_string(), "it is no regular file");
    }

    #[test]
    fn the_last_value_wins_and_an_empty_one_is_absent() {
        let meta = Meta::parse("a=1\na=2\nb=x\nb=\nno line\nBad=1\n");
        assert_eq!(meta.iter().collect::<Vec<_>>(), [("a", "2")]);
    }

    proptest! {
        #[test]
        fn values_survive_the_file(value in "\\PC*|[\\n\\r\\\\=,a]*") {
            let text = Record::new().set("k", &value).to_text();
            let meta = Meta::parse(&text);
            prop_assert_eq!(meta.get("k").unwrap_or(""), value);
        }

        #[test]
        fn lists_survive_a_value(items in proptest::collection::vec("[a-z,\\\\ ]{1,5}", 1..5)) {
            let text = Record::new().set("k", list_value(&items)).to_text();
            prop_assert_eq!(Meta::parse(&text).list("k"), items);
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[\\x00-\\x20=a\\\\]*") {
            let _ = Meta::parse(&text);
        }
    }
}
