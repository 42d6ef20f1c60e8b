//! The tools that are asked for their version: which, where they lie, and how the answer is read.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aq_caps::ToolVersion;
use serde::Deserialize;

use crate::engine::ProgramStamp;

/// A tool and the command that prints its version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbedProgram {
    /// The key of the token, and what `has:` says: `python` for `python:3.11.7` and `has:python`.
    pub name: String,
    /// Program, looked up on `PATH`, and arguments. The first thing in its output that looks like
    /// a version is taken, from stdout rather than stderr. Empty: the tool is not asked for.
    pub command: Vec<String>,
}

impl ProbedProgram {
    /// The tools that are always asked, then those of `config`. One in `config` with the name of
    /// a built-in tool takes its place; with an empty command it only takes it away.
    pub fn with_defaults(config: Vec<Self>) -> Vec<Self> {
        let defaults = [
            ["git", "git", "--version"],
            ["python", "python3", "--version"],
            ["rust", "rustc", "--version"],
            ["go", "go", "version"],
            ["docker", "docker", "--version"],
            // Java 8 knows no `--version`.
            ["java", "java", "-version"],
            ["node", "node", "--version"],
        ];
        let defaults = defaults.map(|[name, command @ ..]| Self {
            name: name.to_owned(),
            command: command.map(str::to_owned).to_vec(),
        });
        let mut tools: Vec<Self> = defaults.into();
        tools.retain(|tool| !config.iter().any(|other| other.name == tool.name));
        tools.extend(config.into_iter().filter(|tool| !tool.command.is_empty()));
        tools
    }
}

/// The executable file that `program` names: itself when absolute, else the first on `path`.
///
/// Relative entries of `path` are passed over, because they would mean another file for each
/// working directory.
pub(super) fn locate(program: &str, path: &OsStr) -> Option<(PathBuf, ProgramStamp)> {
    let executable = |file: PathBuf| {
        let meta = file.metadata().ok()?;
        let stamp = ProgramStamp::from(&meta);
        (meta.is_file() && meta.mode() & 0o111 != 0).then_some((file, stamp))
    };
    if program.is_empty() || program.contains('/') {
        return Path::new(program).is_absolute().then(|| executable(program.into())).flatten();
    }
    std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .find_map(|dir| executable(dir.join(program)))
}

/// How a pre-release suffix starts. Others (`-1ubuntu2`, `-ce`) are a packager's mark, and would
/// wrongly sort before the release.
const PRE_RELEASES: [&str; 9] =
    ["alpha", "beta", "rc", "nightly", "dev", "pre", "ea", "canary", "insider"];

/// The first thing that looks like a version: two or three numbers joined by dots, wherever they
/// stand (`go1.22.1`); failing that, one number that is a word of its own, with or without a `v`.
pub(crate) fn find_version(output: &str) -> Option<ToolVersion> {
    let mut lone = None;
    let mut from = 0;
    while let Some(start) = output[from..].find(|c: char| c.is_ascii_digit()) {
        let start = from + start;
        let run = &output[start..];
        let end = run.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(run.len());
        from = start + end;
        let mut numbers = run[..end].split('.').filter(|number| !number.is_empty());
        let core: Vec<&str> = numbers.by_ref().take(3).collect();
        if core.len() > 1 {
            let core = core.join(".");
            let suffix = if numbers.next().is_some() { "" } else { pre_release(&output[from..]) };
            let with_suffix = format!("{core}{suffix}").parse().ok();
            if let Some(version) = with_suffix.or_else(|| core.parse().ok()) {
                return Some(version);
            }
        } else if lone.is_none() && is_word(&output[..start], &output[from..]) {
            lone = core.first().and_then(|number| number.parse().ok());
        }
    }
    lone
}

/// The pre-release suffix at the start of `rest`, with its `-`, or nothing.
fn pre_release(rest: &str) -> &str {
    let Some(suffix) = rest.strip_prefix('-') else { return "" };
    let end = suffix.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    let suffix = suffix[..end.unwrap_or(suffix.len())].trim_end_matches(['.', '-']);
    let known = PRE_RELEASES.iter().any(|word| suffix.starts_with(word));
    if known { &rest[..1 + suffix.len()] } else { "" }
}

fn is_word(before: &str, after: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let before = before.strip_suffix(['v', 'V']).unwrap_or(before);
    !before.ends_with(joins) && !after.starts_with(joins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (output, version) in [
            ("git version 2.47.3", Some("2.47.3")),
            ("git version 2.39.5 (Apple Git-154)", Some("2.39.5")),
            ("git version 2.47.0.windows.1", Some("2.47.0")),
            ("Python 3.13.0rc1", Some("3.13.0")),
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some("1.95.0")),
            ("rustc 1.97.0-nightly (59807616e 2026-04-14)", Some("1.97.0-nightly")),
            ("go version go1.22.1 linux/amd64", Some("1.22.1")),
            ("go version go1.23 linux/amd64", Some("1.23")),
            ("Docker version 24.0.7, build afdd53b", Some("24.0.7")),
            ("Docker version 20.10.24+dfsg1, build 297e128", Some("20.10.24")),
            ("openjdk version \"17.0.15\" 2025-04-15", Some("17.0.15")),
            ("openjdk version \"21\" 2023-09-19", Some("21")),
            ("java version \"1.8.0_392\"", Some("1.8.0")),
            ("v20.20.2\n", Some("20.20.2")),
            ("v8", Some("8")),
            ("tool 1.2.3-rc.1.", Some("1.2.3-rc.1")),
            ("tool 1.2.3-1ubuntu2", Some("1.2.3")),
            ("tool 1.2.3.4-rc.1", Some("1.2.3")),
            ("tool 1.2-beta", Some("1.2")),
            ("see chapter 4. Version 1.5.", Some("1.5")),
            ("x86_64 build sha256, release 7", Some("7")),
            ("99999999999999999999.1 then 1.2", Some("1.2")),
            ("no number at all", None),
            ("sha256", None),
            ("", None),
        ] {
            let found = find_version(output).map(|version| version.to_string());
            assert_eq!(found.as_deref(), version, "{output}");
        }
    }

    #[test]
    fn config_adds_replaces_and_takes_away() {
        let tool = |name: &str, command: &[&str]| ProbedProgram {
            name: name.to_owned(),
            command: command.iter().map(|&part| part.to_owned()).collect(),
        };
        let tools = ProbedProgram::with_defaults(vec![
            tool("python", &["python3.12", "-V"]),
            tool("java", &[]),
            tool("zig", &["zig", "version"]),
        ]);
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["git", "rust", "go", "docker", "node", "python", "zig"]);
        assert_eq!(tools[5].command, ["python3.12", "-V"]);
    }

    proptest! {
        #[test]
        fn no_output_panics(output in "[0-9.v a\\-é]{0,24}|\\PC{0,24}") {
            find_version(&output);
        }
    }
}
