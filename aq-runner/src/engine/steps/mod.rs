//! The steps of an agent, out of the records that it printed: for people to read.

mod acp;
mod claude;
mod codex;
mod reader;
mod step;

pub use reader::StepLog;
pub(super) use reader::StepsFormat;
pub use step::{AgentStep, RunEnd, TextClip, ToolCall};
