//! The words that a person types to see fewer jobs.

use aq_ledger::RecordKey;
use aq_runner::run::JobView;

use super::card::remark;

/// Words, all of which a job has to have. `engine:codex` looks in one place only.
#[derive(Debug)]
pub(super) struct BoardFilter {
    words: Vec<FilterWord>,
}

#[derive(Debug)]
struct FilterWord {
    /// Where to look; `None`: everywhere.
    place: Option<&'static str>,
    /// In lower case.
    text: String,
}

/// Where one can look, and what it is called in the record.
const PLACES: [(&str, &[RecordKey]); 4] = [
    ("priority", &[RecordKey::Priority]),
    ("profile", &[RecordKey::Profile]),
    ("engine", &[RecordKey::Engine, RecordKey::EngineWanted]),
    ("item", &[RecordKey::TrackerItem]),
];

/// The places of everything that a card shows, beside its own name and remark.
const SHOWN: [RecordKey; 5] = [
    RecordKey::Priority,
    RecordKey::Profile,
    RecordKey::Engine,
    RecordKey::EngineWanted,
    RecordKey::TrackerItem,
];

/// More words than this say nothing more.
const MOST: usize = 16;

impl BoardFilter {
    pub(super) fn new(text: &str) -> Self {
        let words = text.split_whitespace().take(MOST).map(|word| {
            let named = word.split_once(':').and_then(|(place, text)| {
                let (place, _) = PLACES.iter().find(|(name, _)| *name == place)?;
                Some((*place, text))
            });
            match named {
                Some((place, text)) => FilterWord { place: Some(place), text: text.to_lowercase() },
                None => FilterWord { place: None, text: word.to_lowercase() },
            }
        });
        Self { words: words.collect() }
    }

    /// Tests for a job that has all words.
    pub(super) fn lets(&self, job: &JobView) -> bool {
        self.words.iter().all(|word| word.is_in(job))
    }
}

impl FilterWord {
    fn is_in(&self, job: &JobView) -> bool {
        let meta = &job.record.meta;
        let has = |key: RecordKey| {
            meta.get(key).is_some_and(|value| value.to_lowercase().contains(&self.text))
        };
        match self.place {
            Some(place) => {
                PLACES.iter().any(|(name, keys)| *name == place && keys.iter().any(|&key| has(key)))
            }
            None => {
                job.record.id.as_str().to_lowercase().contains(&self.text)
                    || SHOWN.iter().any(|&key| has(key))
                    || remark(job).1.to_lowercase().contains(&self.text)
            }
        }
    }
}
