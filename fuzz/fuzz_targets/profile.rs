//! A profile.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = aq_manifest::parse_profile("p", text);
    let job = aq_manifest::parse("---\nprofile: p\n---\nx\n");
    let _ = aq_manifest::resolve(&job.manifest, Some(&parsed.profile));
});
