//! Coding agents as data and one adapter each.
//!
//! Plain values in, plain values out: a job's fields go in, a command line, an environment and files
//! to write come out; what the program prints goes in, a verdict comes out. Nothing here starts a
//! process or writes a file. No engine's name is written outside its own file and the list in
//! `builtin`.

mod binary;
mod builtin;
mod candidates;
mod command;
mod config;
mod definition;
mod events;
mod lines;
mod reason;
mod records;
mod registry;
mod script;
mod session;
mod template;
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
pub use command::{CommandError, EngineCommand, Invocation, PROMPT_FILE, ScratchFile};
pub use config::{EngineChange, EngineConfig, EngineConfigError};
pub use definition::PromptBy;
pub use events::Final;
pub use records::Records;
pub use registry::{EngineInfo, Registry};
pub use verdict::{EndedBy, Exit, Verdict};
