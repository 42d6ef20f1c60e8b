//! The queue on disk: folders, job files, records, locks. It knows no process and no engine.

mod add;
mod artifacts;
mod clean;
mod duplicates;
mod durable;
mod error;
mod feedback_file;
mod ingest;
mod job_file;
mod keys;
mod locks;
mod log_piece;
mod marker;
mod meta;
mod moves;
mod queue_dir;
mod record;
mod record_fault;
mod record_reader;
mod scratch;
mod spent;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod transition;
mod values;
mod waiting_order;

pub use add::{
    AddContext, AddError, AddObserver, AddReport, AddWarning, AddWarningKind, DraftResult,
    JobDraft, ParentJob, add, change,
};
pub use artifacts::{KeptArtifact, artifacts, open_artifact};
pub(crate) use clean::{CleanChoice, archived, clean, clean_again};
pub use clean::{CleanReport, archived_log, withdraw};
pub use duplicates::DuplicateOutcome;
pub(crate) use duplicates::doubled;
pub(crate) use durable::{not_opened, replace, replace_durably, sync_file_system};
pub use error::{Result, StoreError};
pub use feedback_file::{FeedbackFile, FeedbackState, JobFeedback};
pub use ingest::{IngestResult, ingest, refuse, rename_if_taken};
pub use job_file::{
    InvalidJobFile, JobFile, ProfileError, load, load_profile, profile_names, resolve_cwd,
};
pub use keys::{KeyHolder, holder};
pub use locks::{FileLock, LoopKey};
pub use log_piece::{LogPiece, log_file, log_from, log_until};
pub use marker::{RepositoryMarker, below};
pub use meta::{MetaFile, append_note, read_values};
pub(crate) use moves::{RecordedMove, additions, moves};
pub use queue_dir::{QueueDir, job_of};
pub use record::JobRecord;
pub use record_fault::RecordFault;
pub(crate) use record_fault::record_fault;
pub(crate) use record_reader::RecordReader;
pub use scratch::ScratchPlaces;
pub(crate) use scratch::{
    NoPlace, ScratchDir, remove_old_spares, remove_scratch, scratch_dirs, write_private,
};
pub use spent::{SpentLine, spent, spent_of_last};
pub(crate) use text::read_saved;
pub use text::{MAX_JOB_FILE, UnreadableJob, read_text};
pub use transition::HeldJob;
pub use values::{EffectiveValue, EffectiveValues, effective_values};
pub use waiting_order::jobs_starting_with;
pub(crate) use waiting_order::{OrderSpan, QueueStamp, WaitingOrder, outdate_order};
