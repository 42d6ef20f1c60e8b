//! Checkouts of jobs, after the project or the queue was moved.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::store::QueueDir;

/// The most that is read of git's files that lead to a directory, in bytes.
const MAX_LINK: u64 = 16 << 10;

/// Mends the checkouts of a queue's jobs whose repository is, or was, below one of `places` and has
/// its work tree at `top` now, so that git finds the one from the other. Answers what could not be
/// mended, in words: those jobs are as they were, and say themselves what is wrong.
///
/// These are linked work trees, in `.state/worktrees/`. Whatever else a checkout is, it is mended
/// from here.
pub(super) fn repair_checkouts(queue: &QueueDir, places: &[&Path], top: &Path) -> Vec<String> {
    let mine = |path: &PathBuf| {
        let Some(git_dir) = link(&path.join(".git"), "gitdir: ") else { return false };
        let git_dir = path.join(git_dir);
        // The agent can have written that file, and is not to have another job's checkout.
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_named_alike = name(&git_dir).starts_with(&name(path));
        is_named_alike && places.iter().any(|place| git_dir.starts_with(place))
    };
    let checkouts: Vec<PathBuf> = worktrees(queue).into_iter().filter(mine).collect();
    if checkouts.is_empty() {
        return Vec::new();
    }
    let mut git = Command::new("git");
    git.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    git.env("LC_ALL", "C").current_dir(top).stdin(Stdio::null());
    let done = git.args(["worktree", "repair"]).args(&checkouts).output();
    match done {
        Ok(output) if output.status.success() => Vec::new(),
        Ok(output) => vec![format!(
            "`git worktree repair` failed in {}: {}",
            top.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )],
        Err(e) => vec![format!("cannot run git to mend the checkouts of jobs: {e}")],
    }
}

/// Earlier place of a queue without a marker, when git last made a checkout in it, by git's notes
/// in the repository that it is in; `None` when there is none of those.
pub(super) fn recorded_queue(queue: &QueueDir) -> Option<PathBuf> {
    let jobs = worktrees(queue);
    if jobs.is_empty() {
        return None;
    }
    let is_there = |top: &&Path| top.join(".git/worktrees").is_dir();
    let top = queue.root().ancestors().skip(1).find(is_there)?;
    let notes = std::fs::read_dir(top.join(".git/worktrees")).ok()?;
    notes.flatten().find_map(|note| {
        let checkout = link(&note.path().join("gitdir"), "")?;
        // QUEUE/.state/worktrees/JOB/.git
        let checkout = Path::new(&checkout).parent()?;
        let name = checkout.file_name()?;
        let is_ours = jobs.iter().any(|job| job.file_name() == Some(name));
        let recorded = checkout.parent()?.parent()?.parent()?;
        let is_queue = checkout.starts_with(recorded.join(".state/worktrees"))
            && recorded.file_name() == queue.root().file_name();
        (is_ours && is_queue && recorded.is_absolute()).then(|| recorded.to_owned())
    })
}

/// The linked work trees of a queue's jobs.
fn worktrees(queue: &QueueDir) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(queue.state().join("worktrees")) else {
        return Vec::new();
    };
    // One that is being removed begins with a dot.
    let is_job = |path: &PathBuf| {
        path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_job).collect()
}

/// The rest of a file of one line, behind a word.
fn link(file: &Path, word: &str) -> Option<String> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = std::fs::File::options().read(true).custom_flags(flags).open(file).ok()?;
    let mut text = String::new();
    file.take(MAX_LINK).read_to_string(&mut text).ok()?;
    Some(text.trim_end_matches('\n').strip_prefix(word)?.to_owned())
}
