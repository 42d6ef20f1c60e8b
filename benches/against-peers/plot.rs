//! The results as a picture: a line for each row, a mark for everybody, placed by cost beside aq's.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::Results;
use crate::rows::{Bound, PEERS, Row, rows};

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

const WIDTH: i32 = 860;
/// Where the marks begin and end.
const LEFT: i32 = 250;
const RIGHT: i32 = WIDTH - 30;
/// The legend, and below it the rows.
const LEGEND: i32 = 70;
const ROW: i32 = 30;
const FOOT: i32 = 56;

const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const GOAL: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
const OURS: RGBColor = RGBColor(0x00, 0x00, 0x00);
/// Of the peers, in their order: distinct also for those who see fewer colours (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
];

/// A mark's look.
#[derive(Clone, Copy)]
enum Mark {
    Aq,
    Floor,
    Goal,
    Peer(usize),
}

/// One row, in multiples of what it costs aq.
struct PeerRow {
    name: String,
    marks: Vec<(Mark, f64)>,
}

/// An SVG on white, so that it can be read on any page.
pub(crate) fn picture(results: &Results) -> Result<String, Failure> {
    let lines: Vec<PeerRow> = rows(results).iter().filter_map(|row| line(row, results)).collect();
    let height = LEGEND + ROW * whole(lines.len()) + FOOT;
    let mut text = String::new();
    {
        let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area, &lines, results)?;
        area.present()?;
    }
    Ok(text)
}

fn whole(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn line(row: &Row, results: &Results) -> Option<PeerRow> {
    let name = row.plotted.clone()?;
    let aq = row.value(results, "aq").filter(|value| *value > 0.0)?;
    let cost = |value: f64| if row.rate { aq / value } else { value / aq };
    let value = |who: &str| row.value(results, who).filter(|value| *value > 0.0).map(cost);
    let mut marks = Vec::new();
    for goal in row.goals.iter().filter(|goal| goal.part == 0) {
        // What must be as another row is shown by that row's own goal.
        if !matches!(goal.bound, Bound::Row(..)) {
            marks.extend(goal.limit(row, results).map(|limit| (Mark::Goal, cost(limit))));
        }
    }
    marks.extend(row.floor.first().and_then(|(who, _)| Some((Mark::Floor, value(who)?))));
    for (at, (who, _)) in PEERS.iter().enumerate() {
        marks.extend(value(who).map(|value| (Mark::Peer(at), value)));
    }
    marks.push((Mark::Aq, 1.0));
    Some(PeerRow { name, marks })
}

fn draw(area: &Area<'_>, lines: &[PeerRow], results: &Results) -> Result<(), Failure> {
    let all = || lines.iter().flat_map(|line| &line.marks).map(|(_, value)| value.log10());
    let low = all().fold(-1.0, f64::min).floor();
    let high = all().fold(1.0, f64::max).ceil();
    #[expect(clippy::cast_possible_truncation, reason = "a place in a small picture")]
    let place = |value: f64| {
        LEFT + (f64::from(RIGHT - LEFT) * (value.log10() - low) / (high - low)).round() as i32
    };
    let (top, bottom) = (LEGEND, LEGEND + ROW * whole(lines.len()));
    #[expect(clippy::cast_possible_truncation, reason = "powers of ten that fit a picture")]
    for power in low as i32..=high as i32 {
        let x = place(10f64.powi(power));
        let style = if power == 0 { INK.stroke_width(1) } else { GRID.stroke_width(1) };
        area.draw(&PathElement::new([(x, top), (x, bottom)], style))?;
        let label = match power {
            0 => "as aq".to_owned(),
            1.. => format!("{}\u{d7}", 10f64.powi(power)),
            _ => format!("1/{}", 10f64.powi(-power)),
        };
        write(area, &label, (x, bottom + 8), 13, HPos::Center)?;
    }
    let middle = i32::midpoint(LEFT, RIGHT);
    let caption = "cost beside aq's, in one run; left of the line is cheaper, right of it dearer";
    write(area, caption, (middle, bottom + 28), 13, HPos::Center)?;
    for (at, line) in lines.iter().enumerate() {
        let y = top + ROW * whole(at) + ROW / 2;
        area.draw(&PathElement::new([(LEFT, y), (RIGHT, y)], GRID.stroke_width(1)))?;
        write(area, &line.name, (LEFT - 12, y - 7), 14, HPos::Right)?;
        for &(look, value) in &line.marks {
            mark(area, look, (place(value), y))?;
        }
    }
    legend(area, results)
}

fn legend(area: &Area<'_>, results: &Results) -> Result<(), Failure> {
    let mut entries = vec![
        (Mark::Aq, "aq"),
        (Mark::Floor, "at least needed"),
        (Mark::Goal, "goal (reached where it is not left of aq)"),
    ];
    let peers = PEERS.iter().enumerate().filter(|(_, (who, _))| results.knows(who));
    entries.extend(peers.map(|(at, &(_, name))| (Mark::Peer(at), name)));
    let (mut x, mut y) = (24, 20);
    for (look, name) in entries {
        let wide = 34 + 7 * whole(name.len());
        if x + wide > WIDTH {
            (x, y) = (24, y + 26);
        }
        mark(area, look, (x, y))?;
        write(area, name, (x + 12, y - 7), 14, HPos::Left)?;
        x += wide;
    }
    Ok(())
}

fn mark(area: &Area<'_>, look: Mark, at: (i32, i32)) -> Result<(), Failure> {
    let (x, y) = at;
    match look {
        Mark::Aq => area.draw(&Circle::new(at, 6, OURS.filled())),
        Mark::Floor => area.draw(&Circle::new(at, 5, INK.stroke_width(2))),
        Mark::Goal => {
            area.draw(&PathElement::new([(x, y - 11), (x, y + 11)], GOAL.stroke_width(3)))
        }
        Mark::Peer(peer) => {
            let style = COLOURS[peer].filled();
            match peer % 3 {
                0 => area.draw(&Rectangle::new([(x - 5, y - 5), (x + 5, y + 5)], style)),
                1 => area.draw(&TriangleMarker::new(at, 7, style)),
                _ => {
                    let corners = [(x, y - 7), (x + 7, y), (x, y + 7), (x - 7, y)];
                    area.draw(&Polygon::new(corners, style))
                }
            }
        }
    }
}

/// From the top of the text.
fn write(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    anchor: HPos,
) -> Result<(), Failure> {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(anchor, VPos::Top));
    area.draw_text(text, &style, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_measured_has_a_mark_and_a_name() {
        let text = "drain\taq\t459\tjobs/s\ndrain\tninja\t1979\tjobs/s\ndrain\tnq\t410\tjobs/s\n\
                    add\taq\t4\tms\nadd\tnq\t0\tms\n";
        let results = Results::parse(text).unwrap();
        let lines: Vec<PeerRow> =
            rows(&results).iter().filter_map(|row| line(row, &results)).collect();
        let looks = |at: usize| lines[at].marks.iter().map(|(_, value)| (value * 100.0).round());
        // The goal is 0.4 of ninja; a rate that is higher costs less.
        assert_eq!(looks(0).collect::<Vec<_>>(), [58.0, 23.0, 112.0, 100.0]);
        // Nothing costs nothing: it has no place on a scale of multiples.
        assert_eq!(looks(1).collect::<Vec<_>>(), [100.0, 100.0]);
        let picture = picture(&results).unwrap();
        for name in ["drain of `true` jobs", "one add", "nq", "as aq"] {
            assert!(picture.contains(&format!("\n{name}\n")), "{name}: {picture}");
        }
        assert!(!picture.contains("pueue"));
    }
}
