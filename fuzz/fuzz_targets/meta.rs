//! The record of a job, torn or written by somebody else; and the file of what rests.
#![no_main]

use aq_ledger::{JobRow, RecordContent, RecordKey};
use aq_manifest::Stage;
use aq_runner::engine::EngineCooldowns;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let content = RecordContent::parse(text);
    for key in RecordKey::ALL {
        let _ = (content.time(key), content.count(key), content.list(key));
    }
    let id = "fuzz".parse().expect("it is a name of a job");
    match JobRow::new(&id, Stage::Inbox, &content) {
        Ok(row) => assert_eq!(row.attempts().is_some(), content.has(RecordKey::Attempts)),
        Err(problem) => assert!(problem.line().is_some()),
    }
    let _ = EngineCooldowns::from_text(text).to_text();
});
