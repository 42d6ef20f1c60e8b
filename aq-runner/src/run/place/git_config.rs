//! `aq.id` and what else is read of a repository's own config, without starting git.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::{PlaceError, at, is_absent};

/// The most that is read of a config, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// Digits of a new id.
const ID_BYTES: usize = 16;

/// The values of a repository's config that matter to aq.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConfigFacts {
    /// `aq.id`.
    pub(super) id: Option<String>,
    /// `core.worktree`: the work tree is elsewhere than where the git directory was found.
    pub(super) worktree: Option<String>,
}

impl ConfigFacts {
    /// Reads the config of a common git directory; a missing one is empty.
    ///
    /// # Errors
    /// When the file cannot be read, or has an id that aq never writes.
    pub(super) fn read(common_dir: &Path) -> Result<Self, PlaceError> {
        let path = common_dir.join("config");
        // Nearly every config is read at once.
        let mut bytes = Vec::with_capacity(4096);
        match open(&path).and_then(|file| file.take(MAX_LEN).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(e) if is_absent(&e) => return Ok(Self::default()),
            Err(e) => return Err(at("read", &path, e).into()),
        }
        let facts = Self::parse(&String::from_utf8_lossy(&bytes));
        match facts.id {
            Some(value) if !is_id(&value) => Err(PlaceError::BadId { config: path, value }),
            _ => Ok(facts),
        }
    }

    /// Takes the last value of each key, as git does.
    fn parse(text: &str) -> Self {
        let mut facts = Self::default();
        let mut section = String::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines();
        while let Some(first) = lines.next() {
            let mut line = first.trim_start().to_owned();
            if let Some((name, rest)) = header(&line) {
                section = name;
                line = rest;
            }
            // A value goes on in the next line after a backslash; that line is no header.
            while continues(&line) {
                line.pop();
                line.push_str(lines.next().unwrap_or_default());
            }
            let (key, value) = line.split_once('=').unwrap_or((&line, ""));
            match (section.as_str(), key.trim().to_ascii_lowercase().as_str()) {
                ("aq", "id") => facts.id = Some(plain_value(value)),
                ("core", "worktree") => facts.worktree = Some(plain_value(value)),
                _ => {}
            }
        }
        facts
    }
}

/// The lower-case name of a section without a subsection, and what follows in the line. One with
/// a subsection has a name that is no key's here.
fn header(line: &str) -> Option<(String, String)> {
    let inner = line.strip_prefix('[')?;
    let mut quoted = false;
    let mut escaped = false;
    let end = inner.char_indices().find(|&(_, c)| {
        let is_end = c == ']' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })?;
    let (name, rest) = (&inner[..end.0], &inner[end.0 + 1..]);
    Some((name.trim().to_ascii_lowercase(), rest.trim_start().to_owned()))
}

fn continues(line: &str) -> bool {
    let is_comment = line.trim_start().starts_with(['#', ';']);
    !is_comment && line.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

/// A value without quotes, escapes and a comment behind it.
fn plain_value(text: &str) -> String {
    let mut value = String::new();
    let mut quoted = false;
    let mut chars = text.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => value.extend(chars.next()),
            '#' | ';' if !quoted => break,
            c => value.push(c),
        }
    }
    if quoted { value } else { value.trim_end().to_owned() }
}

/// True for a text that could be an id of ours: it becomes a part of a directory's name.
fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A new id, which nobody else has.
///
/// # Errors
/// When the system has no random numbers.
pub(super) fn new_id() -> Result<String, PlaceError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; ID_BYTES];
    let read = File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|e| at("read", source, e))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Treatment of an id that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdPolicy {
    /// One that is there stays.
    Keep,
    /// A new one takes its place: the one that is there came with a copy.
    Replace,
}

/// The id of the repository, written when there is none. `None` when the config cannot be
/// written.
///
/// # Errors
/// When the config cannot be read.
pub(super) fn establish_id(
    common_dir: &Path,
    new: &str,
    policy: IdPolicy,
) -> Result<Option<String>, PlaceError> {
    let config = common_dir.join("config");
    // Two users may do this at once, each for a queue of his own: without this lock the second
    // would take the first one's id away.
    let _lock = lock(&config);
    if policy == IdPolicy::Keep
        && let Some(id) = ConfigFacts::read(common_dir)?.id
    {
        return Ok(Some(id));
    }
    let mut git = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG"] {
        git.env_remove(name);
    }
    git.args(["config", "--file"]).arg(&config).args(["--replace-all", "aq.id", new]);
    git.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Without git, or where the file may not be written, the recorded path has to do.
    let written = git.status().is_ok_and(|status| status.success());
    let id = ConfigFacts::read(common_dir)?.id;
    Ok(id.filter(|id| written && id == new))
}

/// The lock of a config, where there is one to be had. Git puts a new file in its place when it
/// writes.
fn lock(config: &Path) -> Option<File> {
    loop {
        let file = open(config).ok()?;
        file.lock().ok()?;
        let (held, there) = (file.metadata().ok()?, config.metadata().ok()?);
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            return Some(file);
        }
    }
}

/// Opens a config to read it; a pipe in its place is not waited for.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn facts(text: &str) -> (Option<String>, Option<String>) {
        let ConfigFacts { id, worktree } = ConfigFacts::parse(text);
        (id, worktree)
    }

    #[test]
    fn ids_are_read_as_git_does() {
        let id = Some(ID.to_owned());
        for text in [
            "[aq]\n\tid = @\n",
            "[AQ]\n ID=@",
            "[aq] id = @",
            "[core]\n\tbare = false\n[aq]\n\tid = \"@\" ; a comment\n",
            "[aq]\n\tid = other\n[core]\n[aq]\n\tid = @ # last\n",
            "\u{feff}[aq]\n\tid = 0123456789abcdef\\\n0123456789abcdef\n",
            "[alias]\n\tx = \"a # ; b\"\n[branch \"a]b\"]\n[aq]\nid=@\n",
        ] {
            assert_eq!(facts(&text.replace('@', ID)).0, id, "{text}");
        }
    }

    #[test]
    fn other_places_give_no_id() {
        for text in [
            "",
            "id = @",
            "[aq \"x\"]\n\tid = @\n",
            "[aq.x]\n\tid = @\n",
            "[alias]\n\tx = a\\\n[aq]\\\nid = @\n",
            "; [aq]\nid = @\n",
            "[core]\n\tid = @\n",
        ] {
            assert_eq!(facts(text).0, None, "{text}");
        }
    }

    #[test]
    fn worktrees_elsewhere_are_seen() {
        let text = "[core]\n\tworktree = ../../../sub\n";
        assert_eq!(facts(text).1.as_deref(), Some("../../../sub"));
    }

    #[test]
    fn strange_ids_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for value in ["../x", "short", "", "a b c d e f g h"] {
            std::fs::write(dir.path().join("config"), format!("[aq]\n\tid = \"{value}\"\n"))
                .unwrap();
            let refused = ConfigFacts::read(dir.path()).unwrap_err().to_string();
            assert!(refused.contains("--unset-all aq.id"), "{refused}");
        }
        std::fs::remove_file(dir.path().join("config")).unwrap();
        assert_eq!(ConfigFacts::read(dir.path()).unwrap(), ConfigFacts::default());
    }

    #[test]
    fn ids_are_written_once_and_replaced_for_copies() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), "[core]\n\tbare = false\n").unwrap();
        let establish = |new: &str, policy| establish_id(dir.path(), new, policy).unwrap();
        assert_eq!(establish(ID, IdPolicy::Keep).as_deref(), Some(ID));
        let (first, second) = (new_id().unwrap(), new_id().unwrap());
        assert_ne!(first, second);
        assert_eq!(establish(&first, IdPolicy::Keep).as_deref(), Some(ID));
        assert_eq!(establish(&first, IdPolicy::Replace), Some(first));
        let text = std::fs::read_to_string(dir.path().join("config")).unwrap();
        assert!(text.starts_with("[core]\n\tbare = false\n[aq]\n"), "{text}");
    }
}
