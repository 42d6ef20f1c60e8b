//! The cost of jobs: the numbers of `aq insights` as tiles, plots and tables.

mod measure;
mod plot;
mod tables;
mod window;

use aq_runner::insights::{InsightsGroup, QueueInsights, days, insights};
use aq_runner::run::history;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::brief::{brief, count};
use super::error::PageError;
use super::guard::PageViewer;
use super::page::{self, DashboardPage};
use super::state::QueueDashboard;
use crate::output::insights::{dollars, seconds, tokens};
use crate::output::time::zone_name;
use measure::PlotMeasure;
use window::PlotWindow;

/// Columns of an engine's or a profile's name.
const NAME: usize = 60;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InsightsQuery {
    since: Option<String>,
}

/// The span that it looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InsightsSpan {
    name: &'static str,
    days: Option<i64>,
}

/// The choices; the third one is taken when none is named.
const CHOICES: [InsightsSpan; 4] = [
    InsightsSpan { name: "24h", days: Some(1) },
    InsightsSpan { name: "7d", days: Some(7) },
    InsightsSpan { name: "30d", days: Some(30) },
    InsightsSpan { name: "all", days: None },
];

/// `GET /insights?since=…`
pub(super) async fn page(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Query(wanted): Query<InsightsQuery>,
) -> Result<Markup, PageError> {
    let name = wanted.since.as_deref().unwrap_or(CHOICES[2].name);
    let since = CHOICES
        .into_iter()
        .find(|choice| choice.name == name)
        .ok_or_else(|| PageError::new(StatusCode::BAD_REQUEST, "`since` is 24h, 7d, 30d or all"))?;
    let body = dashboard
        .in_turn(&dashboard.costly, move |dashboard| {
            let now = Timestamp::now();
            let start = since.days.map(|days| now - SignedDuration::from_hours(24 * days));
            let jobs = history(&dashboard.queue).map_err(PageError::environment)?;
            Ok(body(&insights(jobs, start), since, start, now))
        })
        .await?;
    let assets = ["numbers.css", "numbers.js"];
    Ok(page::page("Insights", DashboardPage::Insights, &viewer, &assets, &body))
}

fn body(
    found: &QueueInsights,
    since: InsightsSpan,
    start: Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    let zone = TimeZone::system();
    html! {
        main.numbers {
            div.heading {
                h1 { "Insights" }
                nav.choice aria-label="How far back" {
                    @for choice in CHOICES {
                        a href={ "/insights?since=" (choice.name) }
                            aria-current=[(choice == since).then_some("true")] {
                            (choice.name)
                        }
                    }
                }
            }
            @if found.jobs.is_empty() {
                p.notice {
                    @if since.days.is_some() {
                        "No job has ended in this time. "
                        a href="/insights?since=all" { "All times" }
                    }
                    @else { "No job has run yet." }
                }
            } @else {
                (tiles(&found.all))
                (plots(found, &zone, start, now))
                (tables::groups(found))
                (tables::jobs(found))
                p.faint {
                    "Days are those of this host (" (zone_name(&zone))
                    "); a job counts with all its attempts on the day on which it ended. "
                    @if found.all.estimated { "~ is a guess from what the engine printed. " }
                    code { "aq insights --json" } " has the same numbers."
                }
            }
        }
    }
}

fn tiles(all: &InsightsGroup) -> Markup {
    let guess = if all.estimated { "~" } else { "" };
    let share = |share: Option<f64>| share.map(|share| format!("{:.0} %", share * 100.0));
    let cached = share(all.cache_share()).map(|share| format!("{share} of input cached"));
    let tiles = [
        ("Jobs", all.jobs.to_string(), Some(count(all.attempts, "attempt"))),
        (
            "Success",
            share(all.success_rate()).unwrap_or_else(|| "-".to_owned()),
            Some(format!("{} good, {} shipped", all.succeeded, all.shipped)),
        ),
        ("Cost", dollars(all.cost_usd, guess), None),
        ("Cost per shipped job", dollars(all.cost_per_shipped(), guess), None),
        ("Input tokens", tokens(all.input_tokens, guess), cached),
        ("Output tokens", tokens(all.output_tokens, guess), None),
        ("Median time at work", seconds(all.median_s), None),
    ];
    html! {
        dl.tiles {
            @for (name, value, more) in tiles {
                div.tile {
                    dt { (name) }
                    dd { (value) @if let Some(more) = more { span.more { (more) } } }
                }
            }
        }
    }
}

fn plots(
    found: &QueueInsights,
    zone: &TimeZone,
    start: Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    let date = |at: Timestamp| zone.to_datetime(at).date();
    let window = PlotWindow::new(days(&found.jobs, zone), start.map(date), date(now));
    let series = window.series();
    let profiles: Vec<(String, &InsightsGroup)> = found
        .profiles
        .iter()
        .map(|group| (brief(&group.name, NAME), group))
        .chain(found.no_profile.iter().map(|group| ("no profile".to_owned(), group)))
        .collect();
    html! {
        @if series.len() > 1 {
            ul.legend aria-label="Engines" {
                @for (n, one) in series.iter().enumerate() {
                    li {
                        svg.swatch viewBox="0 0 10 10" aria-hidden="true" {
                            rect.{ "s" (n) } width="10" height="10" rx="2" { }
                        }
                        (one.name)
                    }
                }
            }
        }
        @if window.left_out > 0 {
            p.notice {
                "Days with jobs outside the " (window.dates.len()) " days that are drawn: "
                (window.left_out) "."
            }
        }
        div.panels {
            @for measure in PlotMeasure::ALL {
                figure {
                    figcaption { (measure.title()) }
                    @if window.days.iter().any(|day| measure.of(&day.all).is_some()) {
                        (plot::by_day(&window, &series, measure))
                        (tables::by_day(&window, &series, measure))
                    } @else {
                        p.faint { "Nothing is known: no job has told it." }
                    }
                }
            }
            figure {
                figcaption { "Time at work by profile" }
                (plot::durations(&profiles))
                (tables::durations(&profiles))
            }
            figure {
                figcaption { "Success by profile" }
                (plot::successes(&profiles))
                (tables::successes(&profiles))
            }
        }
    }
}
