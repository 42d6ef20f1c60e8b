//! Times on pages. The script of the page turns them into the reader's own time, and keeps ages
//! counting.

use jiff::Timestamp;
use maud::{Markup, html};

/// The duration of something that goes on: `3m`, kept counting by the script.
pub(super) fn age(since: Option<Timestamp>) -> Markup {
    counted(since, "age")
}

/// The time since something: `3m ago`, kept counting by the script.
pub(super) fn ago(at: Option<Timestamp>) -> Markup {
    counted(at, "ago")
}

fn counted(at: Option<Timestamp>, class: &str) -> Markup {
    match at {
        Some(at) => {
            html! { time class=(class) datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S")) } }
        }
        None => html! { span.faint { "-" } },
    }
}

/// A point in time, with its date.
pub(super) fn at(at: Option<Timestamp>) -> Markup {
    match at {
        Some(at) => html! { time.at datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S")) " UTC" } },
        None => html! { span.faint { "-" } },
    }
}
