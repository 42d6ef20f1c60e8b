//! The text of a record, with a place for each key: the last value of a key wins.

use std::cmp::Ordering;
use std::ops::Range;
use std::str::FromStr;

use jiff::Timestamp;

use crate::escape::{split_list, unescape};
use crate::key_name::KeyName;
use crate::table::RecordKey;
use crate::update::RecordUpdate;

/// The content of a job's record.
pub type RecordContent = KeyValues<RecordKey>;

/// The content of a file of `key=value` lines. An empty value counts as absent; keys that this
/// version does not know are kept.
///
/// A look at a queue reads one of these for each job, so it is two allocations and not two a line,
/// and a value is parsed when somebody asks for it.
#[derive(Clone, Debug)]
pub struct KeyValues<K = RecordKey> {
    /// The lines as read, then what was appended or had to be unescaped.
    text: String,
    /// Bytes of `text` that are lines as read.
    read: u32,
    /// One entry a key, known keys first, in their order.
    entries: Vec<KeySpan<K>>,
}

/// The places of a key and its value in the text.
#[derive(Clone, Copy, Debug)]
struct KeySpan<K> {
    known: Option<K>,
    key: TextSpan,
    value: TextSpan,
}

/// A part of the text, in bytes. Half as large as a range of `usize`, and no record has 4 GiB: its
/// reader bounds it.
#[derive(Clone, Copy, Debug)]
struct TextSpan {
    start: u32,
    end: u32,
}

impl TextSpan {
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

impl<K> Default for KeyValues<K> {
    fn default() -> Self {
        Self { text: String::new(), read: 0, entries: Vec::new() }
    }
}

impl<K: KeyName> PartialEq for KeyValues<K> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: KeyName> Eq for KeyValues<K> {}

impl<K: KeyName> KeyValues<K> {
    /// Reads the lines. A last line without a newline is a torn write and does not count; neither
    /// does a line without `=`.
    pub fn parse(text: &str) -> Self {
        Self::of_text(text.to_owned())
    }

    /// As [`Self::parse`], of a text that is the caller's own.
    ///
    /// # Panics
    /// When the text has 4 GiB or more.
    pub fn of_text(mut text: String) -> Self {
        text.truncate(text.rfind('\n').unwrap_or(0));
        let end = text.len();
        let read = TextSpan::new(0, end).end;
        let mut content = Self { text, read, entries: Vec::with_capacity(24) };
        let mut start = 0;
        while let Some(rest) = content.text.as_bytes().get(start..end) {
            let line = rest.split(|&b| b == b'\n').next().unwrap_or(rest);
            let next = start + line.len() + 1;
            let length = line.iter().take_while(|&&b| is_in_key(b)).count();
            if length > 0 && line.get(length) == Some(&b'=') {
                let known = K::find(&line[..length]);
                let key = TextSpan::new(start, start + length);
                let value = TextSpan::new(start + length + 1, next - 1);
                let text = value.of(&content.text);
                let value = match text.contains('\\').then(|| unescape(text)) {
                    Some(value) => content.write(&value),
                    None => value,
                };
                content.entries.push(KeySpan { known, key, value });
            }
            start = next;
        }
        // All at once: to find the place of each would take the square of a hostile file's length.
        let text = content.text.as_bytes();
        let name = |entry: &KeySpan<K>| (entry.known, &text[entry.key.range()]);
        content.entries.sort_by(|a, b| order(name(a), name(b)));
        content.entries.dedup_by(|next, kept| {
            let is_same = order(name(next), name(kept)).is_eq();
            if is_same {
                *kept = *next;
            }
            is_same
        });
        // A look keeps the records of all jobs: each gets what it needs, and the room in which it
        // was read is there for the next.
        Self {
            text: content.text.as_str().to_owned(),
            read,
            entries: content.entries.as_slice().to_vec(),
        }
    }

    /// As [`Self::of_text`], of the last part of a file, whose lines nobody has counted.
    pub fn of_last_part(text: String) -> Self {
        Self { read: 0, ..Self::of_text(text) }
    }

    fn write(&mut self, text: &str) -> TextSpan {
        let start = self.text.len();
        self.text.push_str(text);
        TextSpan::new(start, self.text.len())
    }

    /// Finds where the entry of a known key is, or belongs.
    fn place(&self, key: K) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| match entry.known {
            Some(known) => known.cmp(&key),
            None => Ordering::Greater,
        })
    }

    /// The value of a key, when it has one.
    pub fn get(&self, key: K) -> Option<&str> {
        let entry = self.entries[self.place(key).ok()?];
        Some(entry.value.of(&self.text)).filter(|value| !value.is_empty())
    }

    /// The value of a known key, by its text.
    pub fn get_named(&self, key: &str) -> Option<&str> {
        self.get(K::find(key.as_bytes())?)
    }

    /// Tests for a value of a key.
    pub fn has(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key in a type of its own; absent when it does not parse, because what is
    /// recorded is never trusted more than what can be derived.
    pub fn parsed<T: FromStr>(&self, key: K) -> Option<T> {
        self.get(key)?.parse().ok()
    }

    /// A time.
    pub fn time(&self, key: K) -> Option<Timestamp> {
        self.parsed(key)
    }

    /// A number that counts something; 0 when absent.
    pub fn count(&self, key: K) -> u32 {
        self.parsed(key).unwrap_or(0)
    }

    /// A list, as [`RecordUpdate::set_list`] wrote it.
    pub fn list(&self, key: K) -> Vec<String> {
        self.get(key).map(split_list).unwrap_or_default()
    }

    /// Tests for an empty record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every key with its value, in the order of the keys' texts; those of other versions, too.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.entries.iter();
        let pairs = pairs.map(|entry| (self.key_text(entry), entry.value.of(&self.text)));
        let mut pairs: Vec<_> = pairs.filter(|(_, value)| !value.is_empty()).collect();
        pairs.sort_unstable();
        pairs.into_iter()
    }

    fn key_text(&self, entry: &KeySpan<K>) -> &str {
        match entry.known {
            Some(key) => key.text(),
            None => entry.key.of(&self.text),
        }
    }

    /// The known keys that have a value, in their order.
    pub(crate) fn known(&self) -> impl Iterator<Item = (K, &str)> {
        let pairs = self.entries.iter();
        let pairs = pairs.map_while(|entry| Some((entry.known?, entry.value.of(&self.text))));
        pairs.filter(|(_, value)| !value.is_empty())
    }

    /// The line that a key's value was read from, counted from 1; `None` when it was appended
    /// since.
    pub fn line(&self, key: K) -> Option<usize> {
        let start = self.entries[self.place(key).ok()?].key.start;
        let is_read = start < self.read;
        is_read.then(|| 1 + self.text[..start as usize].matches('\n').count())
    }

    /// Takes over what was appended.
    pub fn apply(&mut self, update: &RecordUpdate<K>) {
        for (key, value) in update.lines() {
            let value = self.write(value);
            let entry = KeySpan { known: Some(key), key: value, value };
            match self.place(key) {
                Ok(at) => self.entries[at] = entry,
                Err(at) => self.entries.insert(at, entry),
            }
        }
    }
}

/// Known keys come first, in their order; of the others, shorter ones.
fn order<K: KeyName>(a: (Option<K>, &[u8]), b: (Option<K>, &[u8])) -> Ordering {
    match (a.0, b.0) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => (a.1.len(), a.1).cmp(&(b.1.len(), b.1)),
    }
}

fn is_in_key(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordKey::{Attempts, EndedAt, LeftOut, Message, Result as Outcome};
    use proptest::prelude::*;

    #[test]
    fn the_last_value_wins() {
        let text =
            "attempts=1\nnew=1\nattempts=2\nmessage=x\nnew=2\nmessage=\nno line\nBad=1\n=1\n";
        let content = RecordContent::parse(text);
        assert_eq!(content.iter().collect::<Vec<_>>(), [("attempts", "2"), ("new", "2")]);
        assert_eq!((content.get(Message), content.get(Attempts)), (None, Some("2")));
    }

    #[test]
    fn contents_are_equal_by_value() {
        let one = RecordContent::parse("attempts=1\nnew=1\nattempts=2\n");
        let mut other = RecordContent::parse("new=1\nmessage=\n");
        assert!(one != other);
        other.apply(&RecordUpdate::new().set(Attempts, 2));
        assert!(one == other);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let mut content = RecordContent::parse("attempts=1\n\nmessage=a\\nb\nattempts=2\n");
        assert_eq!((content.line(Message), content.line(Attempts)), (Some(3), Some(4)));
        content.apply(&RecordUpdate::new().set(Attempts, 3).set(Outcome, "crash"));
        assert_eq!((content.line(Attempts), content.line(Outcome)), (None, None));
        assert_eq!(content.count(Attempts), 3);
        assert_eq!(RecordContent::default().line(Attempts), None);
        let mut content = RecordContent::parse("attempts=1\n");
        content.apply(&RecordUpdate::new().set(Attempts, 2));
        assert_eq!(content.line(Attempts), None);
    }

    #[test]
    fn empty_records_have_no_lines() {
        for (text, is_empty) in [("", true), ("torn=1", true), ("\nx\n", true), ("a=1\n", false)] {
            assert_eq!(RecordContent::parse(text).is_empty(), is_empty, "{text:?}");
        }
    }

    #[test]
    fn last_parts_have_no_line_numbers() {
        let content = RecordContent::of_last_part("ts=1\nattempts=2\nnew=3\n".to_owned());
        assert_eq!((content.count(Attempts), content.line(Attempts)), (2, None));
        assert_eq!((content.get_named("attempts"), content.get_named("new")), (Some("2"), None));
    }

    #[test]
    fn times_that_parse_are_times() {
        let time = |value: &str| RecordContent::parse(&format!("ended_at={value}\n")).time(EndedAt);
        assert_eq!(time("1970-01-01T00:00:07Z"), Timestamp::from_second(7).ok());
        assert_eq!((time("yesterday"), time("")), (None, None));
    }

    #[test]
    fn updates_forget_only_known_values() {
        let first = RecordUpdate::new().set(Attempts, 1).set(Message, "").clear(&[Message]);
        let mut content = RecordContent::parse(&first.to_new_file());
        let next = RecordUpdate::new().clear(&[Attempts, Message]).set(Message, 2);
        let needed = next.clear(&[Message]).needed_by(&content);
        assert_eq!(needed.to_text(), "attempts=\nmessage=2\nmessage=\n");
        content.apply(&needed);
        assert_eq!(content.iter().count(), 0);
    }

    proptest! {
        #[test]
        fn values_survive_the_file(value in "\\PC*|[\\n\\r\\\\=,a]*") {
            let text = RecordUpdate::new().set(Message, &value).to_text();
            let content = RecordContent::parse(&text);
            prop_assert_eq!(content.get(Message).unwrap_or(""), value);
        }

        #[test]
        fn lists_survive_a_value(items in proptest::collection::vec("[a-z,\\\\ ]{1,5}", 1..5)) {
            let text = RecordUpdate::new().set_list(LeftOut, &items).to_text();
            prop_assert_eq!(RecordContent::parse(&text).list(LeftOut), items);
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[\\x00-\\x20=a\\\\]*") {
            let _ = RecordContent::parse(&text);
        }
    }
}
