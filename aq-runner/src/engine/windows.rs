//! The windows of time in which vendors count what an account uses.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reason::short;

/// The most windows that are read of one record, or kept of one account.
const WINDOWS_MAX: usize = 20;
/// The longest window, by which a reset that cannot be is known.
const LONGEST: SignedDuration = SignedDuration::from_hours(61 * 24);

/// A window of an account, as its vendor described it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageWindow {
    /// Its length in words, such as `5-hour`, with what else distinguishes the vendor's windows.
    pub name: String,
    /// The part that is used, in percent; over 100 where more is allowed.
    pub used_percent: f64,
    /// The time at which it begins anew.
    #[serde(default)]
    pub resets_at: Option<Timestamp>,
}

/// Windows of an account, and when they were seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenWindows {
    /// When the run ended in which the vendor described them.
    pub seen: Timestamp,
    /// One for each name.
    pub windows: Vec<UsageWindow>,
}

impl UsageWindow {
    fn new(name: &str, used_percent: f64, resets_at: &Value) -> Option<Self> {
        let resets_at = resets_at.as_i64().and_then(|at| Timestamp::from_second(at).ok());
        let window = Self { name: short(name), used_percent, resets_at };
        window.can_be().then_some(window)
    }

    fn can_be(&self) -> bool {
        (0.0..=10_000.0).contains(&self.used_percent)
    }
}

impl SeenWindows {
    /// Keeps what can be of windows that were read back, with clean names.
    pub(super) fn cleaned(mut self) -> Self {
        self.windows.retain(UsageWindow::can_be);
        self.windows.truncate(WINDOWS_MAX);
        for window in &mut self.windows {
            window.name = short(&window.name);
        }
        self
    }

    /// Those that had not begun anew at `now`.
    pub fn current(&self, now: Timestamp) -> impl Iterator<Item = &UsageWindow> {
        let seen_recently = now.duration_since(self.seen) < LONGEST;
        self.windows.iter().filter(move |window| match window.resets_at {
            Some(at) => at > now && at.duration_since(now) < LONGEST,
            None => seen_recently,
        })
    }
}

/// Puts windows in place of those of the same names.
pub(super) fn put(known: &mut Vec<UsageWindow>, windows: Vec<UsageWindow>) {
    for window in windows {
        known.retain(|old| old.name != window.name);
        known.push(window);
    }
    known.sort_by(|a, b| a.name.cmp(&b.name));
    known.truncate(WINDOWS_MAX);
}

/// Shape in which a vendor describes the windows of an account.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WindowsShape {
    /// A `rate_limit_info` of Claude Code.
    Claude,
    /// `rate_limits` in a rollout of Codex.
    Codex,
}

impl WindowsShape {
    /// The windows of such an object.
    pub(super) fn read(self, about: &Value) -> Vec<UsageWindow> {
        match self {
            Self::Claude => claude_windows(about),
            Self::Codex => codex_windows(about),
        }
    }
}

/// The windows of a `rate_limit_info` of claude: those that it lists, else the one that limits.
fn claude_windows(info: &Value) -> Vec<UsageWindow> {
    let window = |key: &str, about: &Value| {
        let used = about["utilization"].as_f64()?;
        UsageWindow::new(&claude_name(key), percent(used), &about["resetsAt"])
    };
    let listed = info["unifiedWindows"].as_object().into_iter().flatten().take(WINDOWS_MAX);
    let mut windows: Vec<UsageWindow> =
        listed.filter_map(|(key, about)| window(key, about)).collect();
    if windows.is_empty() {
        windows.extend(info["rateLimitType"].as_str().and_then(|key| window(key, info)));
    }
    windows
}

/// A part as a number of percent with at most one decimal.
fn percent(part: f64) -> f64 {
    (part * 1000.0).round() / 10.0
}

fn claude_name(key: &str) -> String {
    let lengths = [("five_hour", "5-hour"), ("seven_day", "7-day")];
    for (start, name) in lengths {
        if let Some(rest) = key.strip_prefix(start) {
            return format!("{name}{}", rest.replace('_', " "));
        }
    }
    key.replace('_', " ")
}

/// The windows of `rate_limits` in a rollout of codex.
fn codex_windows(limits: &Value) -> Vec<UsageWindow> {
    let window = |key: &str| {
        let about = &limits[key];
        let used = about["used_percent"].as_f64()?;
        let name = about["window_minutes"].as_u64().map_or_else(|| key.to_owned(), length);
        let name = match limits["limit_id"].as_str() {
            None | Some("codex") => name,
            Some(other) => format!("{name} {other}"),
        };
        UsageWindow::new(&name, used, &about["resets_at"])
    };
    ["primary", "secondary"].into_iter().filter_map(window).collect()
}

fn length(minutes: u64) -> String {
    match minutes {
        m if m > 0 && m.is_multiple_of(24 * 60) => format!("{}-day", m / (24 * 60)),
        m if m > 0 && m.is_multiple_of(60) => format!("{}-hour", m / 60),
        m => format!("{m}-minute"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(windows: &[UsageWindow]) -> Vec<String> {
        let one = |w: &UsageWindow| {
            format!("{} {} {:?}", w.name, w.used_percent, w.resets_at.map(Timestamp::as_second))
        };
        windows.iter().map(one).collect()
    }

    #[test]
    fn windows_of_claude_are_read() {
        let info = json!({"status": "allowed_warning", "rateLimitType": "seven_day",
            "utilization": 0.8, "resetsAt": 1_796_293_750, "unifiedWindows": {
                "five_hour": {"utilization": 0.423, "resetsAt": 1_796_041_750},
                "seven_day_overage_included": {"utilization": 1.2, "resetsAt": 1_796_293_750},
                "odd": {"utilization": "x"}, "wrong": {"utilization": -4.0}}});
        let listed =
            ["5-hour 42.3 Some(1796041750)", "7-day overage included 120 Some(1796293750)"];
        assert_eq!(shown(&claude_windows(&info)), listed);
        let mut info = info;
        info["unifiedWindows"].take();
        assert_eq!(shown(&claude_windows(&info)), ["7-day 80 Some(1796293750)"]);
        for odd in [json!({}), json!(3), json!({"unifiedWindows": [1], "rateLimitType": "x"})] {
            assert_eq!(claude_windows(&odd), [], "{odd}");
        }
    }

    #[test]
    fn windows_of_codex_are_read() {
        let limits = json!({"limit_id": "codex", "primary": {"used_percent": 42.5,
            "window_minutes": 300, "resets_at": 1_796_041_750},
            "secondary": {"used_percent": 12.0, "window_minutes": 10080, "resets_at": null}});
        let read = ["5-hour 42.5 Some(1796041750)", "7-day 12 None"];
        assert_eq!(shown(&codex_windows(&limits)), read);
        assert_eq!(codex_windows(&json!({"primary": null})), []);
        assert_eq!((length(90), length(0)), ("90-minute".to_owned(), "0-minute".to_owned()));
    }

    #[test]
    fn a_window_that_began_anew_is_over() {
        let at = |second: i64| Timestamp::from_second(1_796_000_000 + second).unwrap();
        let window = |name: &str, reset: Option<i64>| UsageWindow {
            name: name.to_owned(),
            used_percent: 50.0,
            resets_at: reset.map(at),
        };
        let windows = vec![window("a", Some(10)), window("b", Some(1000)), window("c", None)];
        let seen = SeenWindows { seen: at(0), windows };
        let names = |now: Timestamp| -> Vec<String> {
            seen.current(now).map(|window| window.name.clone()).collect()
        };
        assert_eq!(names(at(5)), ["a", "b", "c"]);
        assert_eq!(names(at(500)), ["b", "c"]);
        assert_eq!(names(at(90 * 86_400)), [""; 0]);
    }
}
