//! Work on directory trees that somebody else has filled: an agent, a build, a tool that makes its
//! cache read-only. It knows no queue and no job; every other room may use it.

mod node;
mod remaining;
mod remove;

pub(crate) use remove::remove_tree;
