//! The graph as SVG.

use std::fmt::Write;

use aq_manifest::DepsMode;
use aq_runner::run::DependencyView;
use maud::{Markup, html};

use super::NodeFace;
use super::layout::{GraphLayout, HEIGHT, WIDTH, layout};
use crate::dashboard::brief::brief;

/// Around the whole, and between groups.
const MARGIN: f64 = 16.0;
const BETWEEN: f64 = 30.0;

/// Groups are beside one another up to this width.
const LINE: f64 = 1_150.0;

/// Columns of a fixed width that fit into a node, for its name and for its state.
const NAME: usize = 22;
const STATE: usize = 27;

/// A group with its nodes' and edges' places in the whole.
struct GraphGroup {
    nodes: Vec<usize>,
    edges: Vec<usize>,
    layout: GraphLayout,
}

pub(super) fn draw(graph: &DependencyView, faces: &[NodeFace], chosen: Option<usize>) -> Markup {
    let mut groups = groups(graph);
    // The largest first, and small ones side by side.
    groups.sort_by(|a, b| b.layout.height.total_cmp(&a.layout.height));
    let (mut left, mut top, mut tallest, mut width) = (0.0, 0.0, 0.0_f64, 0.0_f64);
    let mut origins = Vec::with_capacity(groups.len());
    for GraphGroup { layout, .. } in &groups {
        if left > 0.0 && left + layout.width > LINE {
            (left, top, tallest) = (0.0, top + tallest + BETWEEN, 0.0);
        }
        origins.push((left + MARGIN, top + MARGIN));
        left += layout.width;
        width = width.max(left);
        left += BETWEEN;
        tallest = tallest.max(layout.height);
    }
    let (width, height) = (width + 2.0 * MARGIN, top + tallest + 2.0 * MARGIN);
    html! {
        svg width=(round(width)) height=(round(height))
            viewBox={ "0 0 " (round(width)) " " (round(height)) } {
            defs {
                marker #tip viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
                    orient="auto" {
                    path.tip d="M0 0L8 4L0 8z" {}
                }
            }
            @for (group, &origin) in groups.iter().zip(&origins) {
                @for (&n, points) in group.edges.iter().zip(&group.layout.edges) {
                    @let edge = graph.edges[n];
                    @let is_lost = faces[edge.from].class == "ghost";
                    path.edge.soft[edge.mode == DepsMode::Soft].lost[is_lost]
                        d=(path(points, origin)) marker-end="url(#tip)" {
                        title {
                            (faces[edge.to].name) " waits for " (faces[edge.from].name)
                            @if edge.mode == DepsMode::Soft { " (soft)" }
                        }
                    }
                }
            }
            @for (group, &origin) in groups.iter().zip(&origins) {
                @for (&n, &(x, y)) in group.nodes.iter().zip(&group.layout.nodes) {
                    (node(&faces[n], (x + origin.0, y + origin.1), chosen == Some(n)))
                }
            }
        }
    }
}

fn groups(graph: &DependencyView) -> Vec<GraphGroup> {
    let mut home = vec![(0, 0); graph.nodes.len()];
    let mut groups: Vec<GraphGroup> = Vec::new();
    for (number, nodes) in graph.groups().into_iter().enumerate() {
        let nodes: Vec<usize> = nodes.into_iter().collect();
        for (place, &node) in nodes.iter().enumerate() {
            home[node] = (number, place);
        }
        groups.push(GraphGroup { nodes, edges: Vec::new(), layout: GraphLayout::default() });
    }
    for (n, edge) in graph.edges.iter().enumerate() {
        groups[home[edge.from].0].edges.push(n);
    }
    for group in &mut groups {
        let ends = group.edges.iter().map(|&n| graph.edges[n]);
        let ends: Vec<_> = ends.map(|edge| (home[edge.from].1, home[edge.to].1)).collect();
        group.layout = layout(group.nodes.len(), &ends);
    }
    groups
}

fn node(face: &NodeFace, (x, y): (f64, f64), is_chosen: bool) -> Markup {
    let inside = html! {
        title { (face.name) "\n" (face.state) }
        rect x=(round(x)) y=(round(y)) width=(WIDTH) height=(HEIGHT) rx="6" {}
        rect.mark x=(round(x)) y=(round(y)) width="6" height=(HEIGHT) rx="3" {}
        text x=(round(x + 14.0)) y=(round(y + 18.0)) { (brief(&face.name, NAME)) }
        text.state x=(round(x + 14.0)) y=(round(y + 35.0)) { (brief(&face.state, STATE)) }
    };
    html! {
        @match &face.link {
            Some(link) => a.node.(face.class).chosen[is_chosen] href=(link)
                aria-current=[is_chosen.then_some("true")] {
                (inside)
            }
            None => g.node.(face.class) { (inside) }
        }
    }
}

/// A line that bends between layers, and is straight within them.
fn path(points: &[(f64, f64)], (left, top): (f64, f64)) -> String {
    let mut out = String::new();
    let mut last = (0.0, 0.0);
    for (n, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (round(x + left), round(y + top));
        // Writing to a `String` cannot fail.
        let _ = if n == 0 {
            write!(out, "M{x} {y}")
        } else if n % 2 == 1 {
            let middle = round(f64::midpoint(last.0, x));
            write!(out, "C{middle} {} {middle} {y} {x} {y}", last.1)
        } else {
            write!(out, "L{x} {y}")
        };
        last = (x, y);
    }
    out
}

/// To a tenth, which nobody sees.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use aq_runner::run::{DependencyEdge, DependencyNode};

    fn face(name: &str, class: &'static str) -> NodeFace {
        let link = (class != "ghost").then(|| format!("/jobs/{name}"));
        NodeFace { class, name: name.to_owned(), state: "<i>".to_owned(), link }
    }

    #[test]
    fn names_are_escaped() {
        let missing = "</svg><script>alert(1)</script>".repeat(3);
        let graph = DependencyView {
            nodes: vec![
                DependencyNode::Missing(missing.clone()),
                DependencyNode::Job { id: "a".parse().unwrap(), stage: aq_manifest::Stage::Inbox },
            ],
            edges: vec![DependencyEdge { from: 0, to: 1, mode: DepsMode::Soft }],
        };
        let drawn = draw(&graph, &[face(&missing, "ghost"), face("a", "waiting")], Some(1));
        let drawn = drawn.into_string();
        assert!(!drawn.contains("<script") && !drawn.contains("<i>"), "{drawn}");
        assert!(!drawn.contains("style="), "{drawn}");
        assert!(drawn.contains(r#"class="edge soft lost""#), "{drawn}");
        assert!(drawn.contains(r#"class="node waiting chosen" href="/jobs/a""#), "{drawn}");
    }
}
