//! A fleet of real processes: coordinators, hosts with queues of their own, and what can happen to
//! them.

mod basics;
mod chaos;
mod clock;
#[path = "../../../../aq-coordinator/tests/it/cluster.rs"]
#[expect(dead_code, reason = "the coordinator's own tests use all of it")]
mod cluster;
mod distant_deps;
mod earlier;
mod ends;
mod fences;
mod handover;
mod lab;
mod offline;
mod operator;
mod outages;
#[cfg(feature = "dashboard")]
mod page;
mod partition;
mod proxy;
mod reasons;
mod target_kills;
mod targets;
mod tls;
mod tokens;
