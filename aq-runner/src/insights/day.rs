//! Numbers by day.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::group::InsightsGroup;
use super::numbers::JobNumbers;

/// The jobs whose last attempt ended on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct InsightsDay {
    /// The day.
    pub date: Date,
    /// All of them together.
    pub all: InsightsGroup,
    /// By engine, in the order of names; those of which no engine is recorded have an empty one.
    /// Each job is in one of them, so that they come to `all`.
    pub engines: Vec<InsightsGroup>,
}

/// The numbers of each day in a time zone that has any, the first day first. A job counts with all
/// its attempts on the day on which the last of them ended; one of which that is not recorded is on
/// none.
pub fn days(jobs: &[JobNumbers], zone: &TimeZone) -> Vec<InsightsDay> {
    let mut days: BTreeMap<Date, BTreeMap<&str, Vec<&JobNumbers>>> = BTreeMap::new();
    for job in jobs {
        if let Some(ended) = job.ended_at {
            let engines = days.entry(zone.to_datetime(ended).date()).or_default();
            engines.entry(job.engine.as_deref().unwrap_or("")).or_default().push(job);
        }
    }
    let day = |(date, engines): (Date, BTreeMap<&str, Vec<&JobNumbers>>)| {
        let jobs: Vec<&JobNumbers> = engines.values().flatten().copied().collect();
        let engines = engines.into_iter().map(|(name, jobs)| InsightsGroup::of(name, &jobs));
        InsightsDay { date, all: InsightsGroup::of("", &jobs), engines: engines.collect() }
    };
    days.into_iter().map(day).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aq_ledger::KeyName;
    use aq_manifest::Stage;

    fn job(id: &str, engine: &str, ended: &str, cost: &str) -> JobNumbers {
        let meta = [("engine", engine), ("ended_at", ended), ("cost_usd", cost), ("attempts", "1")];
        JobNumbers::read(id.parse().unwrap(), Stage::Shipped, |key| {
            meta.iter()
                .find(|(name, value)| *name == key.text() && !value.is_empty())
                .map(|pair| pair.1)
        })
    }

    #[test]
    fn days_are_the_readers() {
        let jobs = [
            job("late", "x", "2026-03-01T23:30:00Z", "1"),
            job("early", "y", "2026-03-01T00:30:00Z", "0.5"),
            job("same", "x", "2026-03-01T12:00:00Z", "0.25"),
            job("bare", "", "2026-03-01T13:00:00Z", ""),
            job("never", "x", "", "8"),
        ];
        let found = days(&jobs, &TimeZone::UTC);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].all.cost_usd, Some(1.75));
        let engines: Vec<_> = found[0]
            .engines
            .iter()
            .map(|group| (&*group.name, group.jobs, group.cost_usd))
            .collect();
        assert_eq!(engines, [("", 1, None), ("x", 2, Some(1.25)), ("y", 1, Some(0.5))]);

        let east = TimeZone::fixed(jiff::tz::offset(2));
        let dates: Vec<String> =
            days(&jobs, &east).iter().map(|day| day.date.to_string()).collect();
        assert_eq!(dates, ["2026-03-01", "2026-03-02"]);
        assert!(days(&[], &east).is_empty());
    }
}
