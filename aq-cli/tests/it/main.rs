//! Tests of the `aq` binary from outside: what a user, a script, or a bad day does to it.

mod agents;
mod architecture;
mod branches;
mod chaos;
mod coordinator;
mod crash_states;
#[cfg(feature = "dashboard")]
mod dashboard;
mod dice;
mod documents;
mod effects;
mod exits;
mod fail_points;
mod fake_tracker;
mod fleet;
mod hostile;
mod injection;
mod kill_points;
mod limits;
mod model_server;
mod pages;
mod power_cut;
mod processes;
mod races;
mod real_engines;
mod repository;
mod sandbox;
mod shadow;
mod shapes;
mod soak;
mod terminal;
mod told;
mod trackers;
mod vendor;
mod words;
mod work_survives;
