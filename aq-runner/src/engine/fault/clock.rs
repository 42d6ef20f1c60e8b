//! Points in time as people write them: `1:36 PM`, `Jan 15, 8am (Europe/Berlin)`.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

/// A time that has just passed is meant, and not the same one of the next day, year or week.
const JUST_PASSED: SignedDuration = SignedDuration::from_mins(10);
/// Maximum of words in a point in time.
const WORDS_MAX: usize = 10;

#[derive(Default)]
struct TimePoint {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    weekday: Option<Weekday>,
    tomorrow: bool,
    time: Option<Time>,
    zone: Option<TimeZone>,
}

/// Reads the point in time that `text` (lower case) begins with. Without a zone of its own it is
/// in `local`; without a date it is the next such time.
pub(super) fn point(text: &str, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
    let mut words = text
        .split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| word.trim_matches(['.', ';', '!', ']', '[', '"', '\'']))
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .peekable();
    let mut point = TimePoint::default();
    while let Some(word) = words.next() {
        if point.is_empty()
            && let Some(exact) = exact(word)
        {
            return Some(exact);
        }
        let half = words.peek().copied().and_then(half_of_day);
        if let Some(time) = time(word, half) {
            point.time = Some(time);
            if half.is_some() {
                words.next();
            }
        } else if !point.take(word)? {
            break;
        }
    }
    (!point.is_empty()).then(|| point.resolve(now, local)).flatten()
}

impl TimePoint {
    fn is_empty(&self) -> bool {
        self.time.is_none() && self.day.is_none() && self.weekday.is_none() && !self.tomorrow
    }

    /// `Some(false)`: the word is no part of it. `None`: it names a zone that nobody knows.
    fn take(&mut self, word: &str) -> Option<bool> {
        let is_zone = word.starts_with('(') || matches!(word, "utc" | "gmt" | "z");
        let number = day_number(word);
        if is_zone || word.starts_with("utc+") || word.starts_with("utc-") {
            self.zone = Some(zone(word.trim_matches(['(', ')', '.']))?);
        } else if let (Some(month), None) = (month(word), self.month) {
            self.month = Some(month);
        } else if let Some(weekday) = weekday(word) {
            self.weekday = Some(weekday);
        } else if word == "tomorrow" {
            self.tomorrow = true;
        } else if let Some(at) = word.parse::<DateTime>().ok().filter(|_| word.contains('-')) {
            (self.year, self.month, self.day) = (Some(at.year()), Some(at.month()), Some(at.day()));
            if word.contains(':') {
                self.time = Some(at.time());
            }
        } else if let Some(day) = number.filter(|day| (1..=31).contains(day)) {
            self.day = i8::try_from(day).ok();
        } else if let Some(year) = number.filter(|year| (2000..3000).contains(year)) {
            self.year = Some(year);
        } else if !matches!(word, "at" | "on" | "today" | "the" | "of" | "next" | "by" | "·") {
            return Some(false);
        }
        Some(true)
    }

    fn resolve(self, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.unwrap_or_else(|| local.clone());
        let today = now.to_zoned(zone.clone()).date();
        let time = self.time.unwrap_or(Time::midnight());
        let at = |date: Date| date.to_datetime(time).to_zoned(zone.clone()).ok();
        let next = |first: Date, step: Span| -> Option<Zoned> {
            let first = at(first)?;
            let oldest = now.checked_sub(JUST_PASSED).ok()?;
            if first.timestamp() >= oldest { Some(first) } else { first.checked_add(step).ok() }
        };
        let found = match (self.month, self.day, self.weekday) {
            (Some(month), Some(day), _) => {
                let in_year = |year: i16| Date::new(year, month, day).ok();
                match self.year {
                    Some(year) => at(in_year(year)?),
                    None => next(
                        in_year(today.year()).or(in_year(today.year() + 1))?,
                        Span::new().years(1),
                    ),
                }
            }
            (None, None, Some(weekday)) => {
                let days = today.weekday().until(weekday);
                next(today.checked_add(Span::new().days(days)).ok()?, Span::new().days(7))
            }
            (None, None, None) if self.tomorrow => at(today.tomorrow().ok()?),
            (None, None, None) => next(today, Span::new().days(1)),
            _ => None,
        };
        found.map(|zoned| zoned.timestamp())
    }
}

/// A point that says all by itself: `2026-11-25T10:00:00Z`, seconds or milliseconds of the epoch.
fn exact(word: &str) -> Option<Timestamp> {
    let number = word.parse().ok().filter(|_| word.len() >= 10).and_then(epoch);
    number.or_else(|| word.to_uppercase().parse().ok())
}

/// `13:36`, `1:36:05`, `1:36pm`, `8am`; a bare `8` only when `am` or `pm` follows.
fn time(word: &str, half: Option<i8>) -> Option<Time> {
    let (digits, half) = match word.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => (&word[..at], Some(half_of_day(&word[at..])?)),
        None => (word, half),
    };
    if half.is_none() && !digits.contains(':') {
        return None;
    }
    let mut parts = digits
        .split(':')
        .map(|part| part.parse::<i8>().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())));
    let (hour, minute, second) =
        (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
        None => hour,
    };
    Time::new(hour, minute, second, 0).ok()
}

/// The hours to add.
fn half_of_day(word: &str) -> Option<i8> {
    match word.trim_end_matches(['.', ')']) {
        "am" | "a.m" => Some(0),
        "pm" | "p.m" => Some(12),
        _ => None,
    }
}

fn day_number(word: &str) -> Option<i16> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end));
    digits.unwrap_or(word).parse().ok()
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The place of `word`, or of what it shortens, in a list of names.
fn place(names: &[&str], word: &str) -> Option<i8> {
    let found = names.iter().position(|name| word.len() >= 3 && name.starts_with(word))?;
    i8::try_from(found + 1).ok()
}

fn month(word: &str) -> Option<i8> {
    place(&MONTHS, if word == "sept" { "sep" } else { word })
}

fn weekday(word: &str) -> Option<Weekday> {
    Weekday::from_monday_one_offset(place(&WEEKDAYS, word)?).ok()
}

fn zone(name: &str) -> Option<TimeZone> {
    let hours = name.strip_prefix("utc").or_else(|| name.strip_prefix("gmt"));
    match hours {
        Some("") => Some(TimeZone::UTC),
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "0"));
            let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
            let seconds =
                hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)? * hours.signum())?;
            Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
        }
        None if name == "z" => Some(TimeZone::UTC),
        None => TimeZone::get(name).ok(),
    }
}

/// Seconds of the epoch, or milliseconds when it is so many.
pub(super) fn epoch(number: f64) -> Option<Timestamp> {
    let seconds = if number > 1e11 { number / 1e3 } else { number };
    // From 2001 on; less is no time.
    let whole = (1e9..1e11).contains(&seconds).then_some(seconds)?;
    #[expect(clippy::cast_possible_truncation, reason = "in range, as just checked")]
    Timestamp::from_second(whole as i64).ok()
}
