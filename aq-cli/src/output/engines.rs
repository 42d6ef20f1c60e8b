//! The answers of `aq engines`.

use aq_caps::ToolVersion;
use aq_runner::engine::{
    EngineInfo, EnginePitfall, ErrorClass, MissingBinary, SeenWindows, UsageWindow,
};
use aq_runner::run::{EngineCheck, UntriedVersion, engine_version, untried_version};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::{CodedReason, JsonVersion, shown, value};
use super::line;
use super::style::{self, paint, plain};
use super::table::{TableCell, TextTable};
use super::time::{clock, short, until};

/// Facts about one engine.
#[derive(Debug)]
pub(crate) struct EngineReport {
    pub(crate) info: EngineInfo,
    /// The windows of its account, as they were seen last.
    pub(crate) windows: Option<SeenWindows>,
    pub(crate) pitfalls: Vec<EnginePitfall>,
}

/// The table, and what is to be said of those that are installed.
pub(crate) fn table(engines: &[EngineReport], now: Timestamp) {
    let mut table = TextTable::new(&["engine", "version", "classes", "program", "named by"]);
    for EngineReport { info, .. } in engines {
        let program = match &info.binary {
            Ok(path) => TableCell::styled(style::GOOD, plain(&path.display().to_string())),
            Err(MissingBinary::NotOnPath { .. }) => {
                TableCell::styled(style::FAINT, "not installed")
            }
            // A program was named, and is not there, or another one has its name: reported below.
            Err(_) => TableCell::styled(style::BAD, "see below"),
        };
        let classes =
            if info.classes.is_empty() { "-".to_owned() } else { info.classes.join(", ") };
        let version = engine_version(info).map_or_else(|| "-".to_owned(), |v| v.to_string());
        table.row(vec![
            TableCell::new(&info.name),
            TableCell::new(version),
            TableCell::new(classes),
            program,
            TableCell::new(&info.variable),
        ]);
    }
    line(table.render(super::width()));
    for engine in engines {
        match &engine.info.binary {
            Ok(_) | Err(MissingBinary::NotOnPath { .. }) => {}
            Err(wrong) => {
                let (name, wrong) = (plain(&engine.info.name), plain(&wrong.to_string()));
                line(format_args!("{} {name}: {wrong}", paint(style::BAD, "✗")));
            }
        }
    }
    for engine in engines {
        for window in engine.windows.iter().flat_map(|seen| window_lines(seen, now)) {
            line(format_args!("{} {window}", plain(&engine.info.name)));
        }
    }
    let attention = |text: String| line(format_args!("{} {text}", paint(style::ATTENTION, "!")));
    for engine in engines {
        if let Some(untried) = untried_version(&engine.info) {
            attention(untried_line(&engine.info.name, &untried));
        }
        for pitfall in &engine.pitfalls {
            let name = plain(&engine.info.name);
            attention(format!("{name}: {}; {}", pitfall_line(pitfall), pitfall.mend));
        }
    }
}

/// A version that nobody has tried.
pub(crate) fn untried_line(engine: &str, untried: &UntriedVersion) -> String {
    let UntriedVersion { installed, newest_tried } = untried;
    format!(
        "{} {installed} is newer than {newest_tried}, the newest that aq was tried with",
        plain(engine)
    )
}

/// The place, the key and the effect.
pub(crate) fn pitfall_line(pitfall: &EnginePitfall) -> String {
    let place = plain(&pitfall.place);
    match pitfall.key.as_str() {
        "" => format!("{place}: {}", plain(&pitfall.effect)),
        key => format!("{place}: {}: {}", plain(key), plain(&pitfall.effect)),
    }
}

/// `5-hour window: 42 % used, resets 14:00:00 (seen 10m ago)`.
pub(crate) fn window_lines(seen: &SeenWindows, now: Timestamp) -> Vec<String> {
    let ago = short(now.duration_since(seen.seen));
    let one = |window: &UsageWindow| {
        let resets = window.resets_at.map(|at| format!(", resets {}", clock(at, now)));
        format!(
            "{} window: {} % used{} (seen {ago} ago)",
            plain(&window.name),
            window.used_percent,
            resets.unwrap_or_default()
        )
    };
    seen.windows.iter().map(one).collect()
}

pub(crate) fn json(engines: &[EngineReport], version: JsonVersion) {
    let one = |engine: &EngineReport| {
        let info = &engine.info;
        let missing = info.binary.as_ref().err();
        json!({
            "name": info.name,
            "classes": info.classes,
            "program": info.binary.as_ref().ok().map(|path| shown(path)),
            "missing": missing.map(|missing| CodedReason::from(missing).shape(version)),
            "variable": info.variable,
            "version": engine_version(info).map(|version| version.to_string()),
            "tried": info.tried,
            "newer_than_tried": untried_version(info).is_some(),
            "windows": windows_shape(engine.windows.as_ref()),
            "pitfalls": engine.pitfalls.iter().map(pitfall_shape).collect::<Vec<_>>(),
        })
    };
    let engines: Vec<Value> = engines.iter().map(one).collect();
    value(&json!({ "version": version.number(), "engines": engines }));
}

pub(crate) fn windows_shape(seen: Option<&SeenWindows>) -> Vec<Value> {
    let one = |seen: &SeenWindows, window: &UsageWindow| {
        json!({
            "name": window.name,
            "used_percent": window.used_percent,
            "resets_at": window.resets_at,
            "seen_at": seen.seen,
        })
    };
    let of = |seen: &SeenWindows| seen.windows.iter().map(|w| one(seen, w)).collect();
    seen.map(of).unwrap_or_default()
}

fn pitfall_shape(pitfall: &EnginePitfall) -> Value {
    json!({
        "place": pitfall.place,
        "key": Some(&pitfall.key).filter(|key| !key.is_empty()),
        "effect": pitfall.effect,
        "mend": pitfall.mend,
    })
}

/// Result of `aq engines --check`.
pub(crate) fn check(check: &EngineCheck, version: Option<&ToolVersion>) {
    let now = Timestamp::now();
    let name = plain(&check.engine);
    line(match &check.why {
        None if check.by_exit_code => format!(
            "engine {name} {}: it prints text, so nothing says whether a model answered",
            paint(style::ATTENTION, "ended with exit code 0")
        ),
        None => format!("engine {name} {}", paint(style::GOOD, "works")),
        Some(why) => {
            let class = check.class.map_or(String::new(), |class| format!(" ({class})"));
            format!("engine {name} {}{class}: {}", paint(style::BAD, "failed"), plain(why))
        }
    });
    if let Some(mend) = check_mend(check) {
        line(format!("  {mend}"));
    }
    if let Some(at) = check.resets_at {
        line(format!("  the limit ends at {}", until(at, now)));
    }
    let usage = &check.usage;
    let numbers = [
        (usage.input_tokens, "in"),
        (usage.cached_tokens, "cached"),
        (usage.cache_write_tokens, "written to the cache"),
        (usage.output_tokens, "out"),
        (usage.reasoning_tokens, "of reasoning"),
    ];
    let numbers = numbers.into_iter().filter_map(|(n, what)| Some(format!("{} {what}", n?)));
    let tokens = numbers.collect::<Vec<_>>().join(", ");
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "not named".to_owned());
    let estimated = if usage.estimated { " (estimated)" } else { "" };
    let program = check.program.display();
    let rows = [
        ("program", plain(&program.to_string())),
        ("version", or_unknown(version.map(ToString::to_string))),
        ("account", check.account.clone()),
        ("model", or_unknown(check.model.as_ref().map(|model| plain(model)))),
        ("session", or_unknown(check.session_id.clone())),
        ("tokens", format!("{}{estimated}", if tokens.is_empty() { "not named" } else { &tokens })),
        ("cost", or_unknown(usage.cost_usd.map(|usd| format!("${usd:.4}")))),
        ("time", format!("{:.1} s", check.duration.as_secs_f64())),
    ];
    for (what, text) in rows {
        line(format_args!("  {what:<9}{text}"));
    }
    let seen = SeenWindows { seen: now, windows: check.windows.clone() };
    for window in window_lines(&seen, now) {
        line(format!("  {window}"));
    }
}

/// Mend of a check that failed.
fn check_mend(check: &EngineCheck) -> Option<String> {
    if check.success {
        return None;
    }
    let engine = plain(&check.engine);
    Some(match check.class {
        Some(ErrorClass::Auth) => {
            format!("start {} by hand and sign in, or set its key", plain(&program_name(check)))
        }
        Some(ErrorClass::Config) => {
            "correct what it names: its own settings, or the engine in config.yaml".to_owned()
        }
        Some(ErrorClass::Quota) => {
            "wait for the end of the limit, or use another account".to_owned()
        }
        Some(ErrorClass::Capacity) => "try again later: the vendor's service fails".to_owned(),
        Some(ErrorClass::Network) => "check the network, the proxy, and its base URL".to_owned(),
        _ if check.timed_out => {
            "give it more time with --timeout, or start it by hand to see what it waits for"
                .to_owned()
        }
        _ => {
            format!("start it by hand, or look at `aq doctor` and the settings of engine {engine}")
        }
    })
}

fn program_name(check: &EngineCheck) -> String {
    let name = check.program.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

pub(crate) fn check_json(check: &EngineCheck, engine: Option<&ToolVersion>, version: JsonVersion) {
    let seen = SeenWindows { seen: Timestamp::now(), windows: check.windows.clone() };
    let usage = &check.usage;
    value(&json!({
        "version": version.number(),
        "engine": check.engine,
        "success": check.success,
        "by_exit_code": check.by_exit_code,
        "timed_out": check.timed_out,
        "why": check.why,
        "class": check.class.map(ErrorClass::as_str),
        "mend": check_mend(check),
        "resets_at": check.resets_at,
        "program": shown(&check.program),
        "engine_version": engine.map(ToString::to_string),
        "account": check.account,
        "model": check.model,
        "session_id": check.session_id,
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_usd": usage.cost_usd,
        "usage_estimated": usage.estimated,
        "duration_s": check.duration.as_secs_f64(),
        "windows": windows_shape(Some(&seen)),
    }));
}
