//! Wrong uses of `aq`: each answer has the right exit code, names the place and says what to do.

mod arguments;
mod files;
mod hints;
mod names;
mod settings;
mod surroundings;
mod values;

use std::process::Command;

use crate::told::{Told, told};

/// Exit codes, by what they mean.
const DONE: i32 = 0;
const USAGE: i32 = 2;
const MISSING: i32 = 3;
const REFUSED: i32 = 4;
const FAILED: i32 = 5;

/// Runs one wrong use and holds the answer to what every answer must be.
fn wrong(what: &str, command: &mut Command, code: i32, says: &[&str]) {
    let Told { code: got, out, err } = told(command);
    let all = format!("{out}{err}");
    assert_eq!(got, code, "{what}: {all}");
    assert!(!all.contains("panicked"), "{what}: {all}");
    assert!(code == DONE || !all.trim().is_empty(), "{what}: not a word");
    for word in says {
        assert!(all.contains(word), "{what}: {word:?} is not said: {all}");
    }
}
