use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Lab {
    /// Short, and in no path part that begins with a dot.
    dir: tempfile::TempDir,
    queue: QueueDir,
}

fn id(name: &str) -> JobId {
    JobId::new(name).unwrap()
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("aq").rand_bytes(6).tempdir_in("/tmp").unwrap();
        let queue = QueueDir::init(&dir.path().join("queue")).unwrap();
        Self { dir, queue }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A directory, with this mode.
    fn make(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// `AQ_HOME` is `h`, the home is `home`, and everybody writes in `system`.
    fn places(&self, tmp: Option<&Path>) -> ScratchPlaces {
        let home = Some(self.path("home"));
        let places = ScratchPlaces::new(tmp.map(Path::to_owned), Some(self.path("h")), home);
        places.with_system(&[&self.path("system")])
    }

    fn job(&self, places: &ScratchPlaces, name: &str) -> ScratchDir {
        ScratchDir::make(places, &self.queue, &id(name)).unwrap_or_else(|e| panic!("{e}"))
    }

    fn refused(&self, places: &ScratchPlaces) -> String {
        let error = ScratchDir::make(places, &self.queue, &id("job")).unwrap_err().to_string();
        error.replace(&self.path("").display().to_string(), "/")
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

#[test]
fn the_next_job_sees_nothing_of_the_one_before() {
    let lab = Lab::new();
    let places = lab.places(None);
    let scratch = lab.job(&places, "one");
    let path = scratch.path().to_owned();
    assert_eq!(path.parent(), Some(&*lab.path("h/t")));
    assert_eq!((mode(&path), mode(&lab.path("h/t")), mode(&lab.path("h"))), (0o700, 0o700, 0o700));
    write_private(&path.join("prompt"), b"a long secret", 0o700).unwrap();
    fs::create_dir_all(path.join("a/b")).unwrap();
    fs::write(path.join("a/b/c"), "x").unwrap();
    symlink("/", path.join("link")).unwrap();
    fs::set_permissions(path.join("a"), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    let inode = path.metadata().unwrap().ino();
    scratch.put_away("prompt").unwrap();
    assert!(!path.exists());

    let scratch = lab.job(&places, "two");
    let next = scratch.path();
    assert!(path != next && next.metadata().unwrap().ino() == inode, "the same directory");
    assert_eq!(mode(next), 0o700);
    assert_eq!(fs::read_dir(next).unwrap().count(), 1);
    assert_eq!(fs::read(next.join("prompt")).unwrap(), b"\n");
    write_private(&next.join("prompt"), b"short", 0o600).unwrap();
    assert_eq!(fs::read(next.join("prompt")).unwrap(), b"short");
    assert_eq!(mode(&next.join("prompt")), 0o600);
}

#[test]
fn a_kept_file_has_no_second_name() {
    let lab = Lab::new();
    let places = lab.places(None);
    let scratch = lab.job(&places, "job");
    write_private(&scratch.path().join("prompt"), b"text", 0o600).unwrap();
    fs::hard_link(scratch.path().join("prompt"), lab.path("other")).unwrap();
    scratch.put_away("prompt").unwrap();
    assert_eq!(fs::read_dir(lab.job(&places, "job").path()).unwrap().count(), 0);
    assert_eq!(fs::read(lab.path("other")).unwrap(), b"text");
}

#[test]
fn spare_directories_are_bounded() {
    let lab = Lab::new();
    let places = lab.places(None);
    let jobs: Vec<ScratchDir> = (0..20).map(|n| lab.job(&places, &format!("job-{n}"))).collect();
    for job in jobs {
        job.put_away("prompt").unwrap();
    }
    let left = fs::read_dir(lab.path("h/t")).unwrap().map(|e| e.unwrap().file_name());
    let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, (0..8).map(|n| format!("spare-{n}")).collect::<Vec<_>>());
}

#[test]
fn a_name_follows_from_queue_and_job() {
    let lab = Lab::new();
    let other = QueueDir::init(&lab.path("other")).unwrap();
    let name = |queue, job| name_of(queue, &id(job)).into_string().unwrap();
    let one = name(&lab.queue, "one");
    assert_eq!(one, name(&lab.queue, "one"));
    assert!(one.len() == NAME && one.bytes().all(|b| b.is_ascii_alphanumeric()), "{one}");
    assert!(one != name(&lab.queue, "two") && one != name(&other, "one"));
}

#[test]
fn what_somebody_alive_uses_is_left_alone() {
    let lab = Lab::new();
    let system = lab.make("system", 0o1777);
    let places = lab.places(None);
    // As with a queue that was moved away while its job runs, and a new one in its place.
    let first = lab.job(&places, "job");
    fs::write(first.path().join("file"), "x").unwrap();
    let second = lab.job(&places, "job");
    assert!(first.path() != second.path() && second.path().starts_with(&system));
    assert_eq!(remove_scratch(&places, &lab.queue, &id("job")), None);
    assert!(first.path().join("file").exists() && second.path().exists());
    assert!(lab.refused(&places).contains("another process is at work in /h/t/"));
}

#[test]
fn recovery_finds_a_directory_in_every_place() {
    let lab = Lab::new();
    lab.make("system", 0o1777);
    let shared = lab.make("shared", 0o1777);
    let places = lab.places(Some(&shared));
    let mut left = Vec::new();
    for place in places.candidates() {
        let place = place.open(&places, NAME, false).unwrap();
        let scratch = take(place, &name_of(&lab.queue, &id("job"))).unwrap();
        fs::create_dir_all(scratch.path().join("a/b")).unwrap();
        fs::set_permissions(scratch.path().join("a"), Permissions::from_mode(0o500)).unwrap();
        // The worker dies.
        left.push(scratch.path().to_owned());
    }
    let old = lab.queue.state().join("tmp/job");
    fs::create_dir_all(old.join("a")).unwrap();
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|path| path.exists()));
    assert_eq!(remove_scratch(&places, &lab.queue, &id("job")), None);
    assert!(!left.iter().any(|path| path.exists()) && !old.exists());
}

#[test]
fn spares_of_older_versions_are_removed() {
    let lab = Lab::new();
    let tmp = lab.queue.state().join("tmp");
    fs::create_dir(tmp.join(".spare-3")).unwrap();
    fs::write(tmp.join(".spare-3/aq-prompt"), "x").unwrap();
    fs::write(tmp.join(".stop-job"), "").unwrap();
    remove_old_spares(&lab.queue);
    let left: Vec<_> = fs::read_dir(tmp).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".stop-job"]);
}

#[test]
fn link_in_place_leads_nowhere() {
    let lab = Lab::new();
    let places = lab.places(None);
    let outside = lab.make("outside", 0o700);
    fs::write(outside.join("file"), "x").unwrap();
    let path = lab.job(&places, "job").path().to_owned();
    let put_a_link = || {
        fs::remove_dir(&path).unwrap();
        symlink(&outside, &path).unwrap();
    };
    put_a_link();
    assert_eq!(remove_scratch(&places, &lab.queue, &id("job")), None);
    assert!(path.symlink_metadata().is_err());
    // The next attempt makes its own, and so does the end of one whose agent does that.
    symlink(&outside, &path).unwrap();
    let scratch = lab.job(&places, "job");
    assert!(path.symlink_metadata().unwrap().is_dir());
    put_a_link();
    scratch.put_away("prompt").unwrap();
    assert!(path.symlink_metadata().is_err() && outside.join("file").exists());
}

#[test]
fn the_first_place_that_fits_is_taken() {
    let lab = Lab::new();
    lab.make("system", 0o1777);
    let own = lab.make("own", 0o700);
    let parent = |tmp: Option<&Path>| {
        let mut scratch = lab.job(&lab.places(tmp), "job");
        let place = scratch.path().parent().unwrap().strip_prefix(lab.path("")).unwrap();
        (place.to_owned(), scratch.passed_over().is_some())
    };
    assert_eq!(parent(Some(&own)), ("own".into(), false));
    assert_eq!(parent(None), ("h/t".into(), false));
    // Where others write, a directory of this user's own is made.
    let shared = lab.make("shared", 0o1777);
    let user = user();
    assert_eq!(parent(Some(&shared)), (format!("shared/aq-{user}").into(), false));
    assert_eq!(mode(&shared.join(format!("aq-{user}"))), 0o700);
    fs::set_permissions(&own, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(parent(Some(&own)), ("h/t".into(), true));
    // Everything of one repository: the system's is taken.
    lab.make("h/.git", 0o700);
    assert_eq!(parent(None), (format!("system/aq-{user}").into(), false));
}

#[test]
fn each_misfit_is_named() {
    let lab = Lab::new();
    fs::create_dir(lab.path("h")).unwrap();
    fs::write(lab.path("h/t"), "").unwrap();
    for (name, mode, why) in [
        (".dot", 0o700, "its part .dot begins with a dot"),
        ("a-directory-with-a-long-name", 0o700, "characters, and sockets need 40 or less"),
        ("open", 0o777, "others can write in it"),
        ("git/a", 0o700, "it is inside the repository /git"),
        ("jj/a", 0o700, "it is inside the repository /jj"),
        ("hg", 0o700, "it is inside the repository /hg"),
    ] {
        let dir = lab.make(name, mode);
        for kind in ["git", "jj", "hg"].into_iter().filter(|kind| name.starts_with(kind)) {
            fs::create_dir(lab.path(kind).join(format!(".{kind}"))).unwrap();
        }
        let said = lab.refused(&lab.places(Some(&dir)));
        let start = format!("there is no place for its TMPDIR: /{name} (`tmp` in config.yaml): ");
        assert!(said.starts_with(&start), "{said}");
        assert!(said.split("; ").next().unwrap().contains(why), "{name}: {said}");
        assert!(said.contains("; /h/t: cannot make it: "), "{said}");
        assert!(said.contains("; /system: cannot open it: No such file"), "{said}");
        assert!(said.contains("set `tmp` in config.yaml to a short path"), "{said}");
    }
    // A link is judged by where it leads.
    symlink(lab.path("git/a"), lab.path("link")).unwrap();
    assert!(lab.refused(&lab.places(Some(&lab.path("link")))).contains("repository /git"));
}

#[test]
fn a_home_that_is_a_repository_comes_last() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("home/.git")).unwrap();
    let places = |system: &str| {
        let home = lab.path("home");
        ScratchPlaces::new(None, Some(home.join("w")), Some(home)).with_system(&[&lab.path(system)])
    };
    lab.make("system", 0o1777);
    assert!(lab.job(&places("system"), "job").path().starts_with(lab.path("system")));
    assert!(lab.job(&places("none"), "job").path().starts_with(lab.path("home/w/t")));
    // Another repository in it counts in any case.
    fs::create_dir(lab.path("home/w/.git")).unwrap();
    assert!(lab.refused(&places("none")).contains("inside the repository /home/w"));
}
