//! The keys of a job's record: for each its type, its unit, when it is forgotten and its meaning.

use crate::value::RecordValue;

/// The writer of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyGroup {
    /// The job file with its profile: written by `aq add`, or by a look after an edit.
    Definition,
    /// Attempts, and what people make of them.
    Run,
    /// The link of a fleet job to its coordinator.
    Fleet,
}

/// Lifetime of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLifetime {
    /// As long as the job.
    Job,
    /// Until the job starts afresh, or goes on in its session.
    Run,
    /// Until the job starts afresh: the session, and the ground that `setup` has made ready.
    Session,
    /// Until the job is this host's own.
    Lease,
    /// Until a person releases the job, or it starts afresh.
    Hold,
}

impl KeyLifetime {
    /// The verbs that forget a key, in Markdown; empty where none does.
    pub const fn forgotten_by(self) -> &'static str {
        match self {
            Self::Job => "",
            Self::Run => "`requeue`, `reply`",
            Self::Session | Self::Lease => "`requeue`",
            Self::Hold => "`requeue`, `release`",
        }
    }
}

/// Defines [`RecordKey`], and for each key the method of [`JobRow`] that reads it.
macro_rules! record_keys {
    ($($(#[doc = $meaning:literal])* $key:ident $variant:ident: $type:ty, $unit:literal,
        $group:ident, $lifetime:ident;)*) => {
        /// A key of a job's record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RecordKey { $($(#[doc = $meaning])* $variant,)* }

        const TEXTS: [&str; [$(RecordKey::$variant),*].len()] = [$(stringify!($key)),*];
        static BY_LENGTH: LengthIndex<{ TEXTS.len() }> = LengthIndex::new(&TEXTS);

        impl RecordKey {
            /// Every key, in the order of the table.
            pub const ALL: [Self; TEXTS.len()] = [$(Self::$variant),*];

            /// Its writer.
            pub const fn group(self) -> KeyGroup {
                match self { $(Self::$variant => KeyGroup::$group,)* }
            }

            /// Its lifetime.
            pub const fn lifetime(self) -> KeyLifetime {
                match self { $(Self::$variant => KeyLifetime::$lifetime,)* }
            }

            /// Its type for people.
            pub const fn type_name(self) -> &'static str {
                JobRow::type_name(self)
            }

            /// Its unit; empty where the type says all.
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)* }
            }

            /// Its meaning, in Markdown.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),*).trim(),)* }
            }

            /// The type that belongs in the place of a value that does not parse.
            pub(crate) fn misfit<'a>(self, value: &'a str) -> Option<&'static str> {
                match self { $(Self::$variant => misfit::<$type>(value),)* }
            }
        }

        impl<'a> JobRow<'a> {
            /// The type of a key for people.
            pub(crate) const fn type_name(key: RecordKey) -> &'static str {
                match key { $(RecordKey::$variant => <$type as RecordValue<'a>>::NAME,)* }
            }

            $(
                $(#[doc = $meaning])*
                pub fn $key(self) -> Option<$type> {
                    RecordValue::read(self.content.get(RecordKey::$variant)?)
                }
            )*
        }
    };
}

pub(crate) use record_keys;

pub(crate) fn misfit<'a, T: RecordValue<'a>>(value: &'a str) -> Option<&'static str> {
    // To read a text only copies it.
    let expected = T::EXPECTED?;
    T::read(value).is_none().then_some(expected)
}
