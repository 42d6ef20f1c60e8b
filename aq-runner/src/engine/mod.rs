//! Coding agents as data.
//!
//! Plain values in, plain values out: a job's fields go in, a command line, an environment and
//! files to write come out; what the program prints goes in, a verdict comes out. Nothing here
//! starts a process or writes a file; the files of usage that an engine left are read in
//! `description`. Each built-in engine is a file in `builtin/`, in the language of config.yaml; its
//! name is written nowhere else but in the order of `builtin.rs`.

mod binary;
mod builtin;
mod candidates;
mod command;
mod config;
mod cooldowns;
mod definition;
mod description;
mod fault;
mod format;
mod identity;
mod lines;
mod login;
mod output_choice;
mod pitfalls;
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
mod windows;

#[cfg(test)]
mod testing;

pub use binary::MissingBinary;
pub use candidates::{NoCandidates, NoSuchClass, NoSuchEngine};
pub(crate) use command::FEEDBACK_VARIABLE;
pub use command::{
    AcpTalk, CommandError, EngineCommand, EngineInvocation, PROMPT_FILE, ScratchFile,
};
pub use config::{EngineChange, EngineConfig, EngineConfigError};
pub use cooldowns::{EngineAccount, EngineCooldowns, EngineUse};
pub use definition::{EngineProtocol, PromptBy};
pub use fault::{EngineError, ErrorClass, reset_in_record, reset_time};
pub use identity::{ProgramStamp, VersionAnswer, VersionCheck, VersionQuestion};
pub use login::{LoginFacts, LoginPlaces};
pub use output_choice::OutputChoice;
pub use pitfalls::{EnginePitfall, SettingsPlace};
pub use records::EventReader;
pub use registry::{EngineInfo, EngineRegistry};
pub use resume::next_session;
pub use seen::{FinalEvent, RunPhase};
pub use steps::{AgentStep, RunEnd, StepLog, TextClip, ToolCall};
pub use usage::{
    LeftBehind, RunTokens, SessionTotal, SettledUsage, StreamUsage, UsageCounting, UsageReport,
};
pub use verdict::{EndedBy, ProcessExit, RunVerdict};
pub use windows::{SeenWindows, UsageWindow};
