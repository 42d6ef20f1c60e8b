//! A queue as a power cut leaves it, put together again.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::calls::{Call, of_command};
use super::cuts::{Cut, Left};
use super::disk::{Disk, Node};
use crate::injection::stride;
use crate::sandbox::{STAGES, Sandbox};

/// A story that power cuts interrupt.
pub(super) struct Story<'a> {
    pub(super) prepare: fn(&Sandbox),
    /// Commands, one after the other, which end by themselves. Cuts come during the last one, and
    /// behind it.
    pub(super) commands: &'a [&'a [&'a str]],
    /// Files that the last command promises; what it does without a promise may be synced or not.
    pub(super) promised: &'a [&'a str],
}

/// A queue after a power cut.
pub(super) struct After<'a> {
    pub(super) sandbox: &'a Sandbox,
    /// Which cut, for people.
    pub(super) what: String,
    /// The last command had answered.
    pub(super) is_promised: bool,
}

impl After<'_> {
    pub(super) fn ok(&self, args: &[&str]) -> String {
        let (code, said) = self.sandbox.code(args);
        assert_eq!(code, 0, "{}: aq {}: {said}", self.what, args.join(" "));
        said
    }

    /// The lines that jobs have written since the cut.
    pub(super) fn runs(&self) -> Vec<String> {
        let trace = fs::read_to_string(self.sandbox.work().join("trace")).unwrap_or_default();
        trace.lines().map(str::to_owned).collect()
    }

    pub(super) fn is_whole(&self, jobs: &[&str]) {
        let faults = self.sandbox.faults_with(&["--power-cut"], jobs);
        assert_eq!(faults, "", "{}", self.what);
    }

    pub(super) fn story(&self, job: &str) -> String {
        format!("{}: {job}: {:?}\n{}", self.what, self.sandbox.meta(job), self.sandbox.log(job))
    }
}

/// The files of jobs, each one as it is: a record knows its job's file by its number.
struct Originals {
    dir: PathBuf,
    of: BTreeMap<Node, PathBuf>,
}

impl Originals {
    fn new(sandbox: &Sandbox) -> Self {
        let dir = sandbox.path("kept");
        fs::create_dir(&dir).unwrap();
        Self { dir, of: BTreeMap::new() }
    }

    fn keep(&mut self, sandbox: &Sandbox, node: impl Fn(&Path) -> Option<Node>) {
        for stage in STAGES {
            for entry in fs::read_dir(sandbox.queue(stage)).unwrap().flatten() {
                let Some(node) = node(&entry.path()) else { continue };
                let kept = self.dir.join(entry.metadata().unwrap().ino().to_string());
                if !kept.exists() {
                    fs::hard_link(entry.path(), &kept).unwrap();
                }
                self.of.insert(node, kept);
            }
        }
    }

    fn put_back(&self, root: &Path, left: &Left) {
        fs::remove_dir_all(root).unwrap();
        fs::create_dir(root).unwrap();
        for (path, piece) in left {
            let path = root.join(path);
            let Some(bytes) = &piece.bytes else {
                fs::create_dir(path).unwrap();
                continue;
            };
            match self.of.get(&piece.node).filter(|it| fs::read(it).is_ok_and(|it| it == *bytes)) {
                Some(kept) => fs::hard_link(kept, path).unwrap(),
                None => fs::write(path, bytes).unwrap(),
            }
        }
    }
}

impl Story<'_> {
    /// Replays the calls, and looks after each power cut, or of every so many after one: after each
    /// with `AQ_POWER_STRIDE=1`. Answers after how many.
    #[expect(clippy::print_stdout, reason = "it is the test's own output")]
    pub(super) fn cut_everywhere(&self, share: usize, look: impl Fn(&After<'_>)) -> usize {
        let sandbox = Sandbox::new();
        (self.prepare)(&sandbox);
        let root = sandbox.queue("");
        let begin = Disk::of(&root);
        let mut disk = begin.clone();
        let mut originals = Originals::new(&sandbox);
        originals.keep(&sandbox, |path| disk.find(path));
        let commands: Vec<Vec<Call>> =
            self.commands.iter().map(|args| of_command(&sandbox, args)).collect();
        let (last, before) = commands.split_last().unwrap();
        for call in before.iter().flatten() {
            disk.follow(call);
        }
        // The cuts at each place, before anything is done to the queue: its files are to be
        // compared.
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        let mut prefixes = 0;
        let mut add = |disk: &Disk, place: usize, is_promised: bool| {
            prefixes += 1;
            for cut in disk.cuts() {
                let left = disk.left(cut);
                let mut hasher = DefaultHasher::new();
                (&left, is_promised).hash(&mut hasher);
                if seen.insert(hasher.finish()) {
                    all.push((format!("cut after call {place}, {cut:?}"), is_promised, left));
                }
            }
        };
        add(&disk, 0, false);
        for (place, call) in last.iter().enumerate() {
            if disk.follow(call) {
                add(&disk, place + 1, false);
            }
        }
        add(&disk, last.len(), true);
        is_as_it_is(&disk, &root);
        originals.keep(&sandbox, |path| disk.find(path));
        self.needs_its_syncs(&begin, &commands);

        let name = format!("aq {}", self.commands.last().unwrap().join(" "));
        let stride = stride("AQ_POWER_STRIDE", share);
        let work = Work::of(&sandbox);
        let mut tried = 0;
        // Not always the first of them.
        for (what, is_promised, left) in all.iter().skip(stride / 2).step_by(stride) {
            originals.put_back(&root, left);
            work.put_back(&sandbox);
            let what = format!("{name}: {what}{}", if *is_promised { ", promised" } else { "" });
            look(&After { sandbox: &sandbox, what, is_promised: *is_promised });
            tried += 1;
        }
        println!("{name}: {prefixes} places, {} cuts, {tried} tried", all.len());
        tried
    }
}

/// Each of these files is there, whatever is cut off now, and so is what says who holds a key.
fn is_kept(disk: &Disk, files: &[&str]) -> Result<(), String> {
    let all = disk.left(Cut::Everything);
    let files = files.iter().map(|&file| {
        let file = Path::new(file);
        all.get_key_value(file).unwrap_or_else(|| panic!("{} is not there at all", file.display()))
    });
    let files: Vec<_> = files.collect();
    let keys = all.keys().filter(|path| path.starts_with(".state/keys"));
    let keys: Vec<_> = keys.map(|path| (path, holder(&all, path))).collect();
    for cut in disk.cuts() {
        let left = disk.left(cut);
        let lost = files.iter().find(|(file, piece)| left.get(*file) != Some(piece));
        let lost = lost.map(|(file, _)| file);
        let lost =
            lost.or(keys.iter().find(|(key, it)| holder(&left, key) != *it).map(|(key, _)| key));
        if let Some(file) = lost {
            return Err(format!("{cut:?} takes {} away", file.display()));
        }
    }
    Ok(())
}

/// The holder of a key by a file of `.state/keys`. That somebody waits for one only lets `add`
/// refuse a circle sooner than the loop would.
fn holder<'a>(left: &'a Left, key: &Path) -> Option<&'a str> {
    let text = std::str::from_utf8(left.get(key)?.bytes.as_deref()?).unwrap();
    text.lines().rfind(|line| line.starts_with("job="))
}

impl Story<'_> {
    /// Checks that promises are kept, and would not be without each kind of sync that was made.
    fn needs_its_syncs(&self, begin: &Disk, commands: &[Vec<Call>]) {
        let end = |without: &str| {
            let mut disk = begin.clone();
            let calls = commands.iter().flatten().filter(|call| call.name != without);
            calls.for_each(|call| {
                disk.follow(call);
            });
            is_kept(&disk, self.promised)
        };
        assert_eq!(end(""), Ok(()), "{:?}", self.commands);
        let syncs: &[&str] = match self.promised {
            [] => &[],
            _ => &["fsync", "fdatasync", "syncfs"],
        };
        for &sync in syncs {
            let is_one = |call: &Call| call.name == sync && begin.is_inside(call.opened.as_deref());
            let is_made = commands.iter().flatten().any(is_one);
            assert!(
                !is_made || end(sync).is_err(),
                "{:?}: {sync} makes no difference",
                self.commands
            );
        }
    }
}

/// The model has followed everything that was done.
fn is_as_it_is(disk: &Disk, root: &Path) {
    let left = disk.left(Cut::Everything);
    let real = Disk::of(root).left(Cut::Everything);
    let bytes = |left: &Left| -> BTreeMap<PathBuf, Option<String>> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        left.iter().map(|(path, it)| (path.clone(), it.bytes.as_ref().map(text))).collect()
    };
    assert_eq!(bytes(&left), bytes(&real));
}

/// The directory of the jobs as the commands left it.
struct Work(PathBuf);

impl Work {
    fn of(sandbox: &Sandbox) -> Self {
        let _ = fs::remove_file(sandbox.work().join("trace"));
        let kept = sandbox.path("kept-work");
        copy(&sandbox.work(), &kept);
        Self(kept)
    }

    fn put_back(&self, sandbox: &Sandbox) {
        fs::remove_dir_all(sandbox.work()).unwrap();
        copy(&self.0, &sandbox.work());
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
