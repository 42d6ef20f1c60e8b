//! The record of a job, torn or written by somebody else; and the file of what rests.
#![no_main]

use aq_runner::engine::Cooldowns;
use aq_runner::store::Meta;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let meta = Meta::parse(text);
    for (key, _) in meta.iter() {
        let _ = (meta.time(key), meta.count(key), meta.list(key));
    }
    let _ = Cooldowns::from_text(text).to_text();
});
