//! Requirements, tokens and versions, and matching one with the other. What is read is written as
//! it is read again.
#![no_main]

use aq_caps::{Capabilities, CapabilityToken, HostRequirement};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, Vec<&str>)| {
    let tokens: Capabilities =
        texts.1.iter().filter_map(|text| text.parse::<CapabilityToken>().ok()).collect();
    let Ok(requirement) = texts.0.parse::<HostRequirement>() else { return };
    let shown = requirement.to_string();
    let again: HostRequirement = shown.parse().unwrap_or_else(|e| panic!("{shown:?}: {e}"));
    assert_eq!(tokens.satisfies(&requirement), tokens.satisfies(&again), "{shown:?}");
});
