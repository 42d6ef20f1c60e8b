//! Durations. What is written is read as the same time.
#![no_main]

use aq_manifest::{format_duration, parse_duration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(time) = parse_duration(text) else { return };
    assert_eq!(parse_duration(&format_duration(time)), Ok(time), "{text:?}");
});
