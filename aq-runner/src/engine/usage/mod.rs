//! What a run used: tokens, money, model.

mod counts;
mod files;
mod report;
mod text;

pub use counts::Usage;
pub(super) use counts::{dollars, tokens, without};
pub use files::LeftBehind;
pub(super) use files::{claude_session, claude_usage, codex_rollout, codex_usage, usage_file};
pub use report::{Counted, SessionTotal, Settled, StreamUsage, UsageReport};
pub(super) use text::{estimate, generic_line};
