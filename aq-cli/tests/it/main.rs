//! Tests of the `aq` binary from outside: what a user, a script, or a bad day does to it.

mod architecture;
mod branches;
mod chaos;
mod crash_states;
mod documents;
mod effects;
mod exits;
mod fake_tracker;
mod hostile;
mod kill_points;
mod pages;
mod processes;
mod races;
mod sandbox;
mod shapes;
mod terminal;
mod told;
mod trackers;
mod words;
