//! Numbers of many jobs together.

use std::collections::BTreeMap;

use aq_manifest::Stage;
use jiff::Timestamp;

use super::numbers::JobNumbers;

/// Jobs that have something in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InsightsGroup {
    /// Its name: an engine's or a profile's; empty for all jobs.
    pub name: String,
    /// Jobs that have run.
    pub jobs: u32,
    /// Of these, whose work was good.
    pub succeeded: u32,
    /// Of these, that were shipped.
    pub shipped: u32,
    /// Attempts of all of them.
    pub attempts: u32,
    /// The median of their seconds at work.
    pub median_s: Option<f64>,
    /// Spread of their seconds at work.
    pub spread: Option<TimeSpread>,
    /// Input tokens that were not cached.
    pub input_tokens: Option<u64>,
    /// Input tokens from a cache.
    pub cached_tokens: Option<u64>,
    /// Input tokens that were written to a cache, where engines count them apart.
    pub cache_write_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// Tokens of reasoning, where engines count them beside the output.
    pub reasoning_tokens: Option<u64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
    /// Some of it was guessed from text.
    pub estimated: bool,
}

/// Spread of seconds at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeSpread {
    /// The shortest.
    pub min_s: f64,
    /// A quarter takes at most this.
    pub lower_s: f64,
    /// A quarter takes at least this.
    pub upper_s: f64,
    /// The longest.
    pub max_s: f64,
}

impl InsightsGroup {
    pub(super) fn of(name: &str, jobs: &[&JobNumbers]) -> Self {
        let count = |good: &dyn Fn(&JobNumbers) -> bool| {
            u32::try_from(jobs.iter().filter(|job| good(job)).count()).unwrap_or(u32::MAX)
        };
        let sum = |value: &dyn Fn(&JobNumbers) -> Option<u64>| {
            jobs.iter().filter_map(|job| value(job)).reduce(u64::saturating_add)
        };
        let mut durations: Vec<f64> = jobs.iter().filter_map(|job| job.duration_s).collect();
        durations.sort_by(f64::total_cmp);
        Self {
            name: name.to_owned(),
            jobs: count(&|_| true),
            succeeded: count(&JobNumbers::succeeded),
            shipped: count(&|job| job.stage == Stage::Shipped),
            attempts: jobs.iter().fold(0, |sum, job| sum.saturating_add(job.attempts)),
            median_s: quantile(&durations, 0.5),
            spread: spread(&durations),
            input_tokens: sum(&|job| job.input_tokens),
            cached_tokens: sum(&|job| job.cached_tokens),
            cache_write_tokens: sum(&|job| job.cache_write_tokens),
            output_tokens: sum(&|job| job.output_tokens),
            reasoning_tokens: sum(&|job| job.reasoning_tokens),
            cost_usd: jobs.iter().filter_map(|job| job.cost_usd).reduce(|a, b| a + b),
            estimated: jobs.iter().any(|job| job.estimated),
        }
    }

    /// The share of jobs whose work was good, 0 to 1; `None` without jobs.
    pub fn success_rate(&self) -> Option<f64> {
        ratio(f64::from(self.succeeded), f64::from(self.jobs))
    }

    /// Attempts for each job whose work was good.
    pub fn attempts_per_success(&self) -> Option<f64> {
        ratio(f64::from(self.attempts), f64::from(self.succeeded))
    }

    /// US dollars for each shipped job, those of the others included.
    pub fn cost_per_shipped(&self) -> Option<f64> {
        ratio(self.cost_usd?, f64::from(self.shipped))
    }

    /// The share of input tokens that came from a cache, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than a double holds")]
    pub fn cache_share(&self) -> Option<f64> {
        let cached = self.cached_tokens? as f64;
        ratio(cached, cached + self.new_input_tokens().unwrap_or(0) as f64)
    }

    /// Input tokens that no cache served: also those that were written to one.
    pub fn new_input_tokens(&self) -> Option<u64> {
        match (self.input_tokens, self.cache_write_tokens) {
            (Some(input), Some(written)) => Some(input.saturating_add(written)),
            (input, written) => input.or(written),
        }
    }

    /// Tokens that models wrote, with the reasoning that is counted beside their output.
    pub fn written_tokens(&self) -> Option<u64> {
        match (self.output_tokens, self.reasoning_tokens) {
            (Some(output), Some(reasoning)) => Some(output.saturating_add(reasoning)),
            (output, reasoning) => output.or(reasoning),
        }
    }
}

/// Sums of all jobs, and of each engine and each profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueInsights {
    /// The jobs, the last to end first.
    pub jobs: Vec<JobNumbers>,
    /// All of them together.
    pub all: InsightsGroup,
    /// By engine, in the order of names.
    pub engines: Vec<InsightsGroup>,
    /// By profile, in the order of names.
    pub profiles: Vec<InsightsGroup>,
    /// The jobs without a profile; `None` without such jobs.
    pub no_profile: Option<InsightsGroup>,
}

/// Puts the numbers of jobs that have run since a time together.
pub fn insights(
    jobs: impl IntoIterator<Item = JobNumbers>,
    since: Option<Timestamp>,
) -> QueueInsights {
    let counts = |job: &JobNumbers| {
        job.has_run() && since.is_none_or(|since| job.ended_at.is_some_and(|ended| ended >= since))
    };
    let mut jobs: Vec<JobNumbers> = jobs.into_iter().filter(counts).collect();
    jobs.sort_by(|a, b| (b.ended_at, &b.id).cmp(&(a.ended_at, &a.id)));
    let engines = groups(&jobs, |job| job.engine.as_deref());
    let profiles = groups(&jobs, |job| job.profile.as_deref());
    let all = InsightsGroup::of("", &jobs.iter().collect::<Vec<_>>());
    let no_profile: Vec<&JobNumbers> = jobs.iter().filter(|job| job.profile.is_none()).collect();
    let no_profile = (!no_profile.is_empty()).then(|| InsightsGroup::of("", &no_profile));
    QueueInsights { jobs, all, engines, profiles, no_profile }
}

fn groups(jobs: &[JobNumbers], name: impl Fn(&JobNumbers) -> Option<&str>) -> Vec<InsightsGroup> {
    let mut members: BTreeMap<&str, Vec<&JobNumbers>> = BTreeMap::new();
    for job in jobs {
        if let Some(name) = name(job) {
            members.entry(name).or_default().push(job);
        }
    }
    members.into_iter().map(|(name, jobs)| InsightsGroup::of(name, &jobs)).collect()
}

/// The value that a part of sorted values does not exceed, between two of them where that falls
/// there.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list that fits into memory"
)]
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? as f64 * part;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

fn spread(sorted: &[f64]) -> Option<TimeSpread> {
    Some(TimeSpread {
        min_s: *sorted.first()?,
        lower_s: quantile(sorted, 0.25)?,
        upper_s: quantile(sorted, 0.75)?,
        max_s: *sorted.last()?,
    })
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aq_ledger::KeyName;
    use std::collections::HashMap;

    fn job(id: &str, stage: Stage, meta: &[(&str, &str)]) -> JobNumbers {
        let meta: HashMap<&str, &str> = meta.iter().copied().collect();
        JobNumbers::read(id.parse().unwrap(), stage, |key| meta.get(key.text()).copied())
    }

    #[test]
    fn unknown_numbers_do_not_count() {
        let found = insights(
            [
                job(
                    "a",
                    Stage::Shipped,
                    &[
                        ("engine", "x"),
                        ("attempts", "1"),
                        ("duration_s", "2.5"),
                        ("input_tokens", "10"),
                    ],
                ),
                job(
                    "b",
                    Stage::Failed,
                    &[
                        ("engine", "x"),
                        ("attempts", "3"),
                        ("duration_s", "nonsense"),
                        ("cost_usd", "-1"),
                    ],
                ),
                job("c", Stage::Failed, &[("engine", "y")]),
                job("d", Stage::Inbox, &[("engine", "y"), ("attempts", "1")]),
            ],
            None,
        );
        assert_eq!(found.engines.len(), 1);
        let x = &found.engines[0];
        assert_eq!((x.jobs, x.succeeded, x.shipped, x.attempts), (2, 1, 1, 4));
        assert_eq!((x.median_s, x.input_tokens, x.cost_usd), (Some(2.5), Some(10), None));
        assert_eq!((x.success_rate(), x.attempts_per_success()), (Some(0.5), Some(4.0)));
        assert_eq!((x.cost_per_shipped(), x.cache_share()), (None, None));
    }

    #[test]
    fn cache_writes_are_new_input() {
        let numbers = [
            ("attempts", "1"),
            ("input_tokens", "100"),
            ("cached_tokens", "300"),
            ("cache_write_tokens", "200"),
            ("output_tokens", "50"),
            ("reasoning_tokens", "7"),
        ];
        let with = job("a", Stage::Testing, &numbers);
        let old = job("b", Stage::Testing, &numbers[..3]);
        let all = insights([with, old.clone()], None).all;
        assert_eq!((all.cache_write_tokens, all.reasoning_tokens), (Some(200), Some(7)));
        assert_eq!((all.new_input_tokens(), all.written_tokens()), (Some(400), Some(57)));
        assert_eq!(all.cache_share(), Some(0.6));
        let all = insights([old], None).all;
        assert_eq!((all.new_input_tokens(), all.written_tokens()), (Some(100), None));
    }

    #[test]
    fn totals_over_attempts_go_before_the_last_attempts_own() {
        let one = job(
            "a",
            Stage::Testing,
            &[("attempts", "2"), ("cost_usd", "0.5"), ("total_cost_usd", "1.25")],
        );
        assert_eq!(one.cost_usd, Some(1.25));
    }

    #[test]
    fn quantiles_are_interpolated() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), Some(2.5));
        let about = spread(&values).unwrap();
        assert_eq!((about.min_s, about.lower_s), (1.0, 1.75));
        assert_eq!((about.upper_s, about.max_s), (3.25, 4.0));
        assert_eq!(quantile(&[7.0], 0.25), Some(7.0));
        assert_eq!((quantile(&[], 0.5), spread(&[])), (None, None));
    }

    #[test]
    fn profileless_jobs_are_a_group() {
        let with = job("a", Stage::Shipped, &[("attempts", "1"), ("profile", "p")]);
        assert_eq!(insights([with.clone()], None).no_profile, None);
        let without = job("b", Stage::Failed, &[("attempts", "2")]);
        let found = insights([with, without], None);
        let rest = found.no_profile.unwrap();
        assert_eq!((rest.jobs, rest.attempts, rest.succeeded), (1, 2, 0));
        assert_eq!(found.profiles.len(), 1);
    }

    #[test]
    fn since_leaves_out_what_ended_before() {
        let jobs = [
            job("old", Stage::Shipped, &[("attempts", "1"), ("ended_at", "2026-01-01T00:00:00Z")]),
            job("new", Stage::Shipped, &[("attempts", "1"), ("ended_at", "2026-01-03T00:00:00Z")]),
        ];
        let found = insights(jobs, Some("2026-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(found.jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["new"]);
    }
}
