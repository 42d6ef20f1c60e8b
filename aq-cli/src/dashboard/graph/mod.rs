//! Which job waits for which.

mod draw;
mod layout;

use std::collections::{BTreeMap, BTreeSet};

use aq_manifest::{DepsMode, JobId, Stage};
use aq_runner::run::{DependencyNode, DependencyView, JobView, QueueOverview, dependencies};
use aq_runner::store::JobRecord;
use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::board::remark;
use super::brief::brief;
use super::error::PageError;
use super::feed::Look;
use super::guard::PageViewer;
use super::page::{self, DashboardPage};
use super::state::{QueueDashboard, job_id};

/// Jobs that are drawn; more could not be read, and a browser would be busy with them.
const MOST_NODES: usize = 300;

/// Dependencies that are drawn.
const MOST_EDGES: usize = 1_000;

/// Columns of a key, and of the words for a state.
const NAME: usize = 100;
const STATE: usize = 300;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GraphQuery {
    job: String,
}

/// The look of a node.
#[derive(Clone, Debug)]
struct NodeFace {
    /// The class of its state.
    class: &'static str,
    name: String,
    /// Its state, in words.
    state: String,
    link: Option<String>,
}

/// The part of the graph that is drawn.
struct GraphPicture {
    graph: DependencyView,
    faces: Vec<NodeFace>,
    chosen: Option<usize>,
    jobs_left_out: usize,
    edges_left_out: usize,
}

/// `GET /graph?job=…`
pub(super) async fn page(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Query(wanted): Query<GraphQuery>,
) -> Result<Markup, PageError> {
    let look = dashboard.feed.fresh().await;
    let job = wanted.job.trim();
    let job = if job.is_empty() { None } else { Some(job_id(job)?) };
    let work = move |dashboard: &QueueDashboard| body(dashboard, &look, job.as_ref());
    let body = dashboard.in_turn(&dashboard.costly, work).await?;
    let assets = ["numbers.css", "numbers.js"];
    Ok(page::page("Graph", DashboardPage::Graph, &viewer, &assets, &body))
}

fn body(dashboard: &QueueDashboard, look: &Look, job: Option<&JobId>) -> Result<Markup, PageError> {
    let overview = look.as_ref().map_err(PageError::environment)?;
    let found = picture(dashboard, overview, job)?;
    Ok(html! {
        main.numbers {
            div.heading { h1 { "Dependencies" @if let Some(job) = job { " of " (job) } } }
            div.graph-tools {
                form action="/graph" role="search" data-plain="" {
                    input name="job" value=[job.map(JobId::as_str)]
                        placeholder="A job, with what it waits for" aria-label="Job"
                        autocomplete="off" spellcheck="false";
                    button { "Show" }
                }
                @if job.is_some() { a href="/graph" { "All jobs" } }
            }
            @match found {
                None => (nothing(job)),
                Some(picture) => (shown(&picture)),
            }
        }
    })
}

fn nothing(job: Option<&JobId>) -> Markup {
    html! {
        p.notice {
            @match job {
                Some(job) => {
                    a href={ "/jobs/" (job) } { (job) }
                    " waits for nothing, and nothing waits for it."
                }
                None => {
                    "No job waits for another one. A job file says so with "
                    code { "deps: [KEY]" }
                    ", where KEY is the "
                    code { "idempotency-key" }
                    " of the other."
                }
            }
        }
    }
}

fn shown(picture: &GraphPicture) -> Markup {
    let has_ghosts = picture.faces.iter().any(|face| face.class == "ghost");
    html! {
        ul.legend.lines aria-label="Lines" {
            li {
                svg viewBox="0 0 30 12" aria-hidden="true" { path.edge d="M0 6H30" {} }
                "must be shipped (hard)"
            }
            li {
                svg viewBox="0 0 30 12" aria-hidden="true" { path.edge.soft d="M0 6H30" {} }
                "must be shipped or in testing (soft)"
            }
            @if has_ghosts {
                li {
                    svg viewBox="0 0 30 12" aria-hidden="true" { path.edge.lost d="M0 6H30" {} }
                    "no job holds the key"
                }
            }
        }
        @if picture.jobs_left_out > 0 {
            p.notice {
                (picture.jobs_left_out)
                " more are not drawn; name a job above to see what is around it."
            }
        }
        @if picture.edges_left_out > 0 {
            p.notice { (picture.edges_left_out) " dependencies between these are not drawn." }
        }
        div.graph.scroll tabindex="0" role="region"
            aria-label="Graph of dependencies; the same as a list follows" {
            (draw::draw(&picture.graph, &picture.faces, picture.chosen))
        }
        (list(picture))
    }
}

/// The same in words.
fn list(picture: &GraphPicture) -> Markup {
    let mut waits: BTreeMap<usize, Vec<(usize, DepsMode)>> = BTreeMap::new();
    for edge in &picture.graph.edges {
        waits.entry(edge.to).or_default().push((edge.from, edge.mode));
    }
    html! {
        details #graph-list {
            summary { "As a list" }
            ul {
                @for (n, face) in picture.faces.iter().enumerate() {
                    li {
                        (link(face)) span.faint { " " (face.state) }
                        @if let Some(deps) = waits.get(&n) {
                            ": waits for "
                            @for (at, &(dep, mode)) in deps.iter().enumerate() {
                                @if at > 0 { ", " }
                                (link(&picture.faces[dep]))
                                @if mode == DepsMode::Soft { " (soft)" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn link(face: &NodeFace) -> Markup {
    html! {
        @match &face.link {
            Some(to) => a href=(to) { (face.name) },
            None => em { (face.name) }
        }
    }
}

/// Returns the part that is drawn; `None` when that is nothing.
fn picture(
    dashboard: &QueueDashboard,
    overview: &QueueOverview,
    job: Option<&JobId>,
) -> Result<Option<GraphPicture>, PageError> {
    let views = || overview.jobs.iter().chain(&overview.ended);
    // One that ended long ago is not among them.
    let own = match job {
        Some(job) if !views().any(|view| view.record.id == *job) => {
            let stage = dashboard.queue.find(job);
            let stage = stage.ok_or_else(|| PageError::not_found("there is no such job"))?;
            let record = JobRecord::read(&dashboard.queue, stage, job.clone());
            Some(record.map_err(PageError::environment)?)
        }
        _ => None,
    };
    let records = views().map(|view| &view.record).chain(&own);
    let all = dependencies(&dashboard.queue, records).map_err(PageError::environment)?;
    let kept = match job {
        Some(job) => match all.place(job) {
            Some(place) => nearest(&all, place),
            None => BTreeSet::new(),
        },
        None => fitting(&all),
    };
    if kept.is_empty() {
        return Ok(None);
    }
    let whole = match job.and_then(|job| all.place(job)) {
        Some(place) => all.around(place).len(),
        None => all.nodes.len(),
    };
    let mut graph = all.only(&kept);
    let edges_left_out = graph.edges.len().saturating_sub(MOST_EDGES);
    graph.edges.truncate(MOST_EDGES);
    let known: BTreeMap<&JobId, &JobView> = views().map(|view| (&view.record.id, view)).collect();
    Ok(Some(GraphPicture {
        faces: graph.nodes.iter().map(|node| face(node, &known)).collect(),
        chosen: job.and_then(|job| graph.place(job)),
        jobs_left_out: whole - kept.len(),
        edges_left_out,
        graph,
    }))
}

/// Returns the surroundings of a job, with itself.
fn nearest(all: &DependencyView, place: usize) -> BTreeSet<usize> {
    let around = all.around(place);
    std::iter::once(place)
        .chain(around.into_iter().filter(|&n| n != place))
        .take(MOST_NODES)
        .collect()
}

/// Whole groups while they fit, those first in which something has not ended.
fn fitting(all: &DependencyView) -> BTreeSet<usize> {
    let is_live = |node: &usize| match &all.nodes[*node] {
        DependencyNode::Job { stage, .. } => !stage.is_final(),
        DependencyNode::Missing(_) => false,
    };
    let (live, ended): (Vec<_>, Vec<_>) =
        all.groups().into_iter().partition(|group| group.iter().any(is_live));
    let mut kept = BTreeSet::new();
    for group in live.into_iter().chain(ended) {
        if kept.is_empty() {
            kept.extend(group.into_iter().take(MOST_NODES));
        } else if kept.len() + group.len() <= MOST_NODES {
            kept.extend(group);
        }
    }
    kept
}

fn face(node: &DependencyNode, known: &BTreeMap<&JobId, &JobView>) -> NodeFace {
    match node {
        DependencyNode::Missing(key) => NodeFace {
            class: "ghost",
            name: brief(key, NAME),
            state: "no job holds this key".to_owned(),
            link: None,
        },
        DependencyNode::Job { id, stage } => {
            let (class, state) = match known.get(id) {
                Some(view) => remark(view),
                None if *stage == Stage::Shipped => ("shipped", "shipped".to_owned()),
                None if stage.is_final() => ("failed", stage.folder().to_owned()),
                None => ("waiting", stage.folder().to_owned()),
            };
            NodeFace {
                class,
                name: id.to_string(),
                state: brief(&state, STATE),
                link: Some(format!("/jobs/{id}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aq_runner::run::DependencyEdge;

    fn job(n: usize, stage: Stage) -> DependencyNode {
        DependencyNode::Job { id: format!("j{n}").parse().unwrap(), stage }
    }

    #[test]
    fn groups_that_live_are_drawn_first_and_whole() {
        // An ended pair, and a chain that lives and leaves no room for it.
        let mut nodes = vec![job(0, Stage::Shipped), job(1, Stage::Failed)];
        nodes.extend((2..MOST_NODES + 1).map(|n| job(n, Stage::Inbox)));
        let hard = |from| DependencyEdge { from, to: from + 1, mode: DepsMode::Hard };
        let edges = std::iter::once(hard(0)).chain((2..MOST_NODES).map(hard)).collect();
        let all = DependencyView { nodes, edges };
        let kept = fitting(&all);
        assert_eq!((kept.len(), kept.contains(&0)), (MOST_NODES - 1, false));
        let one = all.only(&BTreeSet::from([0, 1]));
        assert_eq!(fitting(&one).len(), 2);
        assert!(fitting(&DependencyView::default()).is_empty());
    }

    #[test]
    fn chosen_job_is_always_drawn() {
        let nodes = (0..1_000).map(|n| job(n, Stage::Inbox)).collect();
        let edges =
            (0..999).map(|from| DependencyEdge { from, to: 999, mode: DepsMode::Soft }).collect();
        let kept = nearest(&DependencyView { nodes, edges }, 999);
        assert_eq!((kept.len(), kept.contains(&999)), (MOST_NODES, true));
    }
}
