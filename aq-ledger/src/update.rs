//! Updates that are appended to a record.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::content::KeyValues;
use crate::escape::{escape, join_list};
use crate::key_name::KeyName;
use crate::table::RecordKey;

/// Lines to append together, in one write.
#[derive(Clone, Debug)]
pub struct RecordUpdate<K = RecordKey> {
    lines: Vec<(K, String)>,
}

impl<K> Default for RecordUpdate<K> {
    fn default() -> Self {
        Self { lines: Vec::new() }
    }
}

impl<K: KeyName> RecordUpdate<K> {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more line.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have, owned or not")]
    pub fn set(mut self, key: K, value: impl ToString) -> Self {
        self.lines.push((key, value.to_string()));
        self
    }

    /// One more line when there is a value.
    #[must_use]
    pub fn set_some(self, key: K, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// One more line with a list of items, for [`KeyValues::list`].
    #[must_use]
    pub fn set_list<T: ToString>(self, key: K, items: &[T]) -> Self {
        self.set(key, join_list(items))
    }

    /// Forgets earlier values of these keys.
    #[must_use]
    pub fn clear(mut self, keys: &[K]) -> Self {
        self.lines.extend(keys.iter().map(|&key| (key, String::new())));
        self
    }

    /// These lines, then those.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        self
    }

    /// Its lines, in order; an empty value forgets an earlier one.
    pub fn lines(&self) -> impl Iterator<Item = (K, &str)> {
        self.lines.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// These lines less those that forget what is not known anyway.
    #[must_use]
    pub fn needed_by(&self, content: &KeyValues<K>) -> Self {
        let mut known: BTreeMap<K, bool> = BTreeMap::new();
        let mut lines = Vec::with_capacity(self.lines.len());
        for (key, value) in &self.lines {
            let is_known = known.entry(*key).or_insert_with(|| content.get(*key).is_some());
            if *is_known || !value.is_empty() {
                lines.push((*key, value.clone()));
            }
            *is_known = !value.is_empty();
        }
        Self { lines }
    }

    /// The content of a new file with these lines.
    pub fn to_new_file(&self) -> String {
        self.needed_by(&KeyValues::default()).to_text()
    }

    /// The lines as they go to disk.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.lines {
            out.push_str(key.text());
            out.push('=');
            out.push_str(&escape(value));
            out.push('\n');
        }
        out
    }
}
