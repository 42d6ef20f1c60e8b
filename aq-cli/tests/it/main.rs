//! Tests of the `aq` binary from outside: what a user, a script, or a bad day does to it.

mod agents;
mod architecture;
mod branches;
mod chaos;
mod coordinator;
mod crash_states;
mod dice;
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
mod repository;
mod sandbox;
mod shapes;
mod terminal;
mod told;
mod vendor;
mod words;
mod work_survives;
