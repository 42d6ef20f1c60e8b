//! Commands under a supervisor, each test with a supervisor process of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod detached;
mod ends;
mod probe_run;
mod program;
mod recovery;
mod secrets;
mod survivors;
