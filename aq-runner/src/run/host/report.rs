//! Results of a detection: the tokens, where each came from, and what went wrong.

use std::fmt;
use std::path::PathBuf;

use aq_caps::{Capabilities, CapabilityToken, CapabilityTokenError};

use crate::engine::MissingBinary;

use super::probe::ProbeError;

/// What was found out about this host.
#[derive(Debug)]
pub struct HostReport {
    /// What requirements are matched against.
    pub capabilities: Capabilities,
    /// Each token once, sorted, with the first place that gave it.
    pub tokens: Vec<AdvertisedToken>,
    /// Tools that are not on `PATH`. They were asked for, so this is no problem.
    pub absent: Vec<String>,
    /// Tools that are there and were not asked, because none was to be started.
    pub unasked: Vec<String>,
    /// What went wrong. None of it keeps the other tokens from being advertised.
    pub problems: Vec<HostProblem>,
}

/// A token and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedToken {
    /// What is advertised.
    pub token: CapabilityToken,
    /// Who says so.
    pub source: TokenOrigin,
}

/// Who says that the host has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The operating system.
    System,
    /// The engines that are installed.
    Engines,
    /// A tool that was asked for its version.
    Probe {
        /// The file that was run.
        file: PathBuf,
        /// The answer is from an earlier run.
        cached: bool,
    },
    /// `AQ_CAPS`.
    Environment,
    /// The config's own tokens.
    Config,
}

impl fmt::Display for TokenOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Engines => f.write_str("engines"),
            Self::Probe { file, cached: false } => write!(f, "{}", file.display()),
            Self::Probe { file, cached: true } => write!(f, "{} (cached)", file.display()),
            Self::Environment => f.write_str("AQ_CAPS"),
            Self::Config => f.write_str("config"),
        }
    }
}

impl HostProblem {
    /// Its code, one word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadToken { .. } => "bad_token",
            Self::Probe { .. } => "probe_failed",
            Self::NoVersion { .. } => "no_version",
            Self::OtherProgram(missing) => missing.code(),
            Self::Cache { .. } => "cache_not_kept",
        }
    }
}

/// Why something is not advertised, or not cached.
#[derive(Debug, thiserror::Error)]
pub enum HostProblem {
    /// A word in `AQ_CAPS` or config, or a name of a tool or engine, makes no token.
    #[error("{source_name}: `{text}` at byte {} is not a capability: {error}", .at + .error.at)]
    BadToken {
        /// Its stage.
        source_name: String,
        /// The word.
        text: String,
        /// Where the word starts in the value of `AQ_CAPS` or in the item, in bytes.
        at: usize,
        /// What is wrong with it.
        error: CapabilityTokenError,
    },
    /// A tool is there and gave no answer. It is advertised only where the cache has an answer of
    /// the same file and the failure may pass.
    #[error("{tool}: asked `{}` for its version, but {error}; mend the tool, or give another \
             command for it in config", file.display())]
    Probe {
        /// Its name.
        tool: String,
        /// The file that was run.
        file: PathBuf,
        /// What happened.
        error: ProbeError,
    },
    /// A tool ran well and named no version. Only `has:` is advertised.
    #[error("{tool}: `{}` printed nothing that looks like a version, so only `has:{tool}` is \
             advertised; give a command that prints one in config", file.display())]
    NoVersion {
        /// Its name.
        tool: String,
        /// The file that was run.
        file: PathBuf,
    },
    /// A program on `PATH` has the name of an engine and is another one.
    #[error(transparent)]
    OtherProgram(MissingBinary),
    /// The cache could not be written, so the next start probes again.
    #[error(
        "cannot keep what was detected in {}: {error}; make the directory writable",
        dir.display()
    )]
    Cache {
        /// Its directory.
        dir: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}
