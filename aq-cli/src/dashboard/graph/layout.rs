//! Places for nodes, in layers from left to right, so that everything is right of what it waits
//! for.
//!
//! The steps are those of Sugiyama: break circles, give layers, route long edges through the layers
//! between, order each layer to have few crossings, move nodes towards their neighbours. All are
//! bounded by the number of places, whatever the graph is.

use std::collections::HashMap;

/// The size of a node.
pub(super) const WIDTH: f64 = 190.0;
pub(super) const HEIGHT: f64 = 44.0;

/// Between layers, where edges bend; between nodes; and what an edge takes that passes between
/// nodes.
const ACROSS: f64 = 56.0;
const GAP: f64 = 14.0;
const LANE: f64 = 12.0;

/// Places at most, nodes and edges that pass a layer together. With more, edges go straight.
const MOST: usize = 3_000;

/// Rounds of ordering, and of moving.
const ROUNDS: usize = 12;

/// Where everything is. The origin is the top left corner.
#[derive(Debug, Default, PartialEq)]
pub(super) struct GraphLayout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The top left corner of each node.
    pub(super) nodes: Vec<(f64, f64)>,
    /// The points of each edge, from its source on; between the second and the third it bends, and
    /// so on.
    pub(super) edges: Vec<Vec<(f64, f64)>>,
}

/// An item with a place in a layer: a node, or an edge that passes.
#[derive(Clone, Copy, Debug)]
struct LayoutItem {
    layer: usize,
    height: f64,
}

/// Lays nodes `0..count` out; edges lead from what is waited for.
pub(super) fn layout(count: usize, edges: &[(usize, usize)]) -> GraphLayout {
    let forward = without_circles(count, edges);
    let layers = layers(count, &forward);
    let mut places: Vec<LayoutItem> =
        layers.iter().map(|&layer| LayoutItem { layer, height: HEIGHT }).collect();
    let passed: usize =
        forward.iter().map(|&(a, b)| (layers[b] - layers[a]).saturating_sub(1)).sum();
    // The places of each edge in turn, its ends included.
    let mut routes = Vec::with_capacity(edges.len());
    for &(from, to) in &forward {
        let mut route = vec![from];
        if count + passed <= MOST {
            for layer in layers[from] + 1..layers[to] {
                route.push(places.len());
                places.push(LayoutItem { layer, height: 0.0 });
            }
        }
        route.push(to);
        routes.push(route);
    }
    let links: Vec<(usize, usize)> =
        routes.iter().flat_map(|route| route.windows(2).map(|pair| (pair[0], pair[1]))).collect();
    let rows = ordered(&places, &links);
    let middles = moved(&places, &links, &rows);
    drawn(count, edges, &forward, &places, &middles, &routes)
}

/// The edges, with those turned round that close a circle.
fn without_circles(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy, PartialEq)]
    enum VisitState {
        Never,
        Open,
        Done,
    }
    let mut next = vec![Vec::new(); count];
    for (n, &(from, to)) in edges.iter().enumerate() {
        next[from].push((n, to));
    }
    let mut seen = vec![VisitState::Never; count];
    let mut turned = edges.to_vec();
    for start in 0..count {
        if seen[start] != VisitState::Never {
            continue;
        }
        seen[start] = VisitState::Open;
        let mut path = vec![(start, 0)];
        while let Some((node, at)) = path.last_mut() {
            if let Some(&(edge, to)) = next[*node].get(*at) {
                *at += 1;
                match seen[to] {
                    VisitState::Never => {
                        seen[to] = VisitState::Open;
                        path.push((to, 0));
                    }
                    VisitState::Open => turned[edge] = (to, edges[edge].0),
                    VisitState::Done => {}
                }
            } else {
                seen[*node] = VisitState::Done;
                path.pop();
            }
        }
    }
    turned
}

/// A layer for each node: right of all that leads to it, and what nothing leads to as far right as
/// it can be.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut next = vec![Vec::new(); count];
    let mut open = vec![0_usize; count];
    for &(from, to) in edges.iter().filter(|(from, to)| from != to) {
        next[from].push(to);
        open[to] += 1;
    }
    let sources: Vec<usize> = (0..count).filter(|&node| open[node] == 0).collect();
    let mut layers = vec![0; count];
    let mut ready = sources.clone();
    while let Some(node) = ready.pop() {
        for &to in &next[node] {
            layers[to] = layers[to].max(layers[node] + 1);
            open[to] -= 1;
            if open[to] == 0 {
                ready.push(to);
            }
        }
    }
    for node in sources {
        if let Some(nearest) = next[node].iter().map(|&to| layers[to]).min() {
            layers[node] = nearest - 1;
        }
    }
    layers
}

/// The neighbours of each place on the left and on the right.
fn neighbours(count: usize, links: &[(usize, usize)]) -> [Vec<Vec<usize>>; 2] {
    let mut sides = [vec![Vec::new(); count], vec![Vec::new(); count]];
    for &(from, to) in links {
        sides[0][to].push(from);
        sides[1][from].push(to);
    }
    sides
}

/// The places of each layer from top to bottom.
fn ordered(places: &[LayoutItem], links: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let depth = places.iter().map(|place| place.layer + 1).max().unwrap_or(0);
    let mut rows = vec![Vec::new(); depth];
    for (n, place) in places.iter().enumerate() {
        rows[place.layer].push(n);
    }
    let sides = neighbours(places.len(), links);
    let mut rank = vec![0.0; places.len()];
    let number = |row: &[usize], rank: &mut [f64]| {
        for (n, &place) in row.iter().enumerate() {
            rank[place] = real(n);
        }
    };
    rows.iter().for_each(|row| number(row, &mut rank));
    for round in 0..ROUNDS {
        let side = &sides[round % 2];
        let order: Vec<usize> =
            if round % 2 == 0 { (0..depth).collect() } else { (0..depth).rev().collect() };
        for layer in order {
            let row = &mut rows[layer];
            let wish: HashMap<usize, f64> = row
                .iter()
                .map(|&place| (place, mean(&side[place], &rank).unwrap_or(rank[place])))
                .collect();
            row.sort_by(|a, b| wish[a].total_cmp(&wish[b]));
            number(row, &mut rank);
        }
    }
    rows
}

/// The height of the middle of each place: near those of its neighbours, in the order of its layer.
fn moved(places: &[LayoutItem], links: &[(usize, usize)], rows: &[Vec<usize>]) -> Vec<f64> {
    let sides = neighbours(places.len(), links);
    let mut middles = vec![0.0; places.len()];
    for round in 0..=ROUNDS {
        let order: Vec<usize> = if round % 2 == 0 {
            (0..rows.len()).collect()
        } else {
            (0..rows.len()).rev().collect()
        };
        for row in order.into_iter().map(|layer| &rows[layer]) {
            let wishes: Vec<f64> = row
                .iter()
                .map(|&place| match round {
                    0 => 0.0,
                    // At last towards both sides.
                    ROUNDS => {
                        let both = [0, 1].map(|side: usize| mean(&sides[side][place], &middles));
                        let (sum, count) =
                            both.iter().flatten().fold((0.0, 0.0), |(s, n), m| (s + m, n + 1.0));
                        if count > 0.0 { sum / count } else { middles[place] }
                    }
                    _ => mean(&sides[round % 2][place], &middles).unwrap_or(middles[place]),
                })
                .collect();
            for (&place, at) in row.iter().zip(apart(row, places, &wishes)) {
                middles[place] = at;
            }
        }
    }
    middles
}

/// The positions nearest to the wishes (by their squares) that keep the order and the distances.
fn apart(row: &[usize], places: &[LayoutItem], wishes: &[f64]) -> Vec<f64> {
    // Where each would be if all were as near as they may.
    let mut tight = Vec::with_capacity(row.len());
    let mut at = 0.0;
    for (n, &place) in row.iter().enumerate() {
        if n > 0 {
            let both = [places[row[n - 1]].height, places[place].height];
            let gap = if both.contains(&0.0) { LANE } else { GAP };
            at += both[0] / 2.0 + both[1] / 2.0 + gap;
        }
        tight.push(at);
    }
    // Less that, the positions must only not fall: neighbours that would are put on their mean.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (wish, tight) in wishes.iter().zip(&tight) {
        let mut block = (wish - tight, 1);
        while let Some(&(value, size)) = blocks.last()
            && value > block.0
        {
            blocks.pop();
            let whole = size + block.1;
            block = ((value * real(size) + block.0 * real(block.1)) / real(whole), whole);
        }
        blocks.push(block);
    }
    let values = blocks.into_iter().flat_map(|(value, size)| std::iter::repeat_n(value, size));
    values.zip(tight).map(|(value, tight)| value + tight).collect()
}

fn drawn(
    count: usize,
    edges: &[(usize, usize)],
    forward: &[(usize, usize)],
    places: &[LayoutItem],
    middles: &[f64],
    routes: &[Vec<usize>],
) -> GraphLayout {
    let extent = |side: f64| {
        let edge = places
            .iter()
            .zip(middles)
            .map(move |(place, middle)| middle + side * place.height / 2.0);
        edge.fold(0.0, if side < 0.0 { f64::min } else { f64::max })
    };
    let first = extent(-1.0);
    let left = |place: usize| real(places[place].layer) * (WIDTH + ACROSS);
    let middle = |place: usize| middles[place] - first;
    let nodes = (0..count).map(|node| (left(node), middle(node) - HEIGHT / 2.0)).collect();
    let route = |n: usize| {
        let route = &routes[n];
        let last = route.len() - 1;
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(2 * route.len());
        for (at, &place) in route.iter().enumerate() {
            if at > 0 {
                points.push((left(place), middle(place)));
            }
            if at < last {
                points.push((left(place) + WIDTH, middle(place)));
            }
        }
        if forward[n] != edges[n] {
            points.reverse();
        }
        points
    };
    let deepest = places.iter().map(|place| place.layer).max().unwrap_or(0);
    GraphLayout {
        width: if count == 0 { 0.0 } else { real(deepest) * (WIDTH + ACROSS) + WIDTH },
        height: extent(1.0) - first,
        nodes,
        edges: (0..edges.len()).map(route).collect(),
    }
}

fn mean(of: &[usize], values: &[f64]) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().map(|&n| values[n]).sum::<f64>() / real(of.len()))
}

#[expect(clippy::cast_precision_loss, reason = "places are few")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No two nodes touch, and each is right of what it waits for.
    fn check(count: usize, edges: &[(usize, usize)], has_circle: bool) -> GraphLayout {
        let found = layout(count, edges);
        assert_eq!((found.nodes.len(), found.edges.len()), (count, edges.len()));
        for (n, a) in found.nodes.iter().enumerate() {
            assert!(a.0 >= 0.0 && a.1 >= -0.01, "{a:?}");
            assert!(a.0 + WIDTH <= found.width && a.1 + HEIGHT <= found.height + 0.01, "{a:?}");
            for b in &found.nodes[..n] {
                let apart = (a.0 - b.0).abs() >= WIDTH || (a.1 - b.1).abs() >= HEIGHT;
                assert!(apart, "{a:?} {b:?} of {edges:?}");
            }
        }
        for (&(from, to), points) in edges.iter().zip(&found.edges) {
            assert!(has_circle || found.nodes[from].0 < found.nodes[to].0);
            let ends = [points[0], points[points.len() - 1]];
            for (end, node) in ends.into_iter().zip([from, to]) {
                let (left, top) = found.nodes[node];
                assert!((end.1 - top - HEIGHT / 2.0).abs() < 0.01);
                assert!((end.0 - left).abs() < 0.01 || (end.0 - left - WIDTH).abs() < 0.01);
            }
        }
        found
    }

    #[test]
    fn long_edges_go_round_chains() {
        let chain = check(3, &[(0, 1), (1, 2)], false);
        assert!(chain.nodes.iter().all(|node| (node.1 - chain.nodes[0].1).abs() < 0.01));
        let round = check(3, &[(0, 1), (1, 2), (0, 2)], false);
        let lane = round.edges[2][1].1.min(round.edges[2][2].1);
        let (top, at) = (round.nodes[1].1, round.edges[2][2].1);
        assert!(at < top || at > top + HEIGHT, "{lane} {round:?}");
        // A late source is beside what waits for it.
        let late = check(5, &[(0, 1), (1, 2), (2, 3), (4, 3)], false);
        assert!((late.nodes[4].0 - late.nodes[2].0).abs() < 0.01);
    }

    #[test]
    fn circles_and_nothing_are_drawn() {
        check(3, &[(0, 1), (1, 2), (2, 0)], true);
        check(2, &[(0, 1), (1, 0), (0, 1)], true);
        assert_eq!(layout(0, &[]), GraphLayout::default());
        check(1, &[], false);
    }

    #[test]
    fn any_graph_is_laid_out_without_touching_nodes() {
        let mut seed = 7_u64;
        let mut below = |n: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % n
        };
        for round in 0..120 {
            let count = 2 + below(if round < 110 { 20 } else { 200 });
            let all: Vec<(usize, usize)> = (0..below(count * 3))
                .map(|_| (below(count), below(count)))
                .filter(|(a, b)| a != b)
                .collect();
            check(count, &all, true);
            let forward: Vec<_> = all.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            check(count, &forward, false);
        }
    }

    #[test]
    fn the_densest_graph_is_laid_out_at_once() {
        let edges: Vec<(usize, usize)> =
            (0..300).flat_map(|to| (0..to).map(move |from| (from, to))).take(2_000).collect();
        check(300, &edges, false);
        let chain: Vec<(usize, usize)> = (1..300).flat_map(|n| [(n - 1, n), (0, n)]).collect();
        check(300, &chain, false);
    }
}
