//! The language of the code, measured. Each number has today's value as its limit, so it can only
//! get better; whoever makes one better lowers its limit here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::architecture::{root, rust_files};

/// The commits after this one have subjects of at most [`SUBJECT`] characters.
const SUBJECTS_SINCE: &str = "d07660cbe719e025cf0c1878f6f359640469a4d1";
const SUBJECT: usize = 72;

/// A measured number and its limit.
struct Limit {
    about: &'static str,
    most: f64,
    measure: fn(&Sources) -> f64,
}

const LIMITS: [Limit; 11] = [
    Limit {
        about: "doc comments that open with a question word, in percent",
        most: 2.4,
        measure: Sources::question_openings,
    },
    Limit {
        about: "type names of one word, in percent",
        most: 3.2,
        measure: Sources::one_word_types,
    },
    Limit {
        about: "type names that are defined three times or more",
        most: 0.0,
        measure: Sources::repeated_types,
    },
    Limit {
        about: "`tell` and `told` in 10,000 words of comments",
        most: 1.0,
        measure: |sources| sources.words_in_comments(&["tell", "tells", "told"]),
    },
    Limit {
        about: "`stands`, `lies`, `lay` in 10,000 words of comments",
        most: 1.6,
        measure: |sources| sources.words_in_comments(&["stand", "stands", "lies", "lay"]),
    },
    Limit {
        about: "words in a test's name, median",
        most: 5.0,
        measure: |sources| median(sources.test_names()),
    },
    Limit {
        about: "test names of more than nine words",
        most: 0.0,
        measure: |sources| count(sources.test_names().iter().filter(|&&words| words > 9)),
    },
    Limit {
        about: "lines of more than 100 columns",
        most: 0.0,
        measure: |sources| count(sources.lines().filter(|line| line.chars().count() > 100)),
    },
    Limit {
        about: "lines in a file, median",
        most: 125.0,
        measure: |sources| median(sources.lengths()),
    },
    Limit {
        about: "files of more than 500 lines",
        most: 0.0,
        measure: |sources| count(sources.lengths().iter().filter(|&&lines| lines > 500)),
    },
    Limit {
        about: "commands and options of `aq` in texts of library crates",
        most: 2.0,
        measure: |sources| count(sources.library_lines().filter(|line| names_command(line))),
    },
];

/// The texts of all Rust files of the workspace.
struct Sources(Vec<(PathBuf, String)>);

impl Sources {
    fn read() -> Self {
        let root = root();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
        let members = members.split('"').skip(1).step_by(2);
        let files = members.flat_map(|name| rust_files(&root.join(name)));
        Self(files.map(|file| (file.clone(), fs::read_to_string(&file).unwrap())).collect())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|(_, text)| text.lines())
    }

    /// The lines of code of the crates beneath the program, without their tests.
    fn library_lines(&self) -> impl Iterator<Item = &str> {
        let of_library = |path: &Path| {
            let path = path.strip_prefix(root()).unwrap();
            let is_program = path.starts_with("aq-cli") || path.ends_with("testing.rs");
            path.iter().nth(1) == Some("src".as_ref()) && !is_program && !is_of_tests(path)
        };
        let texts = self.0.iter().filter(move |(path, _)| of_library(path));
        let codes = texts.filter_map(|(_, text)| text.split("#[cfg(test)]\nmod tests").next());
        codes.flat_map(str::lines).filter(|line| !line.trim_start().starts_with("//"))
    }

    fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(|(_, text)| text.lines().count()).collect()
    }

    fn question_openings(&self) -> f64 {
        let (mut all, mut questions) = (0, 0);
        for (_, text) in &self.0 {
            let mut is_within = false;
            for line in text.lines().map(str::trim_start) {
                let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
                if let (Some(doc), false) = (doc, is_within) {
                    let word = doc.trim().split(|c: char| !c.is_alphabetic()).next();
                    let word = word.unwrap_or_default().to_lowercase();
                    let asks = ["what", "how", "whether", "who", "why"].contains(&word.as_str());
                    (all, questions) = (all + 1, questions + usize::from(asks));
                }
                is_within = doc.is_some();
            }
        }
        percent(questions, all)
    }

    /// Every type, with the number of its definitions.
    fn types(&self) -> BTreeMap<&str, usize> {
        let mut types = BTreeMap::new();
        for (_, text) in self.0.iter().filter(|(path, _)| !is_of_tests(path)) {
            for name in text.lines().filter_map(type_defined_in) {
                *types.entry(name).or_default() += 1;
            }
        }
        types
    }

    fn one_word_types(&self) -> f64 {
        let types = self.types();
        let humps = |name: &str| name.chars().filter(char::is_ascii_uppercase).count();
        percent(types.keys().filter(|name| humps(name) < 2).count(), types.len())
    }

    fn repeated_types(&self) -> f64 {
        count(self.types().values().filter(|&&times| times > 2))
    }

    fn words_in_comments(&self, wanted: &[&str]) -> f64 {
        let comments = self.lines().filter(|line| line.trim_start().starts_with("//"));
        let (mut all, mut found) = (0, 0);
        for word in comments.flat_map(|line| line.split(|c: char| !c.is_ascii_alphabetic())) {
            all += usize::from(!word.is_empty());
            found += usize::from(wanted.iter().any(|wanted| word.eq_ignore_ascii_case(wanted)));
        }
        percent(found, all) * 100.0
    }

    /// The number of words of each test's name.
    fn test_names(&self) -> Vec<usize> {
        let mut names = Vec::new();
        for (_, text) in &self.0 {
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test) {
                    names.push(name.split('(').next().unwrap().split('_').count());
                    is_test = false;
                }
            }
        }
        names
    }
}

/// The name of the type that a line begins to define.
fn type_defined_in(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line =
        line.strip_prefix("pub(").and_then(|line| line.split_once(") ")).map_or(line, |l| l.1);
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let name = ["struct ", "enum ", "trait "].iter().find_map(|kind| line.strip_prefix(kind))?;
    let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
}

/// Tests a line for a command of `aq`, or for an option in the middle of a sentence. What git is
/// called with is neither.
fn names_command(line: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '(';
    let options = line.match_indices(" --").filter(|&(at, found)| {
        line[..at].ends_with(is_letter) && line[at + found.len()..].starts_with(is_letter)
    });
    line.contains("`aq ") || (options.count() > 0 && !line.contains("`git "))
}

fn is_of_tests(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn percent(some: usize, all: usize) -> f64 {
    assert!(all > 100, "too few to measure: {all}");
    100.0 * count(0..some) / count(0..all)
}

fn median(mut numbers: Vec<usize>) -> f64 {
    assert!(numbers.len() > 100, "too few to measure: {}", numbers.len());
    numbers.sort_unstable();
    count(0..numbers[numbers.len() / 2])
}

fn count<T>(things: impl Iterator<Item = T>) -> f64 {
    f64::from(u32::try_from(things.count()).unwrap())
}

#[test]
fn commands_in_texts_are_seen() {
    for named in ["\"`aq init` makes one\"", "(it needs --force)", "use --queue DIR"] {
        assert!(names_command(named), "{named}");
    }
    for other in ["call(\"log\").arg(\"--quiet\")", "`git fsck --lost-found` lists it", "a -- b"] {
        assert!(!names_command(other), "{other}");
    }
}

#[test]
fn language_gets_no_worse() {
    let sources = Sources::read();
    let mut worse = String::new();
    for Limit { about, most, measure } in LIMITS {
        let found = measure(&sources);
        println!("{about}: {found:.1}, limit {most}");
        // Limits have one digit behind the point.
        if found > most + 0.05 {
            worse += &format!("{about}: {found:.1}, and not over {most}\n");
        }
    }
    assert!(worse.is_empty(), "\n{worse}CONTRIBUTING.md says how the code reads");
}

/// The subjects of the commits since the ratchet, where the history is here: a source archive or a
/// shallow clone has none.
fn new_subjects() -> Option<Vec<String>> {
    let root = root();
    let since = format!("{SUBJECTS_SINCE}..HEAD");
    let log = ["log", "--no-merges", "--format=%s", &since];
    let output = Command::new("git").arg("-C").arg(&root).args(log).output().ok()?;
    let is_here = root.join(".git").exists() && output.status.success();
    is_here.then(|| String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn new_commit_subjects_are_short() {
    let subjects = new_subjects().unwrap_or_default();
    let long: Vec<_> = subjects.iter().filter(|line| line.chars().count() > SUBJECT).collect();
    assert!(long.is_empty(), "more than {SUBJECT} characters: {long:#?}");
}
