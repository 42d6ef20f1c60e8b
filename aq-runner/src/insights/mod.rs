//! Numbers of jobs that ran: what each took, and what engines and profiles come to. Numbers only:
//! no prompt, no text of an agent.

mod day;
mod group;
mod numbers;

pub use day::{Day, days};
pub use group::{Group, Insights, Spread, insights};
pub use numbers::Numbers;
