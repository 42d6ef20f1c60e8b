//! Coding agents as data and one adapter each.
//!
//! Plain values in, plain values out: a job's fields go in, a command line, an environment and files
//! to write come out; what the program prints goes in, a verdict comes out. Nothing here starts a
//! process or writes a file; what an engine left on disk about its usage is read in `usage`. No engine's name is written outside its own file and the list in
//! `builtin`.

mod acp;
mod binary;
mod builtin;
mod candidates;
mod command;
mod config;
mod cooldowns;
mod definition;
mod fault;
mod format;
mod lines;
mod login;
mod reason;
mod records;
mod registry;
mod resume;
mod script;
mod seen;
mod session;
mod steps;
mod tail;
mod template;
mod usage;
mod verdict;

mod claude;
mod codex;
mod copilot;
mod devin;
mod gemini;
mod opencode;
mod shell;

#[cfg(test)]
mod testing;

pub use binary::MissingBinary;
pub use candidates::{NoCandidates, NoSuchClass, NoSuchEngine};
pub(crate) use command::FEEDBACK_VARIABLE;
pub use command::{AcpTalk, CommandError, EngineCommand, Invocation, PROMPT_FILE, ScratchFile};
pub use config::{EngineChange, EngineConfig, EngineConfigError};
pub use cooldowns::{Account, Cooldowns, EngineUse};
pub use definition::{PromptBy, Protocol};
pub use fault::{EngineError, ErrorClass, reset_in_record, reset_time};
pub use login::LoginPlaces;
pub use records::Records;
pub use registry::{EngineInfo, Registry};
pub use resume::next_session;
pub use seen::Final;
pub use steps::{Call, Clip, Ended, Step, Steps};
pub use usage::{Counted, LeftBehind, SessionTotal, Settled, StreamUsage, Usage, UsageReport};
pub use verdict::{EndedBy, Exit, Verdict};
