//! Checkpoints, with the real git program in temporary directories.

mod artifacts;
mod handover;
mod hostile;
mod in_place;
mod lab;
mod merge;
mod repositories;
mod save;
mod worktree;
