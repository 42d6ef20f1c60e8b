//! Checkpoints, with the real git program in temporary directories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod artifacts;
mod borrowing;
mod changes;
mod deps;
mod handover;
mod hostile;
mod in_place;
mod lab;
mod landing;
mod lending;
mod lfs;
mod linked;
mod merge;
mod merged_work;
mod own;
mod publish;
mod rebase;
mod repositories;
mod save;
mod train;
