//! What an agent did, step by step, out of the records that it printed: for people to read.

mod acp;
mod claude;
mod codex;
mod reader;
mod step;

pub(super) use acp::acp_steps;
pub(super) use claude::claude_steps;
pub(super) use codex::codex_steps;
pub use reader::Steps;
pub use step::{Call, Clip, Ended, Step};
