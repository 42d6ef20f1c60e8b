//! Usage of a run: tokens, money, model.

mod counts;
mod left_behind;
mod report;
mod text;

pub use counts::RunTokens;
pub(super) use counts::{dollars, tokens, without};
pub use left_behind::LeftBehind;
pub use report::{SessionTotal, SettledUsage, StreamUsage, UsageCounting, UsageReport};
pub(super) use text::{estimate, generic_line};
