//! A reason is a code with fields. Its sentence is made in one place and read by nobody but people;
//! the sentences of version 0.1 are read in one place, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aq_fleet::protocol::WaitCode;

/// The one that makes sentences, and the one that reads those of version 0.1.
const MAKER: &str = "aq-reasons/src/text.rs";
const READER: &str = "aq-fleet/src/protocol/version_0_1.rs";

/// The ways in which code looks into a text.
const LOOKS: [&str; 9] = [
    "strip_prefix(",
    "strip_suffix(",
    "starts_with(",
    "ends_with(",
    "contains(",
    "split_once(",
    "startsWith(",
    "includes(",
    "indexOf(",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The string literals of a line of code.
fn literals(line: &str) -> Vec<&str> {
    let code = line.trim_start();
    if code.starts_with("//") {
        return Vec::new();
    }
    code.split('"').skip(1).step_by(2).collect()
}

/// The pieces of the sentences in a file: what is between fields, when it has a letter.
fn pieces(text: &str) -> BTreeSet<String> {
    let production = text.split("#[cfg(test)]").next().unwrap();
    let literals = production.lines().flat_map(literals);
    let parts = literals.flat_map(|literal| literal.split(['{', '}']).step_by(2));
    let has_word = |piece: &&str| piece.chars().filter(char::is_ascii_lowercase).count() > 3;
    parts.filter(has_word).map(str::to_owned).collect()
}

/// The sentences in a line of some other code: a literal that begins with a piece of two words or
/// more, or one that the line looks for.
fn sentence_in<'a>(pieces: &'a BTreeSet<String>, line: &str) -> Option<&'a String> {
    let looks = LOOKS.iter().any(|look| line.contains(look));
    let is_read = |piece: &&String| {
        literals(line).iter().any(|literal| {
            let is_whole = literal.trim() == piece.trim();
            let has_words = piece.trim().contains(' ');
            (has_words && (literal.starts_with(piece.as_str()) || is_whole)) || (looks && is_whole)
        })
    };
    pieces.iter().find(is_read)
}

/// The files of our programs, without tests.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name != "tests.rs" && (name.ends_with(".rs") || name.ends_with(".js")) {
            found.push(path);
        }
    }
}

#[test]
fn nobody_reads_sentences_of_reasons() {
    let root = root();
    let of_file = |name: &str| pieces(&fs::read_to_string(root.join(name)).unwrap());
    let (made, read) = (of_file(MAKER), of_file(READER));
    assert!(made.len() > 15 && read.len() > 5, "{made:?} {read:?}");
    let pieces: BTreeSet<String> = made.union(&read).cloned().collect();
    // What was there once would be found.
    for line in [
        r#"const HELD_BY: &str = "lock held by ";"#,
        r#"("waiting on ", Self::Deps),"#,
        r#"if words.starts_with("needs ") {"#,
        r#"if (text.startsWith("behind ")) {"#,
    ] {
        assert!(sentence_in(&pieces, line).is_some(), "{line}");
    }
    let mut files = Vec::new();
    let crates = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path().join("src"));
    crates.filter(|dir| dir.is_dir()).for_each(|dir| sources(&dir, &mut files));
    assert!(files.iter().any(|file| file.ends_with(READER)), "{files:?}");
    for file in files.iter().filter(|file| !file.ends_with(MAKER) && !file.ends_with(READER)) {
        let text = fs::read_to_string(file).unwrap();
        let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (number, line) in production.lines().enumerate() {
            let place = format!("{}:{}: {line}", file.display(), number + 1);
            let found = sentence_in(&pieces, line);
            assert_eq!(found, None, "{place}\ncompare the code of a reason, not its text");
        }
    }
}

#[test]
fn every_code_is_documented() {
    let page = fs::read_to_string(root().join("docs/commands.md")).unwrap();
    for code in WaitCode::ALL {
        assert!(page.contains(&format!("`{}`", code.as_str())), "{code:?}: docs/commands.md");
    }
}
