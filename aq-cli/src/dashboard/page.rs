//! The frame around every page: where one can go from it, and who looks at it.

use maud::{Markup, html};

use super::document::document;
use super::guard::Viewer;

/// The pages that the head of each page leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Board,
    Insights,
    Graph,
    Fleet,
    Job,
    Add,
}

/// Where the head of a page leads: place, path, title, key.
const PLACES: [(Place, &str, &str, &str); 5] = [
    (Place::Board, "/", "Board", "b"),
    (Place::Insights, "/insights", "Insights", "i"),
    (Place::Graph, "/graph", "Graph", "d"),
    (Place::Fleet, "/fleet", "Fleet", "f"),
    (Place::Add, "/add", "Add", "a"),
];

/// A page with its head. `assets` are the scripts and style sheets that it needs beside those of every
/// page.
pub(super) fn page(
    title: &str,
    place: Place,
    viewer: &Viewer,
    assets: &[&str],
    body: &Markup,
) -> Markup {
    document(
        title,
        assets,
        &html! {
            header.top {
                a.brand href="/" { "aq" }
                nav aria-label="Pages" {
                    // Who is in no fleet is not asked to look at one.
                    @for (to, path, name, key) in PLACES.into_iter().filter(|&(to, ..)| to != Place::Fleet || to == place || viewer.has_fleet) {
                        a href=(path) aria-current=[(to == place).then_some("page")] data-key={ "g " (key) } title={ "g " (key) } { (name) }
                    }
                }
                span.live role="status" { }
                @match &viewer.csrf {
                    Some(csrf) => form.sign method="post" action="/sign-out" data-plain="" {
                        input type="hidden" name="csrf" value=(csrf);
                        button.quiet { "Sign out" }
                    }
                    None => a.sign href="/sign-in" { "Sign in" }
                }
            }
            (body)
            div.toasts aria-live="polite" { }
        },
    )
}
