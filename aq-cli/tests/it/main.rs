//! Tests of the `aq` binary from outside: what a user, a script, or a bad day does to it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acp;
mod agents;
mod architecture;
mod boxes;
mod branches;
mod building_on;
mod call_counts;
mod chaos;
mod checker;
mod coordinator;
mod crash_states;
#[cfg(feature = "dashboard")]
mod dashboard;
mod dice;
mod doctor;
mod documents;
mod effects;
mod engine_facts;
mod environment;
mod escapes;
mod exits;
mod fail_points;
mod fake_forge;
mod fake_tracker;
mod feedback;
mod fleet;
mod git_runs;
mod held_up;
mod host_faults;
mod hostile;
mod injection;
mod kill_points;
mod language;
#[cfg(not(all(
    feature = "coordinator",
    feature = "dashboard",
    feature = "fleet",
    feature = "trackers"
)))]
mod left_out;
mod limits;
mod manners;
mod merge_trains;
mod merging;
mod model_server;
mod moved_folders;
mod pages;
mod places;
mod power_cut;
mod processes;
mod pull_requests;
mod races;
mod real_engines;
mod real_tools;
mod record_keys;
mod repository;
mod sandbox;
mod sentences;
mod service;
mod shadow;
mod shapes;
mod shown;
mod soak;
mod spawned;
mod terminal;
mod tmpdir;
mod tokens;
mod told;
mod trackers;
mod unprivileged;
mod upgrade;
mod vendor;
mod words;
mod work_survives;
mod wrong_use;
