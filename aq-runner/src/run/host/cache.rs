//! Answers of earlier probes, kept in one file so that a warm start runs none.
//!
//! The file is a hint: one that is torn, hostile, too large, no regular file or of another `PATH`
//! is as good as none, and failing to write it costs only time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aq_caps::ToolVersion;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::ProgramStamp;

use super::probe::ProbeError;

const FILE: &str = "host-tools.json";

/// The shape of the file; another number is another shape.
const FORMAT: u32 = 1;

/// More than any list of tools needs, in bytes.
const MAX_LEN: u64 = 256 * 1024;

/// How long an answer holds. It must end, because behind an unchanged shim of a version manager
/// the tool can change.
const ANSWER_HOLDS: SignedDuration = SignedDuration::from_hours(1);

/// How long a failure holds: a tool that hangs costs its time limit no more often than this.
const FAILURE_HOLDS: SignedDuration = SignedDuration::from_mins(10);

/// What a probe found: the version, or `None` where the tool ran well and named none.
pub(super) type Answer = Result<Option<String>, ProbeError>;

/// One tool that was probed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ProbedTool {
    pub(super) command: Vec<String>,
    /// The file that the command's program was found in.
    pub(super) file: String,
    pub(super) stamp: ProgramStamp,
    pub(super) probed_at: Timestamp,
    pub(super) answer: Answer,
}

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
struct ProbeCache {
    format: u32,
    /// The `PATH` of the probes: a shim may answer by what else is on it.
    path: String,
    entries: Vec<ProbedTool>,
}

impl ProbedTool {
    /// Whether this is what a probe of the same file would say at `now`. One from the future
    /// (the clock was set back) is not believed.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.probed_at);
        let limit = if self.answer.is_ok() { ANSWER_HOLDS } else { FAILURE_HOLDS };
        !age.is_negative() && age < limit
    }

    /// Whether the version is one.
    fn is_sound(&self) -> bool {
        let version = self.answer.as_ref().ok().and_then(Option::as_ref);
        version.is_none_or(|text| text.parse::<ToolVersion>().is_ok())
    }
}

/// What earlier probes with this `path` found, according to the file in `dir`.
pub(super) fn load(dir: &Path, path: &str) -> Vec<ProbedTool> {
    let cache =
        read(&dir.join(FILE)).ok().and_then(|t| serde_json::from_slice::<ProbeCache>(&t).ok());
    let cache = cache.filter(|cache| cache.format == FORMAT && cache.path == path);
    let mut entries = cache.map_or_else(Vec::new, |cache| cache.entries);
    entries.retain(ProbedTool::is_sound);
    entries
}

/// Opened so that neither a link nor a FIFO in the file's place does harm.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > MAX_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = Vec::new();
    File::take(file, MAX_LEN).read_to_end(&mut text)?;
    Ok(text)
}

/// Replaces the file in one step. It is not synced: what a power cut takes is probed again.
///
/// # Errors
/// When the directory cannot be made or written to.
pub(super) fn store(dir: &Path, path: &str, entries: Vec<ProbedTool>) -> io::Result<()> {
    let cache = ProbeCache { format: FORMAT, path: path.to_owned(), entries };
    std::fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&serde_json::to_vec(&cache)?)?;
    file.persist(dir.join(FILE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(answer: Answer, probed_at: Timestamp) -> ProbedTool {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("tool");
        File::create(&program).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let (_, stamp) = super::super::tools::locate("tool", dir.path().as_os_str()).unwrap();
        let command = vec!["tool".to_owned()];
        ProbedTool { command, file: "/bin/tool".to_owned(), stamp, probed_at, answer }
    }

    #[test]
    fn answers_and_failures_hold_for_their_time() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (answer, minutes) in
            [(Ok(Some("1".to_owned())), 60), (Err(ProbeError::TooMuchOutput), 10)]
        {
            let entry = entry(answer, now);
            let later = |m| now + SignedDuration::from_mins(m);
            assert!(entry.holds(now));
            assert!(entry.holds(later(minutes - 1)));
            assert!(!entry.holds(later(minutes)));
            assert!(!entry.holds(later(-1)));
        }
    }

    #[test]
    fn a_version_that_is_none_is_not_sound() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(entry(Ok(Some("1.2.3".to_owned())), now).is_sound());
        assert!(!entry(Ok(Some("1.2.3,gpu".to_owned())), now).is_sound());
        assert!(!entry(Ok(Some(String::new())), now).is_sound());
        assert!(entry(Ok(None), now).is_sound());
    }

    #[test]
    fn cache_is_bound_to_path() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let entries = vec![entry(Ok(None), now), entry(Err(ProbeError::Exit(3)), now)];
        let nested = dir.path().join("a/b");
        store(&nested, "/bin", entries.clone()).unwrap();
        assert_eq!(load(&nested, "/bin"), entries);
        assert_eq!(load(&nested, "/usr/bin"), []);
        assert_eq!(load(dir.path(), "/bin"), []);
    }

    #[test]
    fn bad_cache_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let now = Timestamp::UNIX_EPOCH;
        let none = |what: &str| assert_eq!(load(dir.path(), "/bin"), [], "{what}");

        store(dir.path(), "/bin", vec![entry(Ok(None), now)]).unwrap();
        let whole = std::fs::read(&file).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&file, &whole[..len]).unwrap();
            none("torn");
        }
        let text = String::from_utf8(whole.clone()).unwrap();
        std::fs::write(&file, text.replace("\"format\":1", "\"format\":2")).unwrap();
        none("another format");
        std::fs::write(&file, "[".repeat(100_000)).unwrap();
        none("deep");
        std::fs::write(&file, [whole.clone(), vec![b' '; 300_000]].concat()).unwrap();
        none("large");
        std::fs::write(dir.path().join("other"), &whole).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("other", &file).unwrap();
        none("a link");
        std::fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        none("a FIFO");

        store(dir.path(), "/bin", vec![entry(Ok(None), now)]).unwrap();
        assert_eq!(load(dir.path(), "/bin").len(), 1, "and it is replaced");
    }
}
