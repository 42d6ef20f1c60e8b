//! The truth about one job: each change that its agent left is on the branch, or is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::user::{Content, User, lines, tree};
use crate::sandbox::Sandbox;

/// A job that has ended, with its checkout as the agent left it.
pub(crate) struct Ended<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) user: &'a User<'a>,
    pub(crate) job: &'a str,
    /// The agent's deeds, for people.
    pub(crate) story: &'a str,
}

type Files = BTreeMap<PathBuf, Content>;

impl Ended<'_> {
    fn fail(&self, what: &str) -> ! {
        let Ended { sandbox, job, story, .. } = self;
        let left = self.left_out();
        let refs = self.user.git(&sandbox.work(), &["log", "--oneline", "-5", &self.branch()]);
        let what: String = what.chars().take(500).collect();
        panic!("{job}: {what}\nleft out: {left}\n{refs}\n{story}\n{}", sandbox.log(job))
    }

    fn branch(&self) -> String {
        format!("aq/wip/{}", self.job)
    }

    fn left_out(&self) -> String {
        self.sandbox.meta_value(self.job, "left_out")
    }

    /// Tests for something of this name. No name here has a comma.
    fn is_left(&self, name: &str) -> bool {
        self.left_out().split(',').any(|left| left == name)
    }

    /// Tests for a path that is named as left out, itself or a directory above it.
    fn is_named(&self, path: &Path) -> bool {
        let parts = path.ancestors().filter(|path| !path.as_os_str().is_empty());
        parts.into_iter().any(|path| self.is_left(&path.display().to_string()))
    }

    /// The checkout as the agent left it at its last attempt.
    fn kept(&self) -> PathBuf {
        let attempts = self.sandbox.meta_value(self.job, "attempts");
        self.sandbox.path("out").join(format!("{}.{attempts}", self.job))
    }

    pub(crate) fn check(&self) {
        let error = self.sandbox.meta_value(self.job, "checkpoint_error");
        if !error.is_empty() {
            self.fail(&format!("the checkpoint failed: {error}"));
        }
        let kept = self.kept();
        if !kept.is_dir() {
            self.fail("the agent did not come to its end");
        }
        let mut nested = nested(&kept);
        // One in a directory with files of the job's is no other directory for git.
        let base = self.user.files_of("main");
        nested.retain(|root| {
            let has_own = base.keys().any(|path| path.starts_with(root));
            !has_own && self.is_repository(&kept.join(root))
        });
        self.check_files(&kept, &nested);
        self.check_unseen(&kept);
        self.check_refs(&kept);
        for root in &nested {
            self.check_nested(&kept, root);
        }
    }

    fn is_repository(&self, dir: &Path) -> bool {
        let (ok, top) = self.user.try_git(dir, &["rev-parse", "--show-toplevel"]);
        ok && Path::new(&top) == dir
    }

    /// The files are those of the branch, or of another commit that is kept or named.
    fn check_files(&self, kept: &Path, nested: &BTreeSet<PathBuf>) {
        let is_own = |path: &Path| !path.ends_with(".git") && !nested.contains(path);
        let files = tree(kept, is_own);
        let mut unlike = self.differences(kept, &files, &self.branch());
        // Of a repository inside that lost its own, the branch has the files.
        unlike.retain(|path| !nested.iter().any(|root| path.starts_with(root)));
        if unlike.is_empty() {
            return;
        }
        let (true, head) = self.user.try_git(kept, &["rev-parse", "--verify", "HEAD^{commit}"])
        else {
            self.fail(&format!("not on the branch: {unlike:?}"));
        };
        let there = self.has(&head) && self.differences(kept, &files, &head).is_empty();
        if !there {
            self.fail(&format!("neither on the branch nor in HEAD: {unlike:?}"));
        }
        // It looked at another commit, which is kept where it is.
        if self.only_in(kept, &head) > 0 && !self.names_a_ref_of(kept, &head) {
            self.fail(&format!("HEAD {head} is nowhere: {unlike:?}"));
        }
    }

    /// Files that the agent has never seen, and a submodule that it left alone, are on the branch.
    fn check_unseen(&self, kept: &Path) {
        let there = self.user.files_of(&self.branch());
        let first = self.sandbox.path("out").join(format!("{}.hidden", self.job));
        // Or something else is in the place of its directory.
        let is_touched = |path: &Path| {
            let is_file =
                |path: &Path| kept.join(path).symlink_metadata().is_ok_and(|about| !about.is_dir());
            path.ancestors().any(is_file)
        };
        let mut unseen = lines(&first).into_iter().map(PathBuf::from);
        if let Some(gone) = unseen.find(|path| !is_touched(path) && !there.contains_key(path)) {
            self.fail(&format!("{} is gone, which the agent never saw", gone.display()));
        }
        let module = !self.story.contains(" mod")
            && std::fs::read_dir(kept.join("mod")).is_ok_and(|mut dir| dir.next().is_none());
        let entry = format!("{}:mod", self.branch());
        if module && !self.user.try_git(&self.sandbox.work(), &["rev-parse", &entry]).0 {
            self.fail("the submodule is gone, which the agent left alone");
        }
    }

    /// Tests for a commit that the user's repository can show.
    fn has(&self, commit: &str) -> bool {
        let name = format!("{commit}^{{commit}}");
        self.user.try_git(&self.sandbox.work(), &["cat-file", "-e", &name]).0
    }

    /// Paths that are otherwise than in a commit, but for those that git ignores or is not to look
    /// at.
    fn differences(&self, kept: &Path, files: &Files, commit: &str) -> Vec<PathBuf> {
        let there = self.user.files_of(commit);
        let unlike = |path: &&PathBuf| match (files.get(*path), there.get(*path)) {
            (Some(one), Some(other)) => !is_same(one, other),
            (one, other) => one.is_some() || other.is_some(),
        };
        let all: BTreeSet<&PathBuf> = files.keys().chain(there.keys()).collect();
        let unlike: Vec<&PathBuf> = all.into_iter().filter(unlike).collect();
        if unlike.is_empty() {
            return Vec::new();
        }
        let hidden = self.hidden(kept);
        let base = self.user.files_of("main");
        let ignored = self.user.ignored(kept, &unlike);
        let counts = |path: &&&PathBuf| {
            let is_new = !there.contains_key(**path) && !base.contains_key(**path);
            let is_gone = !files.contains_key(**path) && there.contains_key(**path);
            !(is_new && ignored.contains(path)
                || is_gone && hidden.contains(**path)
                || self.is_named(path))
        };
        unlike.iter().filter(counts).map(|path| (*path).clone()).collect()
    }

    /// Files that are in no checkout because it was not there from the beginning, or by the
    /// agent's rules.
    fn hidden(&self, kept: &Path) -> BTreeSet<PathBuf> {
        let first = self.sandbox.path("out").join(format!("{}.hidden", self.job));
        let mut hidden: BTreeSet<PathBuf> = lines(&first).into_iter().map(PathBuf::from).collect();
        let (_, list) = self.user.try_git(kept, &["-c", "core.quotePath=false", "ls-files", "-t"]);
        hidden.extend(list.lines().filter_map(|line| line.strip_prefix("S ")).map(PathBuf::from));
        hidden
    }

    /// Commits that lead to this one and are neither on the branch nor in the user's repository.
    fn only_in(&self, kept: &Path, commit: &str) -> usize {
        let tips =
            self.user.git(&self.sandbox.work(), &["for-each-ref", "--format=^%(objectname)"]);
        let mut args = vec!["rev-list", "--ignore-missing", "--count", commit];
        args.extend(tips.lines());
        let (ok, count) = self.user.try_git(kept, &args);
        // Nobody can read it.
        if ok { count.parse().unwrap() } else { 0 }
    }

    fn names_a_ref_of(&self, kept: &Path, commit: &str) -> bool {
        self.refs(kept).iter().any(|(name, at)| at == commit && self.names(name))
    }

    fn refs(&self, kept: &Path) -> Vec<(String, String)> {
        let format = "--format=%(refname) %(objectname)";
        let (_, list) = self.user.try_git(kept, &["for-each-ref", format]);
        let pair =
            |line: &str| line.split_once(' ').map(|(one, two)| (one.to_owned(), two.to_owned()));
        list.lines().filter_map(pair).collect()
    }

    fn names(&self, full: &str) -> bool {
        let short = full.replacen("refs/heads/", "branch ", 1).replacen("refs/tags/", "tag ", 1);
        let name = if full == "refs/stash" { "stash" } else { &short };
        // A repository that borrows nothing any more is reported as a whole.
        self.is_left(name) || self.is_left(".git")
    }

    /// Tests for a repository in the place of the job's own all of whose committed contents are in
    /// the user's. Of such a one only the history is gone.
    fn is_replaced_by_the_same(&self, kept: &Path, commit: &str) -> bool {
        if kept.join(".git/objects/info/alternates").exists() {
            return false;
        }
        let list = ["rev-list", "--objects", "--no-object-names", "--filter=object:type=blob"];
        let args = [&list[..], &["--filter-provided-objects", commit]].concat();
        let contents = self.user.git(kept, &args);
        let known =
            |object: &str| self.user.try_git(&self.sandbox.work(), &["cat-file", "-e", object]).0;
        contents.lines().all(known)
    }

    /// Commits of other branches, stashes and tags are in the user's repository, or named.
    fn check_refs(&self, kept: &Path) {
        for (name, commit) in self.refs(kept) {
            if !name.starts_with("refs/remotes/")
                && self.only_in(kept, &commit) > 0
                && !self.names(&name)
                && !self.is_replaced_by_the_same(kept, &commit)
            {
                self.fail(&format!("{name} is not named: {commit}"));
            }
        }
    }

    /// A repository inside with work of its own is named.
    fn check_nested(&self, kept: &Path, root: &Path) {
        let dir = kept.join(root);
        if !self.user.ignored(kept, &[&root.to_owned()]).is_empty() {
            return;
        }
        let (_, changed) = self.user.try_git(&dir, &["status", "--porcelain"]);
        let (has_head, head) = self.user.try_git(&dir, &["rev-parse", "--verify", "HEAD"]);
        let mut args = vec!["rev-list", "--count", "HEAD", "--not", "--remotes"];
        let base = self.user.git(&self.sandbox.work(), &["rev-parse", "main:mod"]);
        if self.user.try_git(&dir, &["cat-file", "-e", &base]).0 {
            args.push(&base);
        }
        let commits = has_head && self.user.try_git(&dir, &args).1 != "0";
        // Those of a worktree are reported as those of its branch.
        let commits = commits && self.only_in(&dir, &head) > 0 && !self.names_a_ref_of(kept, &head);
        if (!changed.is_empty() || commits) && !self.is_named(root) {
            self.fail(&format!(
                "{} has work and is not named: {changed} {commits}",
                root.display()
            ));
        }
    }
}

/// Line ends are what the attributes make of them.
fn is_same(one: &Content, other: &Content) -> bool {
    let plain = |(mode, bytes): &Content| {
        let is_link = *mode == 0o120_000;
        let bytes: Vec<u8> = if is_link || bytes.contains(&0) {
            bytes.clone()
        } else {
            bytes.iter().copied().filter(|&byte| byte != b'\r').collect()
        };
        // Git keeps one bit of a mode.
        (if is_link { *mode } else { *mode & 0o100 }, bytes)
    };
    plain(one) == plain(other)
}

/// Directories below the top that have a `.git` of their own.
fn nested(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().flatten() {
            let path = entry.path();
            if path == root.join(".git") {
                continue;
            }
            if entry.file_name() == ".git" {
                found.insert(dir.strip_prefix(root).unwrap().to_owned());
            } else if entry.file_type().unwrap().is_dir() {
                open.push(path);
            }
        }
    }
    found.retain(|path| !path.as_os_str().is_empty());
    found
}
