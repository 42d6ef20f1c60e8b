//! Times and durations as people read them.

use aq_manifest::format_duration;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A duration in at most two units: `3m12s`, `2d4h`, `0s`.
pub(crate) fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0).unsigned_abs();
    let coarse = match seconds {
        0..3_600 => seconds,
        3_600..86_400 => seconds - seconds % 60,
        _ => seconds - seconds % 3_600,
    };
    format_duration(std::time::Duration::from_secs(coarse))
}

/// A time to come: `14:08:30 (in 12m5s)`, with the date when it is not today. Local time.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> String {
    format!("{} (in {})", clock(at, now), short(at.duration_since(now)))
}

/// A time: `14:08:30`, with the date when it is not today. Local time.
pub(crate) fn clock(at: Timestamp, now: Timestamp) -> String {
    let here = TimeZone::system();
    let (local, today) = (at.to_zoned(here.clone()), now.to_zoned(here));
    let format = if local.date() == today.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    local.strftime(format).to_string()
}

/// A time zone by its name, such as `Europe/Berlin`; one without a name by its distance from UTC
/// now.
pub(crate) fn zone_name(zone: &TimeZone) -> String {
    let offset = || zone.to_offset(Timestamp::now()).to_string();
    zone.iana_name().map_or_else(offset, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, want) in
            [(0, "0s"), (-5, "0s"), (59, "59s"), (725, "12m5s"), (3_725, "1h2m"), (180_725, "2d2h")]
        {
            assert_eq!(short(SignedDuration::from_secs(seconds)), want);
        }
    }

    #[test]
    fn future_times_show_their_distance() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let soon = until(now + SignedDuration::from_secs(725), now);
        assert!(soon.ends_with(" (in 12m5s)"), "{soon}");
        let far = until(now + SignedDuration::from_hours(50), now);
        assert!(far.starts_with("2026-02-0") && far.ends_with(" (in 2d2h)"), "{far}");
    }
}
