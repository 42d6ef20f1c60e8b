//! Usage of a run: tokens, money, model.

mod counts;
mod left_behind;
mod report;
mod text;

pub use counts::Usage;
pub(super) use counts::{dollars, tokens, without};
pub use left_behind::LeftBehind;
pub use report::{Counted, SessionTotal, Settled, StreamUsage, UsageReport};
pub(super) use text::{estimate, generic_line};
