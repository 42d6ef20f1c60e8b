//! Which engines rest, for how long, and which wait for a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::ErrorClass;
use super::reason::short;
use super::windows::{SeenWindows, UsageWindow, put};

/// The pause after a first limit whose end nobody named. It doubles with every probe that meets the
/// limit again.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause whose end nobody named.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// No cool-down that is read back reaches further than this from when it was written.
const LONGEST: SignedDuration = SignedDuration::from_hours(61 * 24);
/// A record from further in the future than this was written by a clock that was wrong.
const CLOCK_ERROR: SignedDuration = SignedDuration::from_hours(1);
/// The most accounts that are read back.
const ACCOUNTS_MAX: usize = 1000;
/// The longest file that is read, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// An engine with one of its accounts. Limits belong to accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineAccount {
    /// The engine's name.
    pub engine: String,
    /// Which account, as [`EngineRegistry::account`](super::EngineRegistry::account) keeps them
    /// apart.
    pub account: String,
}

/// Availability of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineUse {
    /// Without a limit.
    Ready,
    /// Nothing starts before `until`.
    CoolingDown {
        /// The first instant at which it may be tried.
        until: Timestamp,
        /// The class: [`ErrorClass::Quota`] or [`ErrorClass::Capacity`].
        class: ErrorClass,
    },
    /// One job goes first, and what becomes of it decides.
    Probe,
    /// A person has to act first.
    OutOfUse {
        /// The class: [`ErrorClass::Auth`] or [`ErrorClass::Config`].
        class: ErrorClass,
        /// The vendor's words, in one line.
        reason: String,
    },
}

/// The state of all engines that are not simply ready. Goes to disk as text; the caller does that,
/// and holds a lock from reading to writing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineCooldowns {
    accounts: BTreeMap<EngineAccount, CooldownState>,
    windows: BTreeMap<EngineAccount, SeenWindows>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CooldownState {
    /// When it was last seen.
    seen: Timestamp,
    #[serde(with = "class_name")]
    class: ErrorClass,
    reason: String,
    /// The end of a cool-down; none when a person has to act.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Limits met in a row, each after the one before had ended.
    #[serde(default)]
    pauses: u32,
    /// The binary and config that did not work.
    #[serde(default)]
    stamp: String,
}

impl CooldownState {
    /// The clock was set back since: what it said about the future is worth nothing.
    fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.seen.duration_since(now) > CLOCK_ERROR
    }
}

#[derive(Serialize, Deserialize)]
struct WindowsEntry {
    #[serde(flatten)]
    account: EngineAccount,
    #[serde(flatten)]
    seen: SeenWindows,
}

#[derive(Serialize, Deserialize)]
struct CooldownEntry {
    #[serde(flatten)]
    account: EngineAccount,
    #[serde(flatten)]
    rest: CooldownState,
}

impl EngineCooldowns {
    /// A run met a limit ([`ErrorClass::is_limit`]) that ends at `reset`, if its vendor named a
    /// time to come. Gives the end of the cool-down.
    ///
    /// Without a named time the pause is 1 minute, and doubles up to 1 hour each time that a probe
    /// meets the limit again. A named time is obeyed; when the limit is met again right after it,
    /// the growing pause holds as well, so that a vendor who always says "in 2 seconds" is not
    /// asked every 2 seconds. Jobs that meet the same limit while it lasts do not make it grow.
    pub fn limited(
        &mut self,
        account: &EngineAccount,
        class: ErrorClass,
        reason: &str,
        reset: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let before = self.accounts.get(account);
        let before = before.filter(|rest| rest.until.is_some() && !rest.is_from_the_future(now));
        let lasts = before.and_then(|rest| rest.until).filter(|&until| until > now);
        let pauses = before.map_or(0, |rest| rest.pauses);
        let pauses = if lasts.is_some() { pauses } else { pauses.saturating_add(1) };
        let reset = reset.filter(|&reset| reset > now && reset.duration_since(now) < LONGEST);
        let paused = match (lasts, reset) {
            (Some(until), _) => until,
            (None, Some(_)) if pauses == 1 => now,
            (None, Some(_)) => later(now, pause(pauses - 1)),
            (None, None) => later(now, pause(pauses)),
        };
        let until = reset.map_or(paused, |reset| reset.max(paused));
        let rest = CooldownState {
            seen: now,
            class,
            reason: short(reason),
            until: Some(until),
            pauses,
            stamp: String::new(),
        };
        self.accounts.insert(account.clone(), rest);
        until
    }

    /// A run failed in a way that a person has to mend ([`ErrorClass::needs_a_person`]). `stamp`
    /// identifies the engine's binary and config: another one is worth another try.
    pub fn broken(
        &mut self,
        account: &EngineAccount,
        class: ErrorClass,
        reason: &str,
        stamp: &str,
        now: Timestamp,
    ) {
        let (reason, stamp) = (short(reason), stamp.to_owned());
        let rest = CooldownState { seen: now, class, reason, until: None, pauses: 0, stamp };
        self.accounts.insert(account.clone(), rest);
    }

    /// A run that began at `started` worked: the engine is ready, unless trouble was seen since.
    /// Gives whether that changed anything.
    pub fn worked(&mut self, account: &EngineAccount, started: Timestamp, now: Timestamp) -> bool {
        let is_over = |rest: &CooldownState| rest.seen <= started || rest.is_from_the_future(now);
        let over = self.accounts.get(account).is_some_and(is_over);
        if over {
            self.accounts.remove(account);
        }
        over
    }

    /// A run that has ended at `now` said this of the windows of its account.
    pub fn saw_windows(
        &mut self,
        account: &EngineAccount,
        windows: Vec<UsageWindow>,
        now: Timestamp,
    ) {
        let known = self.windows.entry(account.clone());
        let known = known.or_insert(SeenWindows { seen: now, windows: Vec::new() });
        known.seen = now;
        put(&mut known.windows, windows);
    }

    /// The windows of an account, when its vendor has described them.
    pub fn windows(&self, account: &EngineAccount) -> Option<&SeenWindows> {
        self.windows.get(account)
    }

    /// Answers whether an account is on file as not simply ready.
    pub fn has(&self, account: &EngineAccount) -> bool {
        self.accounts.contains_key(account)
    }

    /// A person says that the engine is to be used again (`aq engines --retry`), with all its
    /// accounts. Gives whether that changed anything.
    pub fn retry(&mut self, engine: &str) -> bool {
        let before = self.accounts.len();
        self.accounts.retain(|account, _| account.engine != engine);
        before != self.accounts.len()
    }

    /// Returns the engine's availability now. `stamp` identifies its present binary and config.
    pub fn state(&self, account: &EngineAccount, stamp: &str, now: Timestamp) -> EngineUse {
        let Some(rest) = self.accounts.get(account) else { return EngineUse::Ready };
        let CooldownState { class, .. } = *rest;
        match rest.until {
            _ if rest.is_from_the_future(now) => EngineUse::Probe,
            Some(until) if until > now => EngineUse::CoolingDown { until, class },
            None if rest.stamp == stamp => {
                EngineUse::OutOfUse { class, reason: rest.reason.clone() }
            }
            _ => EngineUse::Probe,
        }
    }

    /// Every account that is not simply ready, with what its vendor said.
    pub fn all(&self) -> impl Iterator<Item = (&EngineAccount, &str)> {
        self.accounts.iter().map(|(account, rest)| (account, rest.reason.as_str()))
    }

    /// The text of the file: one JSON object.
    pub fn to_text(&self) -> String {
        let entry = |(account, rest): (&EngineAccount, &CooldownState)| CooldownEntry {
            account: account.clone(),
            rest: rest.clone(),
        };
        let entries: Vec<CooldownEntry> = self.accounts.iter().map(entry).collect();
        let windows = |(account, seen): (&EngineAccount, &SeenWindows)| WindowsEntry {
            account: account.clone(),
            seen: seen.clone(),
        };
        let mut file = serde_json::json!({ "version": 1, "engines": entries });
        if !self.windows.is_empty() {
            let windows: Vec<WindowsEntry> = self.windows.iter().map(windows).collect();
            file["windows"] = serde_json::to_value(windows).unwrap_or_default();
        }
        let mut text = file.to_string();
        text.push('\n');
        text
    }

    /// Reads [`to_text`](Self::to_text) back. What is torn or cannot be is left out: at worst, an
    /// engine meets its limit once more.
    pub fn from_text(text: &str) -> Self {
        let file: Value = match text.len() {
            0..=TEXT_MAX => serde_json::from_str(text).unwrap_or_default(),
            _ => Value::Null,
        };
        let entries = file["engines"].as_array().into_iter().flatten().take(ACCOUNTS_MAX);
        let read = |entry: &Value| CooldownEntry::deserialize(entry).ok();
        let can_be = |entry: &CooldownEntry| match entry.rest.until {
            Some(until) => {
                entry.rest.class.is_limit() && until.duration_since(entry.rest.seen) < LONGEST
            }
            None => entry.rest.class.needs_a_person(),
        };
        let mut accounts = BTreeMap::new();
        for CooldownEntry { account, mut rest } in entries.filter_map(read).filter(can_be) {
            rest.reason = short(&rest.reason);
            accounts.insert(account, rest);
        }
        let entries = file["windows"].as_array().into_iter().flatten().take(ACCOUNTS_MAX);
        let windows = entries.filter_map(|entry| WindowsEntry::deserialize(entry).ok());
        let windows = windows.map(|entry| (entry.account, entry.seen.cleaned())).collect();
        Self { accounts, windows }
    }
}

/// The pause after this many limits in a row.
fn pause(limits: u32) -> SignedDuration {
    let doubled = 1_i32.checked_shl(limits.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    FIRST_PAUSE.checked_mul(doubled).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

mod class_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::ErrorClass;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(class: &ErrorClass, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(class.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ErrorClass, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(engine: &str) -> EngineAccount {
        EngineAccount { engine: engine.to_owned(), account: "default".to_owned() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn limited(rests: &mut EngineCooldowns, reset: Option<i64>, now: i64) -> i64 {
        let reset = reset.map(at);
        let until = rests.limited(&account("a"), ErrorClass::Quota, "enough", reset, at(now));
        assert_eq!(
            rests.state(&account("a"), "", at(now)),
            EngineUse::CoolingDown { until, class: ErrorClass::Quota }
        );
        assert_eq!(rests.state(&account("a"), "", until), EngineUse::Probe);
        assert_eq!(rests.state(&account("b"), "", at(now)), EngineUse::Ready);
        until.as_second() - at(0).as_second()
    }

    #[test]
    fn a_pause_doubles_from_a_minute_to_an_hour() {
        let (mut rests, mut now) = (EngineCooldowns::default(), 0);
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = limited(&mut rests, None, now);
            assert_eq!(until - now, minutes * 60);
            now = until;
        }
        assert!(rests.worked(&account("a"), at(now), at(now)));
        assert_eq!(limited(&mut rests, None, now), now + 60);
    }

    #[test]
    fn a_named_end_is_obeyed() {
        let mut rests = EngineCooldowns::default();
        assert_eq!(limited(&mut rests, Some(5), 0), 5);
        // Again right after it: the pause grows as well.
        assert_eq!(limited(&mut rests, Some(8), 6), 66);
        assert_eq!(limited(&mut rests, Some(9000), 70), 9000);
        let mut passed = EngineCooldowns::default();
        assert_eq!(limited(&mut passed, Some(-5), 0), 60);
    }

    #[test]
    fn many_jobs_that_meet_one_limit_are_one_limit() {
        let mut rests = EngineCooldowns::default();
        for _ in 0..5 {
            assert_eq!(limited(&mut rests, None, 0), 60);
        }
        assert_eq!(limited(&mut rests, Some(500), 1), 500);
        assert_eq!(limited(&mut rests, None, 2), 500);
        // One of them that began before and ends well afterwards proves nothing.
        assert!(!rests.worked(&account("a"), at(1), at(600)));
        assert!(rests.worked(&account("a"), at(501), at(600)));
        assert_eq!(rests, EngineCooldowns::default());
    }

    #[test]
    fn outage_waits_for_a_change() {
        let mut rests = EngineCooldowns::default();
        let key = account("a");
        rests.broken(&key, ErrorClass::Auth, "Not logged in\n", "v1", at(0));
        let reason = "Not logged in".to_owned();
        let out = EngineUse::OutOfUse { class: ErrorClass::Auth, reason };
        assert_eq!(rests.state(&key, "v1", at(9_000_000)), out);
        assert_eq!(rests.state(&key, "v2", at(1)), EngineUse::Probe);
        assert_eq!(rests.all().collect::<Vec<_>>(), [(&key, "Not logged in")]);
        assert!(!rests.retry("b") && rests.retry("a"));
        assert_eq!(rests.state(&key, "v1", at(1)), EngineUse::Ready);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_pause() {
        let mut rests = EngineCooldowns::default();
        limited(&mut rests, Some(5000), 0);
        assert_eq!(rests.state(&account("a"), "", at(-100_000)), EngineUse::Probe);
        assert!(matches!(rests.state(&account("a"), "", at(-10)), EngineUse::CoolingDown { .. }));
    }

    #[test]
    fn clock_set_back_ends_cooldowns() {
        let month = 30 * 86_400;
        let mut rests = EngineCooldowns::default();
        limited(&mut rests, Some(5000), 0);
        let mut met = rests.clone();
        assert_eq!(limited(&mut met, None, -month), 60 - month, "as a first limit");
        let mut named = rests.clone();
        assert_eq!(limited(&mut named, Some(90 - month), -month), 90 - month);
        assert!(rests.worked(&account("a"), at(-month), at(60 - month)));
        assert_eq!(rests, EngineCooldowns::default());
    }

    #[test]
    fn nonsense_is_not_read_back() {
        let mut rests = EngineCooldowns::default();
        limited(&mut rests, Some(700), 0);
        rests.broken(&account("b"), ErrorClass::Config, "no config", "v1", at(3));
        let window =
            UsageWindow { name: "5-hour".to_owned(), used_percent: 42.5, resets_at: Some(at(700)) };
        rests.saw_windows(&account("a"), vec![window], at(4));
        let text = rests.to_text();
        assert_eq!(EngineCooldowns::from_text(&text), rests);
        assert_eq!(rests.windows(&account("a")).unwrap().seen, at(4));
        assert_eq!(rests.windows(&account("b")), None);
        for end in 0..text.len() - 1 {
            assert_eq!(
                EngineCooldowns::from_text(&text[..end]),
                EngineCooldowns::default(),
                "{end}"
            );
        }
        let entry = |class: &str, until: &str| {
            format!(
                "{{\"engines\":[7,{{\"engine\":\"a\",\"account\":\"x\",\
                \"seen\":\"2026-11-22T00:00:00Z\",\"class\":\"{class}\",\"reason\":\"r\",\
                \"until\":{until}}}]}}"
            )
        };
        let read = |class: &str, until: &str| EngineCooldowns::from_text(&entry(class, until));
        assert_eq!(read("quota", "\"2026-11-23T00:00:00Z\"").accounts.len(), 1);
        for (class, until) in [
            ("quota", "\"9000-01-01T00:00:00Z\""),
            ("quota", "null"),
            ("auth", "\"2026-11-23T00:00:00Z\""),
            ("bad", "\"2026-11-23T00:00:00Z\""),
            ("quota", "\"soon\""),
        ] {
            assert_eq!(read(class, until), EngineCooldowns::default(), "{class} {until}");
        }
    }
}
