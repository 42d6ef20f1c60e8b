//! Tests of the `aq` binary from outside: what a user, a script, or a bad day does to it.

mod chaos;
mod processes;
mod sandbox;
