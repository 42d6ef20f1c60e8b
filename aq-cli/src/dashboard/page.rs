//! The frame around every page: where one can go from it, and who looks at it.

use maud::{Markup, html};

use super::document::document;
use super::guard::PageViewer;

/// The pages that the head of each page leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DashboardPage {
    Board,
    Insights,
    Graph,
    Fleet,
    Job,
    Add,
}

/// Where the head of a page leads: place, path, title, key.
const PLACES: [(DashboardPage, &str, &str, &str); 5] = [
    (DashboardPage::Board, "/", "Board", "b"),
    (DashboardPage::Insights, "/insights", "Insights", "i"),
    (DashboardPage::Graph, "/graph", "Graph", "d"),
    (DashboardPage::Fleet, "/fleet", "Fleet", "f"),
    (DashboardPage::Add, "/add", "Add", "a"),
];

/// Keys beside those that lead to pages, and what they do.
const KEYS: [(&[&str], &str); 8] = [
    (&["/"], "Go to the filter of the board"),
    (&["↑ ↓ ← →", "h j k l"], "Go from card to card"),
    (&["Enter"], "Open the job of the card"),
    (&["x"], "Select the job of the card, or not"),
    (&["b"], "Go to the buttons for what is selected"),
    (&["1", "…", "5"], "Go to a view of the job"),
    (&["Esc"], "Leave a field, or select nothing"),
    (&["?"], "Show the keys"),
];

/// The keys, behind `?`.
fn keys(has_fleet: bool) -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            table { tbody {
                @for (_, _, name, key) in
                    PLACES.into_iter().filter(|&(to, ..)| to != DashboardPage::Fleet || has_fleet) {
                    tr { th scope="row" { kbd { "g" } " " kbd { (key) } } td { (name) } }
                }
                @for (keys, action) in KEYS {
                    tr { th scope="row" { @for key in keys { kbd { (key) } " " } } td { (action) } }
                }
            } }
            form method="dialog" { button { "Close" } }
        }
    }
}

/// A page with its head. `assets` are the scripts and style sheets that it needs beside those of
/// every page.
pub(super) fn page(
    title: &str,
    place: DashboardPage,
    viewer: &PageViewer,
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
                    @for (to, path, name, key) in
                    PLACES.into_iter().filter(
                        |&(to, ..)| to != DashboardPage::Fleet || to == place || viewer.has_fleet,
                    ) {
                        a href=(path) aria-current=[(to == place).then_some("page")]
                            data-key={ "g " (key) } title={ "g " (key) } {
                            (name)
                        }
                    }
                }
                span.live role="status" { }
                button.quiet type="button" data-keys="" title="?" hidden { "Keys" }
                @match &viewer.csrf {
                    Some(csrf) => form.sign method="post" action="/sign-out" data-plain="" {
                        input type="hidden" name="csrf" value=(csrf);
                        button.quiet { "Sign out" }
                    }
                    None => a.sign href="/sign-in" { "Sign in" }
                }
            }
            (body)
            (keys(viewer.has_fleet))
            div.toasts aria-live="polite" { }
        },
    )
}

/// Words with commands between back quotes.
pub(super) fn with_code(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
