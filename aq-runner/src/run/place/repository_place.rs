//! The repository of a directory, found as git finds it. Git is started only where this cannot
//! show what git would say: a run of it costs as much as all the rest of a command.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::checkpoint::GitRepository;

use super::super::environment::ProcessEnvironment;
use super::error::{PlaceError, is_absent};
use super::git_config::ConfigFacts;

/// The longest `.git` file or `commondir` that is read, in bytes.
const MAX_LINK: u64 = 16 << 10;

/// A repository, seen from a directory in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPlace {
    /// The directory of objects and branches.
    pub common_dir: PathBuf,
    /// Top of the work tree that the directory is in, or the bare repository.
    pub top: PathBuf,
    /// The work tree is one of several: a linked one.
    pub is_linked: bool,
}

impl RepositoryPlace {
    /// Finds the repository of a directory, which has no symbolic link in its path; `None` outside
    /// of git. One whose top is the user's home counts only in the home itself.
    ///
    /// # Errors
    /// When git will not read it, or cannot.
    pub fn find(
        dir: &Path,
        home: Option<&Path>,
        environment: &ProcessEnvironment,
    ) -> Result<Option<Self>, PlaceError> {
        let found = match look(dir, environment) {
            RepositorySighting::Nothing => None,
            RepositorySighting::Repository(found) => Some(found),
            RepositorySighting::Unclear => ask_git(dir)?,
        };
        let is_home = |place: &Self| home.is_some_and(|home| is_same(&place.top, home));
        Ok(found.filter(|place| dir == place.top || !is_home(place)))
    }

    /// Top of the main work tree, or the bare repository.
    pub fn main_top(&self) -> &Path {
        match self.common_dir.parent() {
            Some(dir) if self.is_linked && self.common_dir.ends_with(".git") => dir,
            _ if self.is_linked => &self.common_dir,
            _ => &self.top,
        }
    }

    /// Name of its queue: that of the top directory, less what is awkward in paths.
    pub fn name(&self) -> String {
        let name = self.main_top().file_name().unwrap_or_default().to_string_lossy().into_owned();
        path_word(name.strip_suffix(".git").unwrap_or(&name))
    }
}

/// The longest name that is kept of a directory, in bytes: paths of sockets below it are short.
const MAX_NAME: usize = 32;

fn path_word(name: &str) -> String {
    let fits = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut word = String::new();
    for c in name.trim_start_matches('.').chars().filter(fits) {
        if word.len() + c.len_utf8() > MAX_NAME {
            break;
        }
        word.push(c);
    }
    let word = word.trim_start_matches(['.', '-']);
    if word.is_empty() { "repository".to_owned() } else { word.to_owned() }
}

/// True when both paths are one directory.
pub(super) fn is_same(a: &Path, b: &Path) -> bool {
    let id = |path: &Path| path.metadata().map(|about| (about.dev(), about.ino()));
    a == b || matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

enum RepositorySighting {
    Nothing,
    Repository(RepositoryPlace),
    /// Git has to be asked.
    Unclear,
}

fn look(dir: &Path, environment: &ProcessEnvironment) -> RepositorySighting {
    let Ok(start) = dir.metadata() else { return RepositorySighting::Unclear };
    // Git stops at these, and at mount points.
    let has_bounds = environment.path("GIT_CEILING_DIRECTORIES").is_some();
    for above in dir.ancestors() {
        let dot_git = above.join(".git");
        let link = match dot_git.symlink_metadata() {
            Ok(link) => link,
            Err(e) if !is_absent(&e) => return RepositorySighting::Unclear,
            Err(_) if is_git_dir(above) => return RepositorySighting::Unclear,
            Err(_) => continue,
        };
        let Ok(top) = above.metadata() else { return RepositorySighting::Unclear };
        let is_bounded = above != dir && (has_bounds || top.dev() != start.dev());
        if is_bounded || !is_own(&top) || !is_own(&link) {
            return RepositorySighting::Unclear;
        }
        let found = if link.is_dir() {
            whole(above, dot_git)
        } else if link.is_file() {
            linked(above, &dot_git)
        } else {
            None
        };
        return found.map_or(RepositorySighting::Unclear, RepositorySighting::Repository);
    }
    RepositorySighting::Nothing
}

fn is_own(about: &Metadata) -> bool {
    about.uid() == nix::unistd::geteuid().as_raw()
}

/// A repository with its `.git` directory in the work tree.
fn whole(top: &Path, git_dir: PathBuf) -> Option<RepositoryPlace> {
    let is_whole = is_git_dir(&git_dir) && git_dir.join("commondir").symlink_metadata().is_err();
    let facts = ConfigFacts::read(&git_dir).ok().filter(|_| is_whole)?;
    let is_here = facts.worktree.is_none_or(|dir| is_same(&git_dir.join(dir), top));
    is_here.then(|| RepositoryPlace { common_dir: git_dir, top: top.to_owned(), is_linked: false })
}

/// A repository whose `.git` is a file: a linked work tree, or a submodule.
fn linked(top: &Path, dot_git: &Path) -> Option<RepositoryPlace> {
    let named = read_link(dot_git).ok()?;
    let git_dir = top.join(named.strip_prefix("gitdir: ")?).canonicalize().ok()?;
    if !is_own(&git_dir.metadata().ok()?) {
        return None;
    }
    let (common_dir, is_linked) = match read_link(&git_dir.join("commondir")) {
        Ok(named) => (git_dir.join(named).canonicalize().ok()?, true),
        Err(e) if is_absent(&e) => (git_dir.clone(), false),
        Err(_) => return None,
    };
    if !is_git_dir(&common_dir) || !git_dir.join("HEAD").is_file() {
        return None;
    }
    let facts = ConfigFacts::read(&common_dir).ok()?;
    let is_here = match facts.worktree {
        Some(dir) => !is_linked && is_same(&git_dir.join(dir), top),
        None => true,
    };
    is_here.then(|| RepositoryPlace { common_dir, top: top.to_owned(), is_linked })
}

/// The one line of a file by which git leads elsewhere.
fn read_link(path: &Path) -> io::Result<String> {
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let mut text = String::with_capacity(512);
    file.take(MAX_LINK).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// True for a directory that has what git looks for in a repository.
fn is_git_dir(dir: &Path) -> bool {
    dir.join("HEAD").symlink_metadata().is_ok()
        && dir.join("objects").is_dir()
        && dir.join("refs").is_dir()
}

fn ask_git(dir: &Path) -> Result<Option<RepositoryPlace>, PlaceError> {
    let refused = |source| PlaceError::Repository { dir: dir.to_owned(), source };
    let Some(found) = GitRepository::discover(dir, &[]).map_err(refused)? else { return Ok(None) };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let common_dir = real(found.common_dir());
    let is_linked = real(found.git_dir()) != common_dir;
    let top = match found.root() {
        Some(root) => real(root),
        None if common_dir.ends_with(".git") => {
            common_dir.parent().unwrap_or(&common_dir).to_owned()
        }
        None => common_dir.clone(),
    };
    Ok(Some(RepositoryPlace { common_dir, top, is_linked }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(common_dir: &str, top: &str, is_linked: bool) -> RepositoryPlace {
        RepositoryPlace { common_dir: common_dir.into(), top: top.into(), is_linked }
    }

    #[test]
    fn queues_are_called_after_the_main_work_tree() {
        for (common_dir, top, is_linked, name) in [
            ("/h/app/.git", "/h/app", false, "app"),
            ("/h/app/.git", "/h/app-fix", true, "app"),
            ("/h/app.git", "/h/app.git", false, "app"),
            ("/h/app.git", "/h/main", true, "app"),
            ("/h/s/.git/modules/lib", "/h/s/lib", false, "lib"),
            ("/h/.dot files!/.git", "/h/.dot files!", false, "dotfiles"),
            ("/h/.../.git", "/h/...", false, "repository"),
            ("/.git", "/", false, "repository"),
            ("/h/-x/.git", "/h/-x", false, "x"),
        ] {
            assert_eq!(place(common_dir, top, is_linked).name(), name, "{common_dir}");
        }
        let long = "ä".repeat(100);
        assert_eq!(path_word(&long), "ä".repeat(16));
    }

    #[test]
    fn home_counts_only_in_itself() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        for name in [".git/objects", ".git/refs", "src"] {
            std::fs::create_dir_all(home.join(name)).unwrap();
        }
        std::fs::write(home.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        let environment = ProcessEnvironment::default();
        let find = |dir: &Path, home: &Path| {
            RepositoryPlace::find(dir, Some(home), &environment).unwrap().map(|found| found.top)
        };
        assert_eq!(find(&home, &home), Some(home.clone()));
        assert_eq!(find(&home.join("src"), &home), None);
        assert_eq!(find(&home.join("src"), Path::new("/nowhere")), Some(home.clone()));
    }
}
