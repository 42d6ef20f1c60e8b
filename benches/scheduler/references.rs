//! The same work done by other people's code, and by nothing more than it takes.

use std::collections::HashMap;

use aq_benches::inputs::{Arrival, deps_of};
use aq_scheduler::ScheduledJob;
use petgraph::acyclic::Acyclic;
use petgraph::data::Build;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Deserialize;

/// The graph of the jobs of a shape, as numbers.
pub(crate) fn graph((n, edges): (usize, usize)) -> DiGraph<(), ()> {
    let pairs = (0..n).flat_map(|n| deps_of(n, edges).into_iter().map(move |dep| (dep, n)));
    let mut graph = DiGraph::<(), ()>::with_capacity(n, n * edges);
    for _ in 0..n {
        graph.add_node(());
    }
    graph.extend_with_edges(pairs.map(|(from, to)| (from as u32, to as u32)));
    graph
}

/// petgraph's order of a graph that is there already.
pub(crate) fn toposort<N>(graph: &DiGraph<N, ()>) -> usize {
    petgraph::algo::toposort(graph, None).expect("no cycle").len()
}

/// The data of a program without a queue: the graph, the node of each key, and the count of those
/// in order.
pub(crate) type Interned = (DiGraph<String, ()>, HashMap<String, NodeIndex>, usize);

/// From jobs with text keys to a petgraph graph to its order, without all else that a queue knows.
pub(crate) fn intern_and_toposort(jobs: Vec<ScheduledJob>) -> Interned {
    let mut graph = DiGraph::<String, ()>::new();
    let mut nodes = HashMap::new();
    for job in jobs {
        let own = job.key.unwrap_or_else(|| job.id.to_string());
        let mut node = |name: String| {
            *nodes.entry(name).or_insert_with_key(|name| graph.add_node(name.clone()))
        };
        let to = node(own);
        let from: Vec<_> = job.deps.into_iter().map(node).collect();
        for from in from {
            graph.add_edge(from, to, ());
        }
    }
    let ordered = toposort(&graph);
    (graph, nodes, ordered)
}

/// A chain in `petgraph::acyclic`; a node comes when it is first spoken of, as a key does.
pub(crate) fn acyclic_chain(arrival: Arrival, n: usize) -> Acyclic<DiGraph<(), ()>> {
    let mut graph = Acyclic::<DiGraph<(), ()>>::new();
    let mut nodes = vec![None; n];
    for to in arrival.order(n).into_iter().filter(|&to| to > 0) {
        let [to, from] = [to, to - 1].map(|n| *nodes[n].get_or_insert_with(|| graph.add_node(())));
        graph.try_add_edge(from, to, ()).expect("no cycle");
    }
    graph
}

/// A job file's keys as a program would read them that has nothing but the library: no spans, no
/// findings, and texts that nobody looks into.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "what is read is not used")]
pub(crate) struct Keys {
    engine_class: String,
    prefers_engine: Vec<String>,
    cwd: String,
    yolo: bool,
    lock: String,
    timeout: String,
    priority: String,
    profile: String,
    capabilities: Vec<String>,
    idempotency_key: String,
    deps: Vec<String>,
    deps_mode: String,
    retry: Retry,
    verify: String,
    review_policy: String,
    isolation: String,
    setup: String,
    allowed_scope: Vec<String>,
    budget: Budget,
    env: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct Retry {
    max: u32,
    backoff: Backoff,
    on: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct Backoff {
    initial: String,
    factor: f64,
    max: String,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct Budget {
    usd: f64,
    tokens: u64,
    turns: u32,
}

/// The text between the fences of a job file.
pub(crate) fn front_matter(job_file: &str) -> &str {
    job_file.split("---\n").nth(1).expect("a job file with front matter")
}

pub(crate) fn saphyr(yaml: &str) -> Keys {
    serde_yaml::from_str(yaml).expect("the keys of a job file")
}

pub(crate) fn lines(record: &str) -> HashMap<&str, &str> {
    record.lines().filter_map(|line| line.split_once('=')).collect()
}
