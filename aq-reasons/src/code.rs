//! The codes of reasons: what a program compares.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $code:ident = $text:literal,)+) => {
        /// The code of a reason. Codes stay: a reason that means something else gets another one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum WaitCode {
            $($(#[doc = $doc])+ $code,)+
        }

        impl WaitCode {
            /// Every code of this version.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// Its word, on the wire and in `--json`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $text,)+
                }
            }
        }
    };
}

codes! {
    /// A person holds the job.
    Held = "held",
    /// The host lacks capabilities.
    Needs = "needs",
    /// None of the job's engines is installed.
    NoEngine = "no_engine",
    /// Deps are not satisfied.
    WaitingOn = "waiting_on",
    /// A pause after a failure.
    Backoff = "backoff",
    /// The work of the job's deps does not go together.
    DepsConflict = "deps_conflict",
    /// The work of a dep is on another host.
    DepElsewhere = "dep_elsewhere",
    /// Another job works in the repository's own checkout.
    RepositoryInUse = "repository_in_use",
    /// Another job has the lock.
    LockHeld = "lock_held",
    /// Another job gets the lock first.
    Behind = "behind",
    /// An engine's limit was met.
    EngineCooling = "engine_cooling",
    /// An engine takes no further job at the moment.
    EngineLimited = "engine_limited",
    /// A person has to mend an engine.
    EngineOut = "engine_out",
    /// The host lacks something for a while.
    HostLacks = "host_lacks",
    /// Too many jobs wait in review.
    ReviewFull = "review_full",
    /// The host has no free slot.
    NoSlot = "no_slot",
    /// The queue is not trusted.
    Untrusted = "untrusted",
    /// No host of the fleet that fits has a free slot.
    NoFreeHost = "no_free_host",
    /// No host of the fleet that fits asks for a job now.
    NoHost = "no_host",
    /// Finished work has its place in the merge train of its target.
    Train = "train",
    /// The merge of finished work needs a person.
    TrainWaits = "train_waits",
    /// Finished work does not go without that of a job that is not shipped.
    DepUnmerged = "dep_unmerged",
    /// The job waits for itself.
    DepsCycle = "deps_cycle",
    /// A restored database does not know whether the job has ended.
    InDoubt = "in_doubt",
}

impl WaitCode {
    /// The code of a word; `None` for one that this version does not know.
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}
