//! Numbers of jobs that ran: what each took, and what engines and profiles come to. Numbers only:
//! no prompt, no text of an agent.

mod group;
mod numbers;

pub use group::{Group, Insights, insights};
pub use numbers::Numbers;
