//! What goes on between this host and others: plain values in, files of its own. It knows no queue,
//! process or engine.

pub(crate) mod tracker;
