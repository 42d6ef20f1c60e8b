//! The plots. The library lays them out and writes SVG; here it gets colours that only name a role,
//! which the style sheet turns into those of the reader's scheme, and places to point at.

use aq_runner::insights::InsightsGroup;
use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;

use super::measure::PlotMeasure;
use super::tables::share;
use super::window::{PlotSeries, PlotWindow};
use crate::dashboard::brief::brief;
use crate::output::insights::seconds;

/// In units of the picture, which is as wide as its box.
const WIDTH: u32 = 430;
const HEIGHT: u32 = 230;

/// The height of a row in a plot by profile, and of what is around all of them.
const ROW: u32 = 30;
const FOOT: u32 = 44;

/// Profiles that are drawn: those with most jobs.
const MOST_ROWS: usize = 12;

/// Letters of a profile's name that fit.
const NAME: usize = 13;

/// Roles, in place of colours: `numbers.css` knows them by these values.
const INK: RGBColor = RGBColor(0, 0, 1);
const GRID: RGBColor = RGBColor(0, 0, 2);
const GOOD: RGBColor = RGBColor(0, 0, 3);
const REST: RGBColor = RGBColor(0, 0, 4);
const HALF: RGBColor = RGBColor(0, 0, 5);

/// The role of a series.
fn role(series: usize) -> RGBColor {
    RGBColor(0, 0, u8::try_from(0x10 + series).unwrap_or(u8::MAX))
}

/// Maximum of a plot. More comes from no real job, and the library would look for round numbers in
/// vain.
const MOST: f64 = 1e15;

/// Seconds that are drawn.
const SECONDS: [f64; 2] = [0.01, 1e9];

/// Ticks of times, in seconds: round for people.
const TIMES: [(f64, &str); 10] = [
    (0.01, "10ms"),
    (0.1, "0.1s"),
    (1.0, "1s"),
    (10.0, "10s"),
    (60.0, "1m"),
    (600.0, "10m"),
    (3_600.0, "1h"),
    (36_000.0, "10h"),
    (864_000.0, "10d"),
    (8_640_000.0, "100d"),
];

/// Where one can point, and what it says there.
struct PlotHint {
    top_left: (i32, i32),
    bottom_right: (i32, i32),
    text: String,
}

/// A row of a plot by profile.
struct PlotRow {
    name: String,
    values: Vec<f64>,
    text: String,
}

type CliFailure = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Rows<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<MarkedAxis, MarkedAxis>>;

/// An axis with marks of our own.
struct MarkedAxis {
    low: f64,
    high: f64,
    marks: Vec<f64>,
}

impl Ranged for MarkedAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "a place in a small picture")]
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        from + (f64::from(to - from) * part).round() as i32
    }

    fn key_points<PlotHint: KeyPointHint>(&self, _: PlotHint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.low..self.high
    }
}

/// Columns by day, the series of a day on top of one another.
pub(super) fn by_day(window: &PlotWindow, series: &[PlotSeries], measure: PlotMeasure) -> Markup {
    let places = window.places();
    let mut columns = vec![Vec::new(); window.dates.len()];
    let mut hints = Vec::new();
    for day in &window.days {
        let Some(&place) = places.get(&day.date) else { continue };
        let values: Vec<_> = series.iter().map(|one| one.on(day, measure)).collect();
        columns[place] =
            values.iter().map(|(value, _)| value.map_or(0.0, |value| value.min(MOST))).collect();
        let mut text = day.date.to_string();
        for (one, &(value, estimated)) in series.iter().zip(&values) {
            if value.is_some() {
                text += &format!("\n{}: {}", one.name, measure.text(value, estimated));
            }
        }
        if series.len() > 1 {
            let all = measure.text(measure.of(&day.all), day.all.estimated);
            text += &format!("\ntogether: {all}");
        }
        hints.push((place, text));
    }
    let labels: Vec<String> =
        window.dates.iter().map(|date| date.strftime("%-d %b").to_string()).collect();
    picture(measure.title(), HEIGHT, |area| stacked(area, &labels, &columns, &hints, measure))
}

fn stacked(
    area: &Area<'_>,
    labels: &[String],
    columns: &[Vec<f64>],
    hints: &[(usize, String)],
    measure: PlotMeasure,
) -> Result<Vec<PlotHint>, CliFailure> {
    let highest = columns.iter().map(|parts| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    let highest = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    // From today backwards, as many as have room.
    let every = labels.len().div_ceil(7).max(1);
    let named: Vec<f64> =
        (0..labels.len()).rev().step_by(every).map(|place| real(place) + 0.5).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_right(20)
        .x_label_area_size(24)
        .y_label_area_size(50)
        .build_cartesian_2d(
            MarkedAxis { low: 0.0, high: real(labels.len()), marks: named },
            0.0..highest,
        )?;
    let name = |at: &f64| labels.get(whole(*at)).cloned().unwrap_or_default();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .set_all_tick_mark_size(2)
        .y_labels(5)
        .x_label_formatter(&name)
        .y_label_formatter(&|value| measure.tick(*value))
        .label_style(("sans-serif", 15, &INK))
        .draw()?;
    let gap = if labels.len() > 45 { 0.08 } else { 0.16 };
    for (place, parts) in columns.iter().enumerate() {
        let (left, right) = (real(place) + gap, real(place) + 1.0 - gap);
        let mut from = 0.0;
        for (series, part) in parts.iter().enumerate().filter(|(_, part)| **part > 0.0) {
            let corners = [(left, from), (right, from + part)];
            chart.draw_series([Rectangle::new(corners, role(series).filled())])?;
            from += part;
        }
    }
    let hint = |(place, text): &(usize, String)| PlotHint {
        top_left: chart.backend_coord(&(real(*place), highest)),
        bottom_right: chart.backend_coord(&(real(*place) + 1.0, 0.0)),
        text: text.clone(),
    };
    Ok(hints.iter().map(hint).collect())
}

/// A row for each profile: from the shortest to the longest job, a box around the middle half, and
/// a line at the median.
pub(super) fn durations(profiles: &[(String, &InsightsGroup)]) -> Markup {
    let row = |(name, group): &(String, &InsightsGroup)| {
        let spread = group.spread?;
        let five = [spread.min_s, spread.lower_s, group.median_s?, spread.upper_s, spread.max_s];
        let [min, lower, median, upper, max] = five.map(|value| seconds(Some(value)));
        let text =
            format!("{name}\nmedian {median}\nhalf of them {lower} to {upper}\nall {min} to {max}");
        let values = five.map(|value| value.clamp(SECONDS[0], SECONDS[1]).log10()).to_vec();
        Some(PlotRow { name: brief(name, NAME), values, text })
    };
    let rows: Vec<PlotRow> = largest(profiles).filter_map(row).collect();
    if rows.is_empty() {
        return html! { p.faint { "Nothing is known: no job has told it." } };
    }
    let low = rows.iter().map(|row| row.values[0]).fold(f64::MAX, f64::min);
    let high = rows.iter().map(|row| row.values[4]).fold(f64::MIN, f64::max);
    // At least a factor of a hundred, so that there are ticks, and equal values have a place.
    let spare = ((2.0 - (high - low)) / 2.0).max(0.08);
    let range = (low - spare, high + spare);
    let ticks = TIMES.map(|(value, name)| (value.log10(), name));
    picture("Time at work by profile", height(&rows), |area| {
        by_row(area, &rows, range, &ticks, |chart, at, values| {
            let (top, bottom) = (at + 0.3, at - 0.3);
            let line = |from, to, width| PathElement::new(vec![from, to], INK.stroke_width(width));
            let half = Rectangle::new([(values[1], top), (values[3], bottom)], HALF.filled());
            chart.draw_series([line((values[0], at), (values[4], at), 1)])?;
            chart.draw_series([half])?;
            chart.draw_series([line((values[2], top), (values[2], bottom), 3)])?;
            Ok(())
        })
    })
}

/// A row for each profile: the share of its jobs whose work was good.
pub(super) fn successes(profiles: &[(String, &InsightsGroup)]) -> Markup {
    let row = |(name, group): &(String, &InsightsGroup)| {
        let rate = group.success_rate()?;
        let text =
            format!("{name}\n{} of {} jobs good ({})", group.succeeded, group.jobs, share(rate));
        Some(PlotRow { name: brief(name, NAME), values: vec![rate * 100.0], text })
    };
    let rows: Vec<PlotRow> = largest(profiles).filter_map(row).collect();
    let ticks = [(0.0, "0 %"), (25.0, "25 %"), (50.0, "50 %"), (75.0, "75 %"), (100.0, "100 %")];
    picture("Success by profile", height(&rows), |area| {
        by_row(area, &rows, (0.0, 100.0), &ticks, |chart, at, values| {
            let (top, bottom) = (at + 0.3, at - 0.3);
            let bar =
                |end, role: RGBColor| Rectangle::new([(0.0, top), (end, bottom)], role.filled());
            chart.draw_series([bar(100.0, REST), bar(values[0], GOOD)])?;
            Ok(())
        })
    })
}

/// The profiles with most jobs, in the order in which they came.
fn largest<'a>(
    profiles: &'a [(String, &'a InsightsGroup)],
) -> impl Iterator<Item = &'a (String, &'a InsightsGroup)> {
    let mut jobs: Vec<u32> = profiles.iter().map(|(_, group)| group.jobs).collect();
    jobs.sort_unstable_by(|a, b| b.cmp(a));
    let least = jobs.get(MOST_ROWS - 1).copied().unwrap_or(0);
    profiles.iter().filter(move |(_, group)| group.jobs >= least).take(MOST_ROWS)
}

fn by_row(
    area: &Area<'_>,
    rows: &[PlotRow],
    (low, high): (f64, f64),
    ticks: &[(f64, &'static str)],
    draw: impl Fn(&mut Rows<'_, '_>, f64, &[f64]) -> Result<(), CliFailure>,
) -> Result<Vec<PlotHint>, CliFailure> {
    let count = real(rows.len());
    let middle = |row: usize| count - real(row) - 0.5;
    let marks = ticks.iter().map(|tick| tick.0).filter(|at| (low..=high).contains(at)).collect();
    let names = (0..rows.len()).map(middle).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_right(22)
        .x_label_area_size(24)
        .y_label_area_size(112)
        .build_cartesian_2d(
            MarkedAxis { low, high, marks },
            MarkedAxis { low: 0.0, high: count, marks: names },
        )?;
    let tick = |at: &f64| {
        let named = ticks.iter().find(|(value, _)| (value - at).abs() < 1e-9);
        named.map_or(String::new(), |(_, name)| (*name).to_owned())
    };
    let name = |at: &f64| rows.get(whole(count - at)).map_or("", |row| &row.name).to_owned();
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .set_all_tick_mark_size(2)
        .x_label_formatter(&tick)
        .y_label_formatter(&name)
        .label_style(("sans-serif", 15, &INK))
        .draw()?;
    for (at, row) in rows.iter().enumerate() {
        draw(&mut chart, middle(at), &row.values)?;
    }
    let hint = |(at, row): (usize, &PlotRow)| {
        let (_, top) = chart.backend_coord(&(low, count - real(at)));
        let (right, bottom) = chart.backend_coord(&(high, count - real(at) - 1.0));
        PlotHint { top_left: (0, top), bottom_right: (right, bottom), text: row.text.clone() }
    };
    Ok(rows.iter().enumerate().map(hint).collect())
}

/// The drawing of `draw`, with the places to point at over it.
fn picture(
    title: &str,
    height: u32,
    draw: impl FnOnce(&Area<'_>) -> Result<Vec<PlotHint>, CliFailure>,
) -> Markup {
    let mut text = String::new();
    let hints = {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        draw(&area).and_then(|hints| area.present().map(|()| hints))
    };
    let hints = match hints {
        Ok(hints) => hints,
        Err(problem) => return html! { p.problem { "This cannot be drawn: " (problem) } },
    };
    // Our own outermost element in place of the library's: the picture is as wide as its box.
    let inside = text.split_once(">\n").map_or("", |(_, rest)| rest);
    let inside = inside.rsplit_once("</svg>").map_or("", |(inside, _)| inside);
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (height) } role="img"
            aria-label={ (title) "; a table with the values follows" } {
            // The library's, which escapes all words that it is given.
            (PreEscaped(inside))
            @for PlotHint { top_left: (left, top), bottom_right: (right, bottom), text } in &hints {
                rect.hit x=(left) y=(top) width=(right - left) height=(bottom - top) {
                    title { (text) }
                }
            }
        }
    }
}

fn height(rows: &[PlotRow]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(1) * ROW + FOOT
}

#[expect(clippy::cast_precision_loss, reason = "days and profiles are few")]
fn real(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list, which saturates"
)]
fn whole(place: f64) -> usize {
    place as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use aq_runner::insights::{InsightsDay, TimeSpread};

    fn window(cost: f64) -> PlotWindow {
        let group = InsightsGroup {
            name: "<b>&\"".to_owned(),
            jobs: 1,
            cost_usd: Some(cost),
            ..InsightsGroup::default()
        };
        let date = "2026-05-10".parse().unwrap();
        PlotWindow::new(
            vec![InsightsDay { date, all: group.clone(), engines: vec![group] }],
            None,
            date,
        )
    }

    #[test]
    fn names_are_escaped_and_nothing_is_styled_in_place() {
        let window = window(1.5);
        let drawn = by_day(&window, &window.series(), PlotMeasure::Cost).into_string();
        assert!(!drawn.contains("<b>") && !drawn.contains("style"), "{drawn}");
        assert!(drawn.contains("&lt;b&gt;&amp;&quot;: $1.50"), "{drawn}");
        assert!(drawn.contains(r##"fill="#000010""##), "{drawn}");

        let spread = TimeSpread { min_s: 1.0, lower_s: 2.0, upper_s: 3.0, max_s: 4.0 };
        let group = InsightsGroup {
            jobs: 4,
            median_s: Some(2.5),
            spread: Some(spread),
            ..InsightsGroup::default()
        };
        let profiles = [("<script>x</script>".to_owned(), &group)];
        for drawn in [durations(&profiles), successes(&profiles)] {
            let drawn = drawn.into_string();
            assert!(!drawn.contains("<script") && !drawn.contains("style"), "{drawn}");
            assert!(drawn.contains("&lt;script&gt;x&lt;/s…"), "{drawn}");
        }
    }

    #[test]
    fn numbers_without_measure_are_drawn_all_the_same() {
        for cost in [0.0, 1e-300, 1e300, f64::INFINITY] {
            let window = window(cost);
            let drawn = by_day(&window, &window.series(), PlotMeasure::Cost).into_string();
            assert!(drawn.contains("class=\"hit\""), "{cost}: {drawn}");
        }
        for (low, high) in [(0.0, 0.0), (5.0, 5.0), (0.0, f64::MAX)] {
            let spread = TimeSpread { min_s: low, lower_s: low, upper_s: high, max_s: high };
            let group = InsightsGroup {
                jobs: 2,
                median_s: Some(low),
                spread: Some(spread),
                ..InsightsGroup::default()
            };
            let drawn = durations(&[("p".to_owned(), &group)]).into_string();
            assert!(drawn.contains("class=\"hit\""), "{low} {high}: {drawn}");
        }
    }
}
