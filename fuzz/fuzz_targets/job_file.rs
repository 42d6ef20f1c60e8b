//! A job file, and everything that is made of one: never a panic, and positions that are in the
//! text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = aq_manifest::parse(text);
    for finding in &parsed.diagnostics {
        assert!(!finding.message.is_empty());
    }
    let _ = aq_manifest::render("job.md", text, &parsed.diagnostics, false);
    let spec = aq_manifest::resolve(&parsed.manifest, None);
    let _ = aq_manifest::prompt(None, &parsed.body);
    if parsed.has_errors() {
        return;
    }
    // What a claim writes into a good file is a good file with these two keys more.
    let Ok(claimed) = aq_manifest::claimed(text, "01890a5d", 7) else { return };
    let again = aq_manifest::parse(&claimed);
    assert!(!again.has_errors(), "{claimed:?}");
    let mine = aq_manifest::resolve(&again.manifest, None);
    assert_eq!(mine.fleet_lease_epoch, Some(7));
    assert_eq!(mine.priority, spec.priority);
});
