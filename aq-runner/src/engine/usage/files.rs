//! What engines leave on disk about their usage, also when they were killed.
//!
//! Everything here is best effort: a file that is not there, too long or not understood is none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::counts::{dollars, tokens, without};
use super::{Counted, Usage, UsageReport};
use crate::engine::lines::Lines;
use crate::engine::session::is_session_id;
use crate::engine::windows::{codex_windows, put};

/// The longest usage file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// The most that is read of a session's records, in bytes.
const SESSION_MAX: u64 = 1 << 30;
/// The most directories that are looked through for a session's file.
const DIRECTORIES_MAX: usize = 20_000;

/// Where a run may have left records of its usage.
pub struct LeftBehind<'a> {
    /// The file that [`EngineCommand::usage_file`](crate::engine::EngineCommand::usage_file) named.
    pub usage_file: Option<&'a Path>,
    /// The environment that the engine ran in.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// When the run started: what is older belongs to an earlier run of the session.
    pub started: Timestamp,
}

impl fmt::Debug for LeftBehind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeftBehind")
            .field("usage_file", &self.usage_file)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl LeftBehind<'_> {
    /// A directory that `variable` names, or `default` in the home directory.
    fn directory(&self, variable: &str, default: &str) -> Option<PathBuf> {
        let set = |name: &str| (self.env)(name).filter(|value| !value.is_empty());
        set(variable).map(PathBuf::from).or_else(|| Some(PathBuf::from(set("HOME")?).join(default)))
    }
}

/// The file that the engine was told to write its usage to. All three known shapes are totals of
/// a session.
pub(in crate::engine) fn usage_file(
    from: &LeftBehind<'_>,
    session: Option<&str>,
) -> Option<UsageReport> {
    let mut text = String::new();
    File::open(from.usage_file?).ok()?.take(FILE_MAX).read_to_string(&mut text).ok()?;
    let file: Value = serde_json::from_str(&text).ok()?;
    let (usage, model) = match (&file["modelMetrics"], &file["final_metrics"]) {
        (Value::Object(models), _) => {
            let of = |metrics: &Value| copilot_usage(&metrics["usage"]);
            let sum = models.values().map(of).reduce(|a, b| a.plus(&b)).unwrap_or_default();
            let only = models.keys().next().filter(|_| models.len() == 1);
            (sum, only.cloned())
        }
        (_, metrics @ Value::Object(_)) => {
            let model = file["agent"]["model_name"].as_str().map(str::to_owned);
            (devin_usage(metrics), model)
        }
        _ => return None,
    };
    let named = ["sessionId", "session_id"].iter().find_map(|key| file[key].as_str());
    let session_id = named.filter(|id| is_session_id(id)).or(session).map(str::to_owned);
    (!usage.is_empty()).then_some(UsageReport {
        usage,
        counted: Counted::Session,
        session_id,
        model,
        ..UsageReport::default()
    })
}

/// Its `cost` counts requests and `totalNanoAiu` a unit of its own: neither is money.
fn copilot_usage(usage: &Value) -> Usage {
    let cached = tokens(&usage["cacheReadTokens"]);
    Usage {
        input_tokens: without(tokens(&usage["inputTokens"]), cached),
        cached_tokens: cached,
        output_tokens: tokens(&usage["outputTokens"]),
        ..Usage::default()
    }
}

fn devin_usage(metrics: &Value) -> Usage {
    let cached = tokens(&metrics["total_cached_tokens"]);
    Usage {
        input_tokens: without(tokens(&metrics["total_prompt_tokens"]), cached),
        cached_tokens: cached,
        output_tokens: tokens(&metrics["total_completion_tokens"]),
        cost_usd: dollars(&metrics["total_cost_usd"]),
        ..Usage::default()
    }
}

/// The last total in the thread's rollout file.
pub(in crate::engine) fn codex_rollout(
    from: &LeftBehind<'_>,
    session: Option<&str>,
) -> Option<UsageReport> {
    let session = session?;
    let sessions = from.directory("CODEX_HOME", ".codex")?.join("sessions");
    let ending = format!("-{session}.jsonl");
    let is_it = |name: &str| name.starts_with("rollout-") && name.ends_with(&ending);
    let file = find(&sessions, 4, &mut DIRECTORIES_MAX.clone(), &is_it)?;
    let mut report = UsageReport { counted: Counted::Session, ..UsageReport::default() };
    each_record(&file, |record| {
        let payload = &record["payload"];
        // 0.169 writes token_usage_record, others an event_msg with a token_count.
        let totals = [&payload["thread_token_usage"], &payload["info"]["total_token_usage"]];
        if let Some(total) = totals.into_iter().find(|total| total.is_object()) {
            report.usage = codex_usage(total);
        }
        put(&mut report.windows, codex_windows(&payload["rate_limits"]));
        if record["type"] == "turn_context"
            && let Some(model) = payload["model"].as_str()
        {
            report.model = Some(model.to_owned());
        }
    });
    report.session_id = Some(session.to_owned());
    let says = !report.usage.is_empty() || report.model.is_some() || !report.windows.is_empty();
    says.then_some(report)
}

/// Cached tokens are counted in its input, reasoning in its output.
pub(in crate::engine) fn codex_usage(usage: &Value) -> Usage {
    let cached = tokens(&usage["cached_input_tokens"]);
    Usage {
        input_tokens: without(tokens(&usage["input_tokens"]), cached),
        cached_tokens: cached,
        output_tokens: tokens(&usage["output_tokens"]),
        ..Usage::default()
    }
}

/// The messages of this run in the session's file, sub-agents' included.
pub(in crate::engine) fn claude_session(
    from: &LeftBehind<'_>,
    session: Option<&str>,
) -> Option<UsageReport> {
    let session = session?;
    let projects = from.directory("CLAUDE_CONFIG_DIR", ".claude")?.join("projects");
    let name = format!("{session}.jsonl");
    // The directory is named after the working directory, with rules that have changed.
    let file = find(&projects, 2, &mut DIRECTORIES_MAX.clone(), &|found| found == name)?;
    let mut messages: BTreeMap<String, Usage> = BTreeMap::new();
    let mut model = None;
    each_record(&file, |record| {
        let message = &record["message"];
        let at: Option<Timestamp> = record["timestamp"].as_str().and_then(|at| at.parse().ok());
        let is_synthetic = message["model"] == "<synthetic>";
        if at.is_none_or(|at| at < from.started) || is_synthetic || !message["usage"].is_object() {
            return;
        }
        let Some(id) = message["id"].as_str() else { return };
        // A message has a line for each of its parts, and the last one knows best.
        messages.insert(id.to_owned(), claude_usage(&message["usage"]));
        model = message["model"].as_str().map(str::to_owned).or(model.take());
    });
    let usage = messages.into_values().reduce(|a, b| a.plus(&b))?;
    let session_id = Some(session.to_owned());
    Some(UsageReport { usage, session_id, model, ..UsageReport::default() })
}

/// Its input holds no cached tokens, read or written.
pub(in crate::engine) fn claude_usage(usage: &Value) -> Usage {
    Usage {
        input_tokens: tokens(&usage["input_tokens"]),
        cached_tokens: tokens(&usage["cache_read_input_tokens"]),
        cache_write_tokens: tokens(&usage["cache_creation_input_tokens"]),
        output_tokens: tokens(&usage["output_tokens"]),
        ..Usage::default()
    }
}

/// The newest file by name that `is_it` knows, at most `depth` directories below.
fn find(
    directory: &Path,
    depth: u32,
    left: &mut usize,
    is_it: &dyn Fn(&str) -> bool,
) -> Option<PathBuf> {
    *left = left.checked_sub(1)?;
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(directory).ok()?.flatten().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    entries.iter().find_map(|entry| {
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            return if depth > 1 { find(&entry.path(), depth - 1, left, is_it) } else { None };
        }
        let known = entry.file_name().to_str().is_some_and(is_it);
        (kind.is_file() && known).then(|| entry.path())
    })
}

fn each_record(path: &Path, mut record: impl FnMut(&Value)) {
    let Ok(file) = File::open(path) else { return };
    let mut file = file.take(SESSION_MAX);
    let (mut lines, mut chunk) = (Lines::default(), vec![0; 64 << 10]);
    let mut line = |line: &[u8]| {
        if let Ok(value) = serde_json::from_slice(line) {
            record(&value);
        }
    };
    while let Ok(length @ 1..) = file.read(&mut chunk) {
        lines.feed(&chunk[..length], &mut line);
    }
    lines.finish(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "0a-1b";

    struct Home(tempfile::TempDir);

    type Read = fn(&LeftBehind<'_>, Option<&str>) -> Option<UsageReport>;

    impl Home {
        fn with(path: &str, content: &str) -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            home.write(path, content);
            home
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn read(&self, read: Read) -> Option<UsageReport> {
            let home = self.0.path();
            let usage_file = home.join("usage.json");
            let from = LeftBehind {
                usage_file: Some(&usage_file),
                env: &|name| (name == "HOME").then(|| home.into()),
                started: "2026-11-22T12:00:00Z".parse().unwrap(),
            };
            read(&from, Some(SESSION))
        }
    }

    fn numbers(report: &UsageReport) -> [Option<u64>; 4] {
        let usage = &report.usage;
        [usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens]
    }

    #[test]
    fn copilots_file_is_a_total_over_its_models() {
        let home = Home::with(
            "usage.json",
            r#"{"totalNanoAiu":5,"modelMetrics":{
              "a":{"requests":{"count":2,"cost":1},"usage":{"inputTokens":2468,"outputTokens":112,"cacheReadTokens":400,"cacheWriteTokens":0,"reasoningTokens":14}},
              "b":{"usage":{"inputTokens":10,"outputTokens":1}}}}"#,
        );
        let report = home.read(usage_file).unwrap();
        assert_eq!(numbers(&report), [Some(2078), Some(400), None, Some(113)]);
        assert_eq!((report.counted, report.usage.cost_usd), (Counted::Session, None));
        assert_eq!((report.session_id.as_deref(), report.model), (Some(SESSION), None));
    }

    #[test]
    fn devins_export_holds_totals_and_maybe_a_cost() {
        let home = Home::with(
            "usage.json",
            r#"{"session_id":"d-1","agent":{"model_name":"m"},"final_metrics":{"total_prompt_tokens":100,"total_cached_tokens":40,"total_completion_tokens":9,"total_cost_usd":0.25}}"#,
        );
        let report = home.read(usage_file).unwrap();
        assert_eq!(numbers(&report), [Some(60), Some(40), None, Some(9)]);
        assert_eq!(report.usage.cost_usd, Some(0.25));
        assert_eq!(
            (report.session_id.as_deref(), report.model.as_deref()),
            (Some("d-1"), Some("m"))
        );
        for torn in ["", "{", "[]", "{\"modelMetrics\":{}}"] {
            home.write("usage.json", torn);
            assert_eq!(home.read(usage_file), None, "{torn}");
        }
    }

    #[test]
    fn a_rollout_ends_with_the_threads_total() {
        let home = Home::with(
            ".codex/sessions/2026/11/22/rollout-2026-11-22T12-00-00-0a-1b.jsonl",
            concat!(
                r#"{"type":"turn_context","payload":{"model":"big"}}"#,
                "\n",
                r#"{"type":"token_usage_record","payload":{"usage":{"input_tokens":1},"thread_token_usage":{"input_tokens":1234,"cached_input_tokens":200,"output_tokens":56}}}"#,
                "\n",
                r#"{"type":"token_usage_record","payload":{"usage":{"input_tokens":1},"thread_token_usage":{"input_tokens":2468,"cached_input_tokens":400,"output_tokens":112}}}"#,
                "\n",
                r#"{"type":"token_usage_rec"#,
            ),
        );
        home.write(".codex/sessions/2026/11/23/rollout-other-9z.jsonl", "{}");
        let report = home.read(codex_rollout).unwrap();
        assert_eq!(numbers(&report), [Some(2068), Some(400), None, Some(112)]);
        assert_eq!((report.counted, report.model.as_deref()), (Counted::Session, Some("big")));
    }

    #[test]
    fn a_rollout_describes_windows() {
        let limits = r#"{"limit_id":"codex","primary":{"used_percent":42.5,"window_minutes":300,"resets_at":1796041750},"secondary":null}"#;
        let earlier = limits.replace("42.5", "41.0");
        let line = |limits: &str| {
            format!("{{\"type\":\"event_msg\",\"payload\":{{\"rate_limits\":{limits}}}}}\n")
        };
        let file = [line(&earlier), line(limits), line("null")].concat();
        let home = Home::with(".codex/sessions/2026/11/22/rollout-x-0a-1b.jsonl", &file);
        let windows = home.read(codex_rollout).unwrap().windows;
        let shown: Vec<(&str, f64)> =
            windows.iter().map(|window| (window.name.as_str(), window.used_percent)).collect();
        assert_eq!(shown, [("5-hour", 42.5)]);
    }

    #[test]
    fn an_older_rollout_has_token_counts() {
        let home = Home::with(
            ".codex/sessions/2025/01/02/rollout-x-0a-1b.jsonl",
            r#"{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":30,"cached_input_tokens":10,"output_tokens":5},"last_token_usage":{"input_tokens":1}}}}"#,
        );
        assert_eq!(
            numbers(&home.read(codex_rollout).unwrap()),
            [Some(20), Some(10), None, Some(5)]
        );
    }

    #[test]
    fn claudes_messages_count_once_and_only_those_of_this_run() {
        let line = |id: &str, at: &str, output: u64| {
            format!(
                "{{\"type\":\"assistant\",\"timestamp\":\"2026-11-22T{at}Z\",\"message\":{{\"id\":\"{id}\",\"model\":\"m\",\"usage\":{{\"input_tokens\":10,\"cache_read_input_tokens\":4,\"cache_creation_input_tokens\":3,\"output_tokens\":{output}}}}}}}\n"
            )
        };
        let synthetic = line("c", "13:00:02", 9).replace("\"m\"", "\"<synthetic>\"");
        let file = [
            line("old", "11:59:59", 50),
            line("a", "12:00:01", 1),
            line("a", "12:00:02", 7),
            line("b", "12:00:03", 5),
            synthetic,
            "{\"type\":\"user\",\"message\":{\"content\":\"x\"}}\n".to_owned(),
        ]
        .concat();
        let home = Home::with(".claude/projects/-home-me/0a-1b.jsonl", &file);
        let report = home.read(claude_session).unwrap();
        assert_eq!(numbers(&report), [Some(20), Some(8), Some(6), Some(12)]);
        assert_eq!((report.counted, report.model.as_deref()), (Counted::Run, Some("m")));
    }

    #[test]
    fn nothing_there_is_nothing() {
        let home = Home::with("unrelated", "");
        for read in [usage_file, codex_rollout, claude_session] {
            assert_eq!(home.read(read), None);
        }
    }
}
