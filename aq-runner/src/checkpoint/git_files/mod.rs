//! Git's own files, read without a run of git where their format is a promise and they are as
//! nearly everywhere. Whatever is otherwise is for git to say; nothing is written here.

mod clear_moves;
mod index_file;
mod known_changes;
mod plain_repository;
mod untouched;

pub(super) use known_changes::{COUNTED_ALIKE, IndexChanges, KnownChanges};
pub(super) use plain_repository::{PlainRepository, is_plain_config};
pub(super) use untouched::is_untouched;
