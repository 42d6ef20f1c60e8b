//! Globs of `allowed-scope`, and paths that agents made.
#![no_main]

use aq_manifest::ScopeSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<&str>, &str)| {
    let Ok(scope) = ScopeSet::new(&input.0) else { return };
    let _ = scope.allows(input.1);
});
