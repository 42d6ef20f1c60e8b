//! The scheduler from outside: tables of small cases, and a state machine against a naive model.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cases;
mod lab;
mod machine;
mod model;
