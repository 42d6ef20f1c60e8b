//! The days that are drawn, and the engines that have a colour of their own.

use std::collections::{BTreeMap, HashMap};

use aq_runner::insights::{InsightsDay, InsightsGroup};
use jiff::ToSpan;
use jiff::civil::Date;

use super::NAME;
use super::measure::PlotMeasure;
use crate::dashboard::brief::brief;

/// Days at most: a year of columns could not be distinguished.
const MOST_DAYS: usize = 92;

/// Days at least, so that the columns of a new queue are not walls.
const LEAST_DAYS: i32 = 7;

/// Engines with a colour of their own; the rest is one series.
const MOST_ENGINES: usize = 7;

/// The days that are drawn.
#[derive(Debug)]
pub(super) struct PlotWindow {
    /// All of them, also those without jobs.
    pub(super) dates: Vec<Date>,
    /// Those with jobs, the first day first.
    pub(super) days: Vec<InsightsDay>,
    /// Days with jobs that are not drawn: too long ago, or in the future by a clock that was wrong.
    pub(super) left_out: usize,
}

/// One colour.
#[derive(Debug)]
pub(super) struct PlotSeries {
    /// Its name, fit to be shown.
    pub(super) name: String,
    engines: Vec<String>,
}

impl PlotWindow {
    pub(super) fn new(days: Vec<InsightsDay>, start: Option<Date>, today: Date) -> Self {
        let all = days.len();
        let back = |days: i32| today.saturating_sub((days - 1).days());
        let earliest = back(i32::try_from(MOST_DAYS).unwrap_or(i32::MAX));
        let days: Vec<InsightsDay> =
            days.into_iter().filter(|day| (earliest..=today).contains(&day.date)).collect();
        let start = start.or(days.first().map(|day| day.date)).unwrap_or(today);
        let start = start.clamp(earliest, back(LEAST_DAYS));
        let dates = start.series(1.day()).take_while(|&date| date <= today).take(MOST_DAYS);
        Self { dates: dates.collect(), left_out: all - days.len(), days }
    }

    /// The engines of these days, those with most jobs on their own, in the order of names.
    pub(super) fn series(&self) -> Vec<PlotSeries> {
        let mut jobs: BTreeMap<&str, u64> = BTreeMap::new();
        for group in self.days.iter().flat_map(|day| &day.engines) {
            *jobs.entry(&group.name).or_default() += u64::from(group.jobs);
        }
        let mut names: Vec<(&str, u64)> = jobs.into_iter().collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let rest = names.split_off(names.len().min(MOST_ENGINES));
        names.sort_unstable();
        let own = names.into_iter().map(|(name, _)| PlotSeries {
            name: if name.is_empty() {
                "engine not recorded".to_owned()
            } else {
                brief(name, NAME)
            },
            engines: vec![name.to_owned()],
        });
        let mut series: Vec<PlotSeries> = own.collect();
        if !rest.is_empty() {
            let engines = rest.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
            series.push(PlotSeries { name: format!("{} others", engines.len()), engines });
        }
        series
    }

    /// The place of each date among [`Self::dates`].
    pub(super) fn places(&self) -> HashMap<Date, usize> {
        self.dates.iter().enumerate().map(|(place, &date)| (date, place)).collect()
    }
}

impl PlotSeries {
    /// Returns its sum of a day, and whether some of it was guessed.
    pub(super) fn on(&self, day: &InsightsDay, measure: PlotMeasure) -> (Option<f64>, bool) {
        let mine = |group: &&InsightsGroup| self.engines.contains(&group.name);
        let values = day.engines.iter().filter(mine);
        let told = values.filter_map(|group| Some((measure.of(group)?, group.estimated)));
        told.fold((None, false), |(sum, guessed), (value, estimated)| {
            (Some(sum.unwrap_or(0.0) + value), guessed | estimated)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, engines: &[(&str, u32, Option<f64>)]) -> InsightsDay {
        let group = |&(name, jobs, cost_usd): &(&str, u32, Option<f64>)| InsightsGroup {
            name: name.to_owned(),
            jobs,
            cost_usd,
            ..InsightsGroup::default()
        };
        InsightsDay {
            date: date.parse().unwrap(),
            all: InsightsGroup::default(),
            engines: engines.iter().map(group).collect(),
        }
    }

    #[test]
    fn days_that_no_plot_can_hold_are_counted() {
        let today: Date = "2026-05-10".parse().unwrap();
        let days = vec![
            day("-009998-01-01", &[]),
            day("2025-01-01", &[]),
            day("2026-05-09", &[]),
            day("9999-12-01", &[]),
        ];
        let window = PlotWindow::new(days.clone(), None, today);
        assert_eq!((window.left_out, window.days.len()), (3, 1));
        assert_eq!((window.dates.len(), window.dates[0].to_string()), (7, "2026-05-04".to_owned()));
        let month = PlotWindow::new(days, Some("2026-04-10".parse().unwrap()), today);
        assert_eq!((month.dates.len(), month.dates.last()), (31, Some(&today)));
        let ages = PlotWindow::new(vec![day("2026-01-01", &[])], Some(Date::MIN), today);
        assert_eq!((ages.dates.len(), ages.left_out), (MOST_DAYS, 1));
        assert_eq!(PlotWindow::new(vec![], None, Date::MIN).dates.len(), 1);
    }

    #[test]
    fn the_engines_with_fewest_jobs_share_a_colour() {
        let names: Vec<String> = (0..10).map(|n| format!("e{n}")).collect();
        let engines: Vec<(&str, u32, Option<f64>)> = names
            .iter()
            .enumerate()
            .map(|(n, name)| (name.as_str(), n as u32, Some(1.5)))
            .collect();
        let today: Date = "2026-05-10".parse().unwrap();
        let window = PlotWindow::new(vec![day("2026-05-10", &engines)], None, today);
        let series = window.series();
        let shown: Vec<&str> = series.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(shown, ["e3", "e4", "e5", "e6", "e7", "e8", "e9", "3 others"]);
        assert_eq!(series[7].on(&window.days[0], PlotMeasure::Cost), (Some(4.5), false));
        assert_eq!(series[0].on(&window.days[0], PlotMeasure::Input), (None, false));
    }

    #[test]
    fn hostile_name_is_made_visible() {
        let today: Date = "2026-05-10".parse().unwrap();
        let days = vec![day("2026-05-10", &[("", 1, None), ("a\u{202e}b", 1, None)])];
        let series = PlotWindow::new(days, None, today).series();
        assert_eq!(series[0].name, "engine not recorded");
        assert_eq!(series[1].name, r"a\u{202e}b");
    }
}
