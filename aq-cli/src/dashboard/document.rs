//! An HTML document, with what the head of each of them names.

use maud::{DOCTYPE, Markup, html};

/// A page on its own, for those who are not let in, or went wrong.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    document(title, &[], body)
}

/// A whole document. `assets` are the scripts and style sheets that it needs beside those of all.
pub(super) fn document(title: &str, assets: &[&str], body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · aq" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                script src="/assets/page.js" defer { }
                @for asset in assets {
                    @if asset.ends_with(".css") {
                        link rel="stylesheet" href={ "/assets/" (asset) };
                    } @else {
                        script src={ "/assets/" (asset) } defer { }
                    }
                }
            }
            body { (body) }
        }
    }
}
