//! A tracker of one's own: its items become jobs, and it gets their updates.
//!
//! `cargo run -p aq-runner --example own_tracker`
//!
//! The tracker is a list in memory; its items are `list:1`, `list:2`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use aq_runner::run::{
    ItemQuery, ProcessEnvironment, QueueSettings, RunOptions, add_context, pull, put_in, start,
    work_if_asked,
};
use aq_runner::store::QueueDir;
use aq_tracker::{
    ItemId, OwnTrackers, RenderedUpdate, Tracker, TrackerError, TrackerItem, TrackerKind,
    TrackerName,
};
use jiff::Timestamp;

type Failure = Box<dyn std::error::Error>;

/// Statuses that items were given, in order.
#[derive(Clone, Default)]
struct ListTracker {
    statuses: Arc<Mutex<Vec<String>>>,
}

impl Tracker for ListTracker {
    fn item(&self, id: &ItemId) -> Result<TrackerItem, TrackerError> {
        if id.to_string() != "list:1" {
            return Err(TrackerError::NotFound { who: "the list", item: id.to_string() });
        }
        Ok(TrackerItem {
            id: id.clone(),
            title: "Say hello".to_owned(),
            description: "Say hello, and no more.".to_owned(),
            priority: Some("high".to_owned()),
            labels: vec!["engine-class:greeters".to_owned()],
        })
    }

    fn echo(
        &self,
        id: &ItemId,
        update: &RenderedUpdate,
        _: Option<&str>,
    ) -> Result<Option<String>, TrackerError> {
        let line = format!("{id} is {} ({}/)", update.status, update.stage);
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(None)
    }
}

fn main() -> Result<(), Failure> {
    if let Some(done) = work_if_asked(std::env::args_os()) {
        return Ok(done?);
    }
    let dir = tempfile::tempdir()?;
    let queue = QueueDir::init(&dir.path().join("queue"))?;
    // Text of strangers is no script, so an engine of the config takes it.
    let config = "engines: {greeter: {bin: cat}}\nclasses: {greeters: [greeter]}\n";
    std::fs::write(queue.config(), config)?;
    let variables = std::env::vars_os().chain([("AQ_TRACKER_AUTO".into(), "1".into())]);
    let mut settings = QueueSettings::load(&queue, ProcessEnvironment::new(variables))?;
    let tracker = ListTracker::default();
    let name = TrackerName::new("list").ok_or("that is no name of a tracker")?;
    let made = tracker.clone();
    settings.trackers =
        OwnTrackers::default().with(TrackerKind::Named(name), move || Ok(Box::new(made.clone())));

    let base = dir.path().to_owned();
    let context = add_context(&queue, &settings.environment, base, Timestamp::now());
    for item in pull(&settings, &ItemQuery::Item("list:1".parse()?))? {
        put_in(&queue, &item, &context)?;
    }
    let options = RunOptions { once: true, ..RunOptions::new(std::env::current_exe()?) };
    let summary = start(&queue, settings, options, |_| {})?.join()?;
    let statuses = tracker.statuses.lock().unwrap_or_else(PoisonError::into_inner);
    for line in statuses.iter() {
        writeln!(std::io::stdout(), "{line}")?;
    }
    let is_told = statuses.last().is_some_and(|line| line.ends_with("(testing/)"));
    if summary.ended == 1 && is_told { Ok(()) } else { Err("the tracker was not told".into()) }
}
