//! The lease protocol as a model: the real rules, with all that a network, hosts and coordinators
//! can do around them. Every reachable state is visited.

mod checks;
mod fleet;
mod outages;
mod state;
