//! The definition of one engine.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::identity::VersionCheck;
use super::login::LoginFacts;
use super::output_choice::OutputChoice;

/// The way in which an engine is given its prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptBy {
    /// On standard input, which is then closed.
    #[default]
    Stdin,
    /// As the word that holds `{prompt}`, or as the last one. Visible in `ps`, and at most
    /// 131,071 bytes (Linux, `MAX_ARG_STRLEN`).
    Argument,
    /// In a file that `{prompt_file}` names.
    File,
    /// As a script file that `{prompt_file}` names. Its `#!` line, when it has one, names the
    /// program instead of the engine's own.
    Script,
}

/// A protocol in which aq talks with an engine, in place of giving it a prompt and reading lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineProtocol {
    /// The Agent Client Protocol, version 1, over standard input and output.
    Acp,
}

/// One engine, built in or from config: the same fields that config can set.
#[derive(Clone, Debug)]
pub(super) struct EngineDefinition {
    /// A path, or a name to find on PATH.
    pub(super) program: String,
    /// Where `program` comes from config, and not from a built-in engine or the engine's name.
    pub(super) program_from_config: bool,
    pub(super) argv: Vec<String>,
    /// Spoken over an adapter of aq's own, which prints `output`.
    pub(super) protocol: Option<EngineProtocol>,
    pub(super) prompt: PromptBy,
    pub(super) yolo_args: Vec<String>,
    pub(super) safe_args: Vec<String>,
    /// Modes of a protocol's session, with and without `yolo`.
    pub(super) yolo_mode: Option<String>,
    pub(super) safe_mode: Option<String>,
    pub(super) model_args: Vec<String>,
    pub(super) resume_args: Vec<String>,
    pub(super) session_args: Vec<String>,
    pub(super) output: OutputChoice,
    pub(super) class: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    /// Set where neither the user's environment nor the job has another value.
    pub(super) default_env: BTreeMap<String, String>,
    /// Set in addition when root runs the engine with its permission checks off.
    pub(super) root_yolo_env: BTreeMap<String, String>,
    /// The variables that the engine sets for its own children, or that make it wait for hours: no
    /// program of a job inherits them.
    pub(super) child_env: Vec<String>,
    /// The variables that choose the account it works with.
    pub(super) account_env: Vec<String>,
    /// The places of its login, where they are known.
    pub(super) login: Option<LoginFacts>,
    /// The question by which a program on PATH shows that it is this engine; `None`: any is.
    pub(super) version: Option<VersionCheck>,
    /// The versions that aq was tried with.
    pub(super) tried: Vec<String>,
}

impl EngineDefinition {
    /// An engine that reads its prompt on standard input and is judged by its exit code.
    pub(super) fn named(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            program_from_config: false,
            argv: Vec::new(),
            protocol: None,
            prompt: PromptBy::Stdin,
            yolo_args: Vec::new(),
            safe_args: Vec::new(),
            yolo_mode: None,
            safe_mode: None,
            model_args: Vec::new(),
            resume_args: Vec::new(),
            session_args: Vec::new(),
            output: OutputChoice::default(),
            class: Vec::new(),
            env: BTreeMap::new(),
            default_env: BTreeMap::new(),
            root_yolo_env: BTreeMap::new(),
            child_env: Vec::new(),
            account_env: Vec::new(),
            login: None,
            version: None,
            tried: Vec::new(),
        }
    }
}
