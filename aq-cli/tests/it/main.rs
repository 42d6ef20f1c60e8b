//! Tests of the `aq` binary from outside: what a user, a script, or a bad day does to it.

mod architecture;
mod branches;
mod chaos;
mod crash_states;
mod documents;
mod effects;
mod exits;
mod hostile;
mod kill_points;
mod limits;
mod model_server;
mod pages;
mod processes;
mod races;
mod real_engines;
mod sandbox;
mod shapes;
mod terminal;
mod told;
mod words;
