//! When a limit ends, in the many ways in which vendors say it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::clock::{epoch, point};

/// The latest reset that is believed, from now. Limits are for hours, a week or a month.
const LATEST: SignedDuration = SignedDuration::from_hours(60 * 24);
/// The words before the time.
const SIGNALS: [&str; 6] =
    ["reset", "try again", "retry", "wait", "available again", "limit reached|"];
/// Words that may be between, and say nothing.
const FILLERS: [&str; 13] =
    ["s", "ting", "at", "on", "in", "after", "for", "until", "again", "is", "will", "be", "about"];
/// Keys of records that name the end or the time until it, without case, `-` and `_`.
const ENDS: [&str; 5] =
    ["resetsat", "resetat", "resettime", "resettimestamp", "anthropicratelimitunifiedreset"];
const SECONDS: [&str; 5] =
    ["resetsinseconds", "resetinseconds", "resetafterseconds", "retryafter", "retryafterseconds"];
const MILLISECONDS: [&str; 2] = ["retryafterms", "retrydelayms"];
const DURATIONS: [&str; 2] = ["retrydelay", "quotaresetdelay"];

/// Finds the time at which a limit ends in words that a vendor wrote.
///
/// Understood are durations (`try again in 2 days 17 hours 14 minutes`, `reset after 1h5m2.5s`),
/// times of the day of 12 and 24 hours with or without a date or weekday (`resets Jan 15, 8am
/// (Europe/Berlin)`, `try again at 1:36 PM`), full timestamps, seconds of the epoch (`limit
/// reached|1755500000`), and keys of JSON inside the text (`"resets_in_seconds": 60`). A time
/// without a zone is in `local`; one that passed up to 10 minutes ago is taken as it is, and an
/// earlier one is the next of its kind. More than 60 days ahead is not believed.
pub fn reset_time(text: &str, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
    let text = text.replace(['\u{a0}', '\u{202f}'], " ").to_lowercase();
    let mut found = json_in(&text).and_then(|record| reset_in_record(&record, now));
    for signal in SIGNALS {
        for (at, _) in text.match_indices(signal) {
            let rest = skip_fillers(&text[at + signal.len()..]);
            let time = match duration(rest) {
                Some(wait) => now.checked_add(wait).ok(),
                None => point(rest, now, local),
            };
            found = found.max(time.filter(|&time| is_believable(time, now)));
        }
    }
    found
}

/// Finds the time at which a limit ends in a vendor's record, whatever it is wrapped in: the latest
/// of what its keys say (`resetsAt`, `resets_in_seconds`, `retry-after`, `retryDelay`, ...).
pub fn reset_in_record(record: &Value, now: Timestamp) -> Option<Timestamp> {
    search(record, now, 8)
}

fn search(value: &Value, now: Timestamp, depth: u32) -> Option<Timestamp> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(fields) => {
            let of = |(key, value): (&String, &Value)| {
                named(key, value, now).or_else(|| search(value, now, depth))
            };
            fields.iter().filter_map(of).max()
        }
        Value::Array(items) => items.iter().filter_map(|item| search(item, now, depth)).max(),
        // An answer that was passed on as it came.
        Value::String(text) if text.starts_with('{') => {
            search(&serde_json::from_str(text).ok()?, now, depth)
        }
        _ => None,
    }
}

fn named(key: &str, value: &Value, now: Timestamp) -> Option<Timestamp> {
    let key = key.replace(['-', '_'], "").to_lowercase();
    let key = key.as_str();
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let text = value.as_str().map(str::to_lowercase);
    let wait = if SECONDS.contains(&key) {
        number.and_then(seconds).or_else(|| duration(text.as_deref()?))
    } else if MILLISECONDS.contains(&key) {
        number.map(|ms| ms / 1e3).and_then(seconds)
    } else if DURATIONS.contains(&key) {
        duration(text.as_deref()?)
    } else if ENDS.contains(&key) {
        let at = number.and_then(epoch).or_else(|| value.as_str()?.parse().ok());
        return at.filter(|&at| is_believable(at, now));
    } else {
        return None;
    };
    let at = match wait {
        Some(wait) => now.checked_add(wait).ok(),
        // An HTTP date.
        None => jiff::fmt::rfc2822::parse(value.as_str()?).ok().map(|zoned| zoned.timestamp()),
    };
    at.filter(|&at| is_believable(at, now))
}

fn is_believable(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) <= LATEST
}

fn seconds(count: f64) -> Option<SignedDuration> {
    (0.0..1e10).contains(&count).then(|| SignedDuration::try_from_secs_f64(count).ok()).flatten()
}

/// The duration that `text` (lower case) begins with: `2 days 17 hours`, `1h5m2.5s`, `30s`.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut total: Option<SignedDuration> = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == '~');
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Ok(count) = rest[..digits].trim_end_matches('.').parse::<f64>() else { return total };
        let after = rest[digits..].trim_start_matches([' ', '-']);
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let Some(unit) = unit(&after[..letters]) else { return total };
        total = Some(total.unwrap_or_default().checked_add(seconds(count * unit)?)?);
        rest = &after[letters..];
    }
}

/// Its length in seconds.
fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

fn skip_fillers(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '·' | '~'));
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        if !FILLERS.contains(&&rest[..end]) {
            return rest;
        }
        rest = &rest[end..];
    }
}

/// The first JSON object in the text.
fn json_in(text: &str) -> Option<Value> {
    let object = &text[text.find('{')?..];
    serde_json::Deserializer::from_str(object).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 2026-11-22 is a Sunday.
    const NOW: &str = "2026-11-22T12:00:00Z";

    fn find(text: &str, zone: &str) -> String {
        let now = NOW.parse().unwrap();
        let found = reset_time(text, now, &TimeZone::get(zone).unwrap());
        found.map_or("none".to_owned(), |at| at.to_string())
    }

    #[test]
    fn every_form_seen() {
        for (text, want) in [
            (
                "You've hit your session limit · resets 12:50am (Asia/Shanghai)",
                "2026-11-22T16:50:00Z",
            ),
            (
                "You’ve hit your weekly limit · resets Jan 15, 8am (Europe/Berlin)",
                "2027-01-15T07:00:00Z",
            ),
            ("You've hit your limit ∙ resets 3pm", "2026-11-22T15:00:00Z"),
            ("Your limit will reset at 15:30 (UTC).", "2026-11-22T15:30:00Z"),
            ("resets Nov 22, 11:55am (UTC)", "2026-11-22T11:55:00Z"),
            ("resets Mon 9:00 AM (UTC)", "2026-11-23T09:00:00Z"),
            ("Claude AI usage limit reached|1795400000", "2026-11-23T02:13:20Z"),
            ("Claude AI usage limit reached|1795400000000", "2026-11-23T02:13:20Z"),
            (
                "You’ve hit your usage limit. Visit https://x.test/usage or try again at 1:36 PM.",
                "2026-11-22T13:36:00Z",
            ),
            ("or try again at Nov 25th, 2026 1:36 PM.", "2026-11-25T13:36:00Z"),
            ("try again at 25 November 2026 at 08:00", "2026-11-25T08:00:00Z"),
            ("try again at 11:59 AM", "2026-11-22T11:59:00Z"),
            ("try again at 11:36 AM", "2026-11-23T11:36:00Z"),
            ("try again at 12:00 a.m.", "2026-11-23T00:00:00Z"),
            ("try again in 2 days 17 hours 14 minutes.", "2026-11-25T05:14:00Z"),
            ("Please try again in 1.5s. Visit", "2026-11-22T12:00:01.5Z"),
            ("Please try again in 15 hours 23 minutes", "2026-11-23T03:23:00Z"),
            ("try again in 1 hour, 2 minutes and 3 seconds", "2026-11-22T13:02:03Z"),
            ("Your quota will reset after 5s", "2026-11-22T12:00:05Z"),
            ("Your quota will reset after 1h5m2.5s.", "2026-11-22T13:05:02.5Z"),
            (
                "exhausted (e.g. check quota).\nSuggested retry after 2s.]\n\
                Please wait and try again later.",
                "2026-11-22T12:00:02Z",
            ),
            (
                "retried 5 times (total retry wait time: 10.55 seconds) Please try again in \
                2.468s.",
                "2026-11-22T12:00:02.468Z",
            ),
            ("resets at 2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
            (
                "429 {\"error\":{\"type\":\"usage_limit_reached\",\"resets_in_seconds\":3600}}",
                "2026-11-22T13:00:00Z",
            ),
            ("429 {\"error\":{\"resets_at\":1795400000}} more", "2026-11-23T02:13:20Z"),
        ] {
            assert_eq!(find(text, "UTC"), want, "{text}");
        }
    }

    #[test]
    fn time_without_zone_is_local() {
        assert_eq!(find("try again at 1:36 PM", "America/New_York"), "2026-11-22T18:36:00Z");
        assert_eq!(
            find("resets 12:50am (Asia/Shanghai)", "America/New_York"),
            "2026-11-22T16:50:00Z"
        );
        assert_eq!(find("resets 9am (UTC+2)", "Asia/Tokyo"), "2026-11-23T07:00:00Z");
    }

    #[test]
    fn what_names_no_time_has_none() {
        for text in [
            "",
            "Please try again later.",
            "exceeded retry limit, last status: 429 Too Many Requests",
            "Quota exceeded. Check your plan and billing details.",
            "resets 3pm (Atlantis/Capital)",
            "resets Feb 31, 8am",
            "reset after 99999999999999999999999 days",
            "try again in 5000 hours",
            "limit reached|99999999999999999999",
            "at 1:36 PM",
            "try again at 25:99",
            "resets 13pm",
        ] {
            assert_eq!(find(text, "UTC"), "none", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_words_can_break_it(words in proptest::collection::vec(
            proptest::sample::select(vec![
                "resets ", "try again in ", "retry after ", "limit reached|", "·",
                "(utc+596523:99999)", "(utc-5:30)", "feb 29 ", "31 ", "9999 ",
                "99999999999999999999 ", "1e309 ", "12:59:60", "12am ", "pm ", "mon ",
                "tomorrow ", "1.5.5s ", "5 days ", "ö", "2026-02-30t25:00 ",
                "{\"resets_at\":1e99}", "-1h ", ", and ",
            ]), 0..12)
        ) {
            let zone = TimeZone::get("America/New_York").unwrap();
            for now in [
                Timestamp::MIN, Timestamp::UNIX_EPOCH, NOW.parse().unwrap(), Timestamp::MAX,
            ] {
                if let Some(at) = reset_time(&words.concat(), now, &zone) {
                    assert!(is_believable(at, now));
                }
            }
        }
    }

    #[test]
    fn records_are_searched_by_the_names_of_their_keys() {
        let now: Timestamp = NOW.parse().unwrap();
        let find = |record: Value| reset_in_record(&record, now).map(|at| at.to_string());
        for (record, want) in [
            (json!({"rate_limit_info": {"resetsAt": 1_795_400_000}}), Some("2026-11-23T02:13:20Z")),
            (
                json!({"data": {"responseHeaders": {"retry-after": "2"}}}),
                Some("2026-11-22T12:00:02Z"),
            ),
            (json!({"Retry-After": "Sun, 22 Nov 2026 12:30:00 GMT"}), Some("2026-11-22T12:30:00Z")),
            (
                json!({"body": "{\"error\":{\"resets_in_seconds\":60,\
                    \"a\":[{\"retryDelay\":\"90s\"}]}}"}),
                Some("2026-11-22T12:01:30Z"),
            ),
            (json!({"reset_time": "2026-11-23T10:00:00Z"}), Some("2026-11-23T10:00:00Z")),
            (json!({"resetsAt": 1e300, "retry-after": -1}), None),
            (json!({"text": "resets 3pm"}), None),
        ] {
            assert_eq!(find(record.clone()).as_deref(), want, "{record}");
        }
    }
}
