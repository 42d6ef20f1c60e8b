//! Puts together what this host advertises, and where each token came from.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use aq_caps::CapabilityToken;
use aq_sandbox::{BoxLevel, KernelFeatures};
use jiff::Timestamp;

use crate::engine::ProgramStamp;

use super::cache::{self, Answer, ProbedTool};
use super::probe::{ProbeError, ProbeOutput, run_all};
use super::report::{AdvertisedToken, HostProblem, HostReport, TokenOrigin};
use super::system;
use super::tools::{ProbedProgram, find_version, locate};

/// What to look for and where. The caller reads the environment and the config.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The value of `PATH`: where tools are looked up, and what probes get.
    pub path: OsString,
    /// The tools to ask, see [`ProbedProgram::with_defaults`].
    pub tools: Vec<ProbedProgram>,
    /// Names of the engines that are installed.
    pub engines: Vec<String>,
    /// The value of `AQ_CAPS`: tokens, separated by commas or white space.
    pub aq_caps: String,
    /// The walls that the kernel gives for sandboxes; `None`: nobody has asked.
    pub sandbox: Option<KernelFeatures>,
    /// Tokens that config adds; each item may hold several, as in `AQ_CAPS`.
    pub extra: Vec<String>,
    /// The directory of the cache; it is made when it is not there. `None`: no cache.
    pub cache_dir: Option<PathBuf>,
    /// Which answers of tools count.
    pub probing: ProbePolicy,
    /// How long one probe may take.
    pub time_limit: Duration,
}

/// Choice of the tools that are started to be asked for their versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbePolicy {
    /// None is: of an old answer and no answer, the old one is the better.
    CachedOnly,
    /// Those whose answer is not cached, or too old.
    AsNeeded,
    /// All are, whatever the cache says.
    Refresh,
}

impl Default for HostConfig {
    /// The built-in tools, two seconds each, an empty `PATH` and no cache.
    fn default() -> Self {
        Self {
            path: OsString::new(),
            tools: ProbedProgram::with_defaults(Vec::new()),
            engines: Vec::new(),
            aq_caps: String::new(),
            sandbox: None,
            extra: Vec::new(),
            cache_dir: None,
            probing: ProbePolicy::AsNeeded,
            time_limit: Duration::from_secs(2),
        }
    }
}

/// Finds out what this host has. Takes no longer than the time limit of one probe and half a
/// second, and no process is started for what is cached or not there.
pub fn detect(config: &HostConfig) -> HostReport {
    let mut found = DetectedTools::default();
    for text in system::tokens() {
        found.add(&text, 0, &TokenOrigin::System, "system");
    }
    for mode in config.sandbox.as_ref().map(sandbox_modes).unwrap_or_default() {
        found.add(&format!("sandbox:{mode}"), 0, &TokenOrigin::System, "system");
    }
    for engine in &config.engines {
        found.add(&format!("engine:{engine}"), 0, &TokenOrigin::Engines, "engines");
    }
    found.probe(config);
    found.add_words(&config.aq_caps, &TokenOrigin::Environment, "AQ_CAPS");
    for item in &config.extra {
        found.add_words(item, &TokenOrigin::Config, "config");
    }
    found.finish()
}

/// The modes of sandboxes that hold as a whole.
fn sandbox_modes(features: &KernelFeatures) -> Vec<&'static str> {
    match (features.level(), &features.network) {
        (BoxLevel::Full, None) => vec!["workspace", "strict"],
        (BoxLevel::Full, Some(_)) => vec!["workspace"],
        _ => Vec::new(),
    }
}

#[derive(Default)]
struct DetectedTools {
    tokens: Vec<AdvertisedToken>,
    absent: Vec<String>,
    unasked: Vec<String>,
    problems: Vec<HostProblem>,
}

/// A tool that is there.
struct PresentTool<'a> {
    tool: &'a ProbedProgram,
    file: PathBuf,
    stamp: ProgramStamp,
}

impl DetectedTools {
    /// Adds the token that `text` is. `at` is its place in what `source_name` holds.
    fn add(&mut self, text: &str, at: usize, source: &TokenOrigin, source_name: &str) {
        match text.parse() {
            Ok(token) => self.tokens.push(AdvertisedToken { token, source: source.clone() }),
            Err(error) => self.problems.push(HostProblem::BadToken {
                source_name: source_name.to_owned(),
                text: text.to_owned(),
                at,
                error,
            }),
        }
    }

    fn add_words(&mut self, list: &str, source: &TokenOrigin, source_name: &str) {
        let mut at = 0;
        for piece in list.split_inclusive(|c: char| c == ',' || c.is_whitespace()) {
            let word = piece.trim_end_matches(|c: char| c == ',' || c.is_whitespace());
            if !word.is_empty() {
                self.add(word, at, source, source_name);
            }
            at += piece.len();
        }
    }

    /// Asks the tools, those that the cache does not answer for all at once.
    fn probe(&mut self, config: &HostConfig) {
        let now = Timestamp::now();
        let path = config.path.to_string_lossy();
        let known = config.cache_dir.as_ref().map_or_else(Vec::new, |dir| cache::load(dir, &path));
        let present = self.present(config);
        let earlier: Vec<Option<&ProbedTool>> =
            present.iter().map(|tool| known.iter().find(|entry| tool.is_in(entry))).collect();
        let holds = |entry: &&ProbedTool| match config.probing {
            ProbePolicy::CachedOnly => true,
            ProbePolicy::AsNeeded => entry.holds(now),
            ProbePolicy::Refresh => false,
        };
        let asked: Vec<&PresentTool> = (present.iter().zip(&earlier))
            .filter(|(_, earlier)| !earlier.as_ref().is_some_and(holds))
            .filter(|_| config.probing != ProbePolicy::CachedOnly)
            .map(|(tool, _)| tool)
            .collect();
        let mut answers = ask(&asked, config).into_iter();

        let mut entries = Vec::with_capacity(present.len());
        for (tool, earlier) in present.iter().zip(earlier) {
            if let Some(entry) = earlier.filter(holds) {
                self.add_answer(tool, entry.answer.clone(), true);
                entries.push(entry.clone());
                continue;
            }
            if config.probing == ProbePolicy::CachedOnly {
                self.unasked.push(tool.tool.name.clone());
                continue;
            }
            let Some(answer) = answers.next() else { break };
            match (answer, earlier) {
                // The same file answered before: a busy host does not lose its tools.
                (Err(error), Some(entry)) if error.may_pass() && entry.answer.is_ok() => {
                    self.add_answer(tool, Err(error), false);
                    self.add_answer(tool, entry.answer.clone(), true);
                    entries.push(entry.clone());
                }
                (answer, _) => {
                    if !matches!(answer, Err(ProbeError::System(_))) {
                        entries.push(tool.entry(answer.clone(), now));
                    }
                    self.add_answer(tool, answer, false);
                }
            }
        }
        if let Some(dir) = config.cache_dir.as_ref().filter(|_| !asked.is_empty())
            && let Err(error) = cache::store(dir, &path, entries)
        {
            self.problems.push(HostProblem::Cache { dir: dir.clone(), error });
        }
    }

    /// The tools that are on `PATH` and whose names make tokens.
    fn present<'a>(&mut self, config: &'a HostConfig) -> Vec<PresentTool<'a>> {
        let mut present = Vec::new();
        for tool in &config.tools {
            if let Err(error) = tool.name.parse::<CapabilityToken>() {
                let source_name = "tools in config".to_owned();
                let text = tool.name.clone();
                self.problems.push(HostProblem::BadToken { source_name, text, at: 0, error });
                continue;
            }
            let program = tool.command.first().map_or("", String::as_str);
            match locate(program, &config.path) {
                Some((file, stamp)) => present.push(PresentTool { tool, file, stamp }),
                None => self.absent.push(tool.name.clone()),
            }
        }
        present
    }

    fn add_answer(&mut self, present: &PresentTool, answer: Answer, cached: bool) {
        let (tool, file) = (present.tool.name.clone(), present.file.clone());
        let version = match answer {
            Ok(version) => version,
            Err(error) => return self.problems.push(HostProblem::Probe { tool, file, error }),
        };
        let source = TokenOrigin::Probe { file: file.clone(), cached };
        self.add(&format!("has:{tool}"), 0, &source, "tools in config");
        match version {
            Some(version) => {
                self.add(&format!("{tool}:{version}"), 0, &source, "tools in config");
            }
            None => self.problems.push(HostProblem::NoVersion { tool, file }),
        }
    }

    fn finish(mut self) -> HostReport {
        // A stable sort, so that of equal tokens the first one found stays.
        self.tokens.sort_by(|a, b| a.token.cmp(&b.token));
        self.tokens.dedup_by(|later, first| later.token == first.token);
        HostReport {
            capabilities: self.tokens.iter().map(|found| found.token.clone()).collect(),
            tokens: self.tokens,
            absent: self.absent,
            unasked: self.unasked,
            problems: self.problems,
        }
    }
}

impl PresentTool<'_> {
    fn is_in(&self, entry: &ProbedTool) -> bool {
        entry.command == self.tool.command
            && entry.stamp == self.stamp
            && entry.file == self.file.to_string_lossy()
    }

    fn entry(&self, answer: Answer, now: Timestamp) -> ProbedTool {
        ProbedTool {
            command: self.tool.command.clone(),
            file: self.file.to_string_lossy().into_owned(),
            stamp: self.stamp,
            probed_at: now,
            answer,
        }
    }
}

/// Asks every tool, and gives their answers in the same order.
fn ask(tools: &[&PresentTool], config: &HostConfig) -> Vec<Answer> {
    let command = |present: &&PresentTool| {
        let args = present.tool.command.get(1..).unwrap_or_default();
        (present.file.clone(), args.to_vec())
    };
    let commands = tools.iter().map(command).collect();
    let version = |output: ProbeOutput| {
        let found = find_version(&format!("{}\n{}", output.stdout, output.stderr));
        found.map(|version| version.to_string())
    };
    let answers = run_all(commands, &config.path, config.time_limit);
    answers.into_iter().map(|answer| answer.map(version)).collect()
}

#[cfg(test)]
mod tests;
