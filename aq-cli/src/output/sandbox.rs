//! Sandboxes as people read of them. What is said beside a command goes to standard error: the
//! standard output is the command's.

use aq_sandbox::{BoxItem, BoxLevel, BoxReport, ItemState, KernelFeatures, items};

use super::style::{self, paint, plain};
use super::{line, warning};

/// The part of `aq caps` about sandboxes: the level, and what holds at it.
pub(crate) fn features(features: &KernelFeatures) {
    let level = features.level();
    let why = features.why_not_full().filter(|_| level != BoxLevel::Full);
    let why = why.map_or(String::new(), |why| format!(" ({})", plain(&why)));
    line(format_args!("\n{} {level}{why}", paint(style::HEADING, "sandbox")));
    for state in items(level, features) {
        let promise = state.item.promise();
        match state.lacks {
            None => line(format_args!("{} {promise}", paint(style::GOOD, "✓"))),
            Some(lacks) => {
                let lacks = paint(style::FAINT, plain(&lacks));
                line(format_args!("{} {promise}: {lacks}", paint(style::ATTENTION, "!")));
            }
        }
    }
}

/// Says that a variable to pass on is not there.
pub(crate) fn unset(name: &str) {
    let words = plain(&format!("sandbox: {name} is not set, so there is nothing to pass on"));
    warning(&paint(style::ATTENTION, words));
}

/// Says what does not hold in a box that is about to be entered.
pub(crate) fn weaknesses(level: BoxLevel, is_strict: bool, items: &[ItemState]) {
    for state in items {
        let concerns = is_strict || state.item != BoxItem::Network;
        if let Some(lacks) = state.lacks.as_ref().filter(|_| concerns) {
            let words = format!("sandbox ({level}): not so: {}: {lacks}", state.item.promise());
            warning(&paint(style::ATTENTION, plain(&words)));
        }
    }
}

/// Says what was refused, with the setting that would allow each, and what the box lacked.
pub(crate) fn report(report: &BoxReport) {
    for words in report.failure.iter().chain(&report.lacks) {
        warning(&paint(style::BAD, plain(&format!("sandbox: {words}"))));
    }
    for (denial, count) in report.denials.iter() {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let allowed = denial.setting().map_or(String::new(), |(key, value)| {
            format!("; `sandbox: {{{key}: [{value:?}]}}` in config.yaml allows it")
        });
        let words = plain(&format!("sandbox: refused: {denial}{times}{allowed}"));
        warning(&paint(style::ATTENTION, words));
    }
    if report.denials.more() > 0 {
        let words = format!("sandbox: and {} refusals more", report.denials.more());
        warning(&paint(style::ATTENTION, words));
    }
}
