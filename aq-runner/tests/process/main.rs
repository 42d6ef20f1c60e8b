//! Commands under a supervisor, each test with a supervisor process of its own.

mod detached;
mod ends;
mod probe_run;
mod program;
mod recovery;
mod secrets;
mod survivors;
