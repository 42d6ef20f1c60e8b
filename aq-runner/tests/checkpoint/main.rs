//! Checkpoints, with the real git program in temporary directories.

mod artifacts;
mod borrowing;
mod handover;
mod hostile;
mod in_place;
mod lab;
mod lfs;
mod linked;
mod merge;
mod own;
mod publish;
mod repositories;
mod save;
