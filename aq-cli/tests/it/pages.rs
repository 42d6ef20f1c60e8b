//! Claims of README.md and docs/, checked: the demo prints what the README shows, job files in them
//! are good, links lead somewhere, and the commands that they name are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::Sandbox;

/// The line before the demo's output in the README.
const DEMO: &str = "```text\n$ cd ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The pages for readers, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    for dir in [root(), root().join("docs")] {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ext| ext == "md") {
                let text = fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    assert!(pages.len() > 5);
    pages
}

/// The fenced blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let Some((block, after)) = after.split_once("\n```") else { break };
        if let Some(text) = block.strip_prefix(&format!("{language}\n")) {
            found.push(format!("{text}\n"));
        }
        rest = after;
    }
    found
}

/// The demo's output without what differs from run to run: its directory, seconds, the widths of
/// columns, and which of two jobs that run at once ends first.
fn steady(output: &str) -> Vec<String> {
    let mut lines: Vec<String> = output
        .lines()
        .map(|line| {
            let words = line.split_whitespace().map(|word| {
                if let Some(at) = word.find("/aq-demo-") {
                    return format!(
                        "DIR{}",
                        if word[at..].ends_with("/.aq") { "/.aq" } else { "" }
                    );
                }
                let is_age = word.strip_suffix('s').is_some_and(|n| n.parse::<u32>().is_ok());
                if is_age { "AGE".to_owned() } else { word.to_owned() }
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    for line in &mut lines {
        // How fast this machine is.
        if let Some((before, _)) = line.split_once("median ") {
            *line = format!("{before}median AGE");
        }
    }
    let place = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    let (run, status) = (place("$ aq run"), place("$ aq status"));
    lines[run + 1..status].sort();
    lines
}

#[test]
fn readme_shows_what_demo_prints() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("aq-demo-shown");
    let output = sandbox.ok(&["demo".as_ref(), dir.as_os_str()]);
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, after) = readme.split_once(DEMO).expect("README.md shows the demo's output");
    let (shown, after) = after.split_once("\n```").unwrap();
    if std::env::var_os("AQ_UPDATE_README").is_some() {
        let output = output.replace(dir.to_str().unwrap(), "/tmp/aq-demo-wCfn1x");
        let output = output.trim_end().strip_prefix("$ cd ").unwrap();
        fs::write(&path, format!("{before}{DEMO}{output}\n```{after}")).unwrap();
        return;
    }
    assert_eq!(
        steady(&output).join("\n"),
        steady(&format!("$ cd {shown}")).join("\n"),
        "what the demo prints, and what README.md shows; CONTRIBUTING.md says how to mend it"
    );
}

#[test]
fn job_files_in_the_pages_are_good() {
    let sandbox = Sandbox::new();
    // The job that one of them waits for.
    sandbox.add("web-build", "idempotency-key: web-build", "true");
    let mut found = 0;
    for (page, text) in pages() {
        for job in blocks(&text, "markdown") {
            let file = sandbox.path("shown.md");
            fs::write(&file, &job).unwrap();
            let profile = sandbox.queue("profiles/writer.yaml");
            fs::write(profile, "persona: You write well.\n").unwrap();
            let (code, output) = sandbox.code(&["check".as_ref(), file.as_os_str()]);
            let is_good = code == 0 && output.lines().count() == 1;
            assert!(is_good, "{}: {output}\n{job}", page.display());
            found += 1;
        }
    }
    assert!(found >= 4, "only {found} job files were found");
}

#[test]
fn settings_in_pages_are_good() {
    let sandbox = Sandbox::new();
    let with_settings = [
        "config.md",
        "adding-an-engine.md",
        "engines-never-run.md",
        "accounts.md",
        "acp.md",
        "capabilities.md",
    ];
    for page in with_settings {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let settings = blocks(&text, "yaml");
        assert!(!settings.is_empty(), "{page} has no example");
        for text in settings {
            fs::write(sandbox.queue("config.yaml"), &text).unwrap();
            let (code, output) = sandbox.code(&["engines"]);
            assert_eq!(code, 0, "{page}: {output}\n{text}");
        }
    }
}

#[test]
fn links_in_pages_lead_somewhere() {
    for (page, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: {target}", page.display());
            if !heading.is_empty() {
                let linked = fs::read_to_string(&path).unwrap();
                let headings: BTreeSet<String> = linked.lines().filter_map(anchor).collect();
                assert!(headings.contains(heading), "{}: {target}", page.display());
            }
        }
    }
}

/// The anchor of a heading in a link.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn commands_in_pages_are_there() {
    let help = Sandbox::new().ok(&["help"]);
    let commands: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(commands.contains("status"), "{help}");
    let mut seen = BTreeSet::new();
    for (page, text) in pages() {
        for before in ["`aq ", "\naq ", "$ aq "] {
            for rest in text.split(before).skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-');
                let verb = &rest[..end.unwrap_or(rest.len())];
                if verb.is_empty()
                    || verb.starts_with('-')
                    || ["worker", "acp", "box"].contains(&verb)
                {
                    continue;
                }
                assert!(commands.contains(verb), "{}: `aq {verb}`", page.display());
                seen.insert(verb.to_owned());
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}
