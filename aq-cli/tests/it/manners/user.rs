//! A repository of some thousand files of every kind, as its user left it, and everything in it
//! that no job may change.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dice::Dice;
use crate::sandbox::Sandbox;

/// Directories at the top.
pub(crate) const DIRS: usize = 40;

/// Plain files in each: 60 in `./test --long`.
pub(crate) fn files() -> usize {
    std::env::var("AQ_MANNERS_FILES").ok().and_then(|files| files.parse().ok()).unwrap_or(5)
}

/// The settings of a user who takes submodules from where he likes. His git does nothing behind his
/// back.
const SETTINGS: &str = "[user]\nname = Ada\nemail = ada@example.com\n[protocol \"file\"]\n\
    allow = always\n\
    [advice]\ndetachedHead = false\n[init]\ndefaultBranch = main\n\
    [maintenance]\nauto = false\n[gc]\nauto = 0\n";

/// A file or link, byte for byte.
pub(crate) type Content = (u32, Vec<u8>);

/// The user's repository in a sandbox.
pub(crate) struct User<'a> {
    sandbox: &'a Sandbox,
    root: PathBuf,
    /// True when the checkout has only a part of the files.
    pub(crate) is_sparse: bool,
}

impl<'a> User<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, dice: &mut Dice) -> Self {
        fs::write(sandbox.path("home/.gitconfig"), SETTINGS).unwrap();
        let user = User { sandbox, root: sandbox.work(), is_sparse: dice.roll(3) == 0 };
        let module = sandbox.path("module");
        fs::create_dir(&module).unwrap();
        user.git(&module, &["init", "-q"]);
        put(&module.join("m.txt"), "module\n");
        user.git(&module, &["add", "-A"]);
        user.git(&module, &["commit", "-q", "-m", "module"]);
        user.git(&user.root, &["init", "-q"]);
        user.write_files();
        user.git(&user.root, &["add", "-A"]);
        user.git(&user.root, &["add", "-f", "kept.log"]);
        user.git(&user.root, &["commit", "-q", "-m", "files"]);
        user.git(&user.root, &["branch", "other"]);
        let module = module.to_str().unwrap();
        user.git(&user.root, &["submodule", "--quiet", "add", module, "mod"]);
        put(&user.root.join("d00/f00.txt"), "second\n");
        user.git(&user.root, &["commit", "-q", "-a", "-m", "second"]);
        user.git(&user.root, &["tag", "-a", "v1", "-m", "one"]);
        if dice.roll(2) == 0 {
            user.git(&user.root, &["update-index", "--index-version", "4"]);
        }
        if dice.roll(2) == 0 {
            user.git(&user.root, &["pack-refs", "--all"]);
        }
        user.leave_traces();
        user
    }

    fn write_files(&self) {
        let put = |path: &str, text: &str| put(&self.root.join(path), text);
        for dir in 0..DIRS {
            for file in 0..files() {
                put(&format!("d{dir:02}/f{file:02}.txt"), &format!("{dir} {file}\nsecond line\n"));
            }
            put(&format!("d{dir:02}/win.bat"), "@echo off\r\nrem two\r\n");
            put(&format!("d{dir:02}/tools/run.sh"), "#!/bin/sh\necho run\n");
            let script = self.root.join(format!("d{dir:02}/tools/run.sh"));
            fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
            let to_file = self.root.join(format!("d{dir:02}/link"));
            symlink("f00.txt", to_file).unwrap();
        }
        symlink("d01", self.root.join("to-dir")).unwrap();
        symlink("no/such/file", self.root.join("dangling")).unwrap();
        put(".gitattributes", "* text=auto\n*.bat text eol=crlf\n*.raw -text\n*.bin binary\n");
        put("d05/.gitattributes", "*.txt text eol=lf\n");
        put(".gitignore", "*.log\nbuild/\n");
        put("d06/.gitignore", "*.tmp\n!kept.log\n");
        put("kept.log", "in spite of the rules\n");
        put("crlf.raw", "one\r\ntwo\r\n");
        put("a b/c d.txt", "spaces\n");
        put("ü/ß.txt", "umlauts\n");
        put("d07/a/b/c/d/e/f/g.txt", "deep\n");
        put("empty", "");
        fs::write(self.root.join("x.bin"), [0_u8, 1, 2, 255, 10, 13, 10].repeat(9000)).unwrap();
    }

    /// A stash, a hook, exclusions, changes of each kind, and maybe a part of the files only.
    fn leave_traces(&self) {
        put(&self.root.join("d01/f01.txt"), "stashed\n");
        self.git(&self.root, &["stash", "-q"]);
        let hook = self.root.join(".git/hooks/pre-commit");
        put(&hook, "#!/bin/sh\nexit 0\n");
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
        put(&self.root.join(".git/info/exclude"), "*.private\n");
        if self.is_sparse {
            self.git(&self.root, &["sparse-checkout", "set", "d00", "d01", "d02", "d05", "a b"]);
        }
        put(&self.root.join("d00/f02.txt"), "staged\n");
        self.git(&self.root, &["add", "d00/f02.txt"]);
        put(&self.root.join("d00/f02.txt"), "edited\n");
        put(&self.root.join("d01/new.txt"), "not added\n");
        put(&self.root.join("x.private"), "excluded\n");
        put(&self.root.join("build/out"), "ignored\n");
        fs::remove_file(self.root.join("d02/f03.txt")).unwrap();
    }

    /// Runs git as the user does; it has to succeed.
    pub(crate) fn git(&self, dir: &Path, args: &[&str]) -> String {
        let (ok, text) = self.try_git(dir, args);
        assert!(ok, "git {args:?}: {text}");
        text
    }

    pub(crate) fn try_git(&self, dir: &Path, args: &[&str]) -> (bool, String) {
        let mut git = Command::new("git");
        let output = self.sandbox.clean(&mut git).args(args).current_dir(dir).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    /// The files of a commit, as a checkout of all of it has them.
    pub(crate) fn files_of(&self, commit: &str) -> BTreeMap<PathBuf, Content> {
        let dir = tempfile::tempdir_in(self.sandbox.path("out")).unwrap();
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap();
        let git = |args: &[&str]| {
            let mut git = Command::new("git");
            self.sandbox.clean(&mut git).args(["-c", "core.sparseCheckout=false"]).args(args);
            git.env("GIT_DIR", self.root.join(".git")).env("GIT_WORK_TREE", &files);
            let output = git.env("GIT_INDEX_FILE", dir.path().join("index")).output().unwrap();
            assert!(output.status.success(), "git {args:?}: {output:?}");
        };
        git(&["read-tree", commit]);
        git(&["checkout-index", "--all", "--force"]);
        tree(&files, |_| true)
    }

    /// Those of these paths that git ignores among the files of a directory, by the rules that are
    /// there and those of the user.
    pub(crate) fn ignored(&self, files: &Path, paths: &[&PathBuf]) -> Vec<PathBuf> {
        let mut git = Command::new("git");
        self.sandbox.clean(&mut git).args(["check-ignore", "--no-index", "-z", "--stdin"]);
        git.env("GIT_DIR", self.root.join(".git")).env("GIT_WORK_TREE", files).current_dir(files);
        let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        for path in paths {
            input.write_all(path.as_os_str().as_encoded_bytes()).unwrap();
            input.write_all(b"\0").unwrap();
        }
        drop(input);
        let output = child.wait_with_output().unwrap();
        let names = output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        names.map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned())).collect()
    }
}

/// Everything of the user's in a repository, but what is for jobs: all files and links, the index,
/// refs, logs, hooks, settings.
pub(crate) fn of_user(root: &Path) -> BTreeMap<PathBuf, Content> {
    let mut found = tree(root, |_| true);
    found.retain(|path, _| !is_of_jobs(path.strip_prefix(".git").unwrap_or(path)));
    for (path, (_, content)) in &mut found {
        if path.ends_with("packed-refs") {
            let text = String::from_utf8_lossy(content).into_owned();
            let lines = text.lines().filter(|line| !line.contains("refs/aq/"));
            let lines = lines.filter(|line| !line.contains("refs/heads/aq/"));
            *content = lines.collect::<Vec<_>>().join("\n").into_bytes();
        }
    }
    found
}

/// Tests for a path in `.git` that is there for jobs. What is added to objects is no change.
fn is_of_jobs(path: &Path) -> bool {
    let parts = ["refs/aq", "refs/heads/aq", "logs/refs/aq", "logs/refs/heads/aq", "objects"];
    let module = Path::new("modules/mod");
    let path = path.strip_prefix(module).unwrap_or(path);
    parts.iter().any(|part| path.starts_with(part))
}

/// All files and links below a directory that are wanted, by their path there.
pub(crate) fn tree(root: &Path, wanted: impl Fn(&Path) -> bool) -> BTreeMap<PathBuf, Content> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if !wanted(&relative) {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
                files.insert(relative, (0o120_000, target));
            } else if kind.is_file() {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o111;
                files.insert(relative, (mode, fs::read(&path).unwrap()));
            }
        }
    }
    files
}

pub(crate) fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The lines of a file, of those that can be read.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    BufReader::new(file).lines().map_while(Result::ok).collect()
}
