//! Numbers of jobs that ran: what each took, and what engines and profiles come to. Numbers only:
//! no prompt, no text of an agent.

mod day;
mod group;
mod numbers;

pub use day::{InsightsDay, days};
pub use group::{InsightsGroup, QueueInsights, TimeSpread, insights};
pub use numbers::JobNumbers;
