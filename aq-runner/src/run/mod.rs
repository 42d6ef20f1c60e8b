//! What imports all other modules: the loop, the worker, recovery, and what this host is.

pub mod host;
