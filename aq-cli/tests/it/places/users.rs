//! Several users, and several views of one checkout. Most of this needs root, to be another user.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::{CommandEnd, PlacesLab, set_mode};
use crate::sandbox::skipped;

/// Nobody's number, and another one.
const ADA: u32 = 54_321;
const BOB: u32 = 54_322;

/// MachineUsers of one machine, with `aq` where each can run it.
struct MachineUsers {
    lab: PlacesLab,
}

impl MachineUsers {
    /// `None` where this test cannot be another user.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skipped("only root can be two users");
            return None;
        }
        let lab = PlacesLab::new();
        fs::copy(env!("CARGO_BIN_EXE_aq"), lab.path("aq")).unwrap();
        set_mode(&lab.path("aq"), 0o755);
        for user in [ADA, BOB] {
            let home = lab.path(&format!("home-{user}"));
            fs::create_dir(&home).unwrap();
            give(&home, user);
        }
        Some(Self { lab })
    }

    fn run(&self, user: u32, cwd: &str, program: &Path, args: &[&str]) -> CommandEnd {
        let mut command = Command::new("setpriv");
        self.lab.clean(&mut command, &self.lab.path(cwd));
        command.env("HOME", self.lab.path(&format!("home-{user}")));
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        command.args([&uid, &gid, "--clear-groups", "--"]).arg(program).args(args);
        CommandEnd::of(&command.output().unwrap())
    }

    fn aq(&self, user: u32, cwd: &str, args: &[&str]) -> CommandEnd {
        self.run(user, cwd, &self.lab.path("aq"), args)
    }

    fn git(&self, user: u32, cwd: &str, args: &[&str]) {
        let said = self.run(user, cwd, Path::new("git"), args);
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// A repository of a user's.
    fn repository(&self, user: u32, name: &str) {
        self.lab.repository(name);
        give(&self.lab.path(name), user);
    }
}

/// Makes everything in a directory a user's.
fn give(path: &Path, user: u32) {
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
    chown(path, Some(user), Some(user)).unwrap();
}

#[test]
fn two_users_of_a_checkout_have_a_queue_each() {
    let Some(users) = MachineUsers::new() else { return };
    users.repository(ADA, "app");
    let made = users.aq(ADA, "app", &["init"]);
    assert_eq!(made.code, 0, "{made:?}");
    // Git refuses the other user, and so does this, with git's own mend.
    let job = users.lab.job("a", "", "true");
    set_mode(Path::new(&job), 0o644);
    for args in [&["status"][..], &["add", &job], &["init"], &["path"]] {
        let said = users.aq(BOB, "app", args);
        assert_eq!(said.code, 5, "{args:?}: {said:?}");
        assert!(said.err.contains("safe.directory"), "{args:?}: {said:?}");
    }
    assert!(!users.lab.path(&format!("home-{BOB}/.local/share/aq")).exists());
    let app = users.lab.text("app");
    users.git(BOB, "", &["config", "--global", "--add", "safe.directory", &app]);
    // His own queue, with the same id, though he cannot write the config.
    let made = users.aq(BOB, "app", &["add", &job]);
    assert_eq!(made.code, 0, "{made:?}");
    let queue = |user: u32| PathBuf::from(users.aq(user, "app", &["path"]).out);
    let (ada, bob) = (queue(ADA), queue(BOB));
    assert!(ada.starts_with(users.lab.path(&format!("home-{ADA}/aq-work"))), "{ada:?}");
    assert!(bob.starts_with(users.lab.path(&format!("home-{BOB}/aq-work"))), "{bob:?}");
    assert_eq!(ada.file_name(), bob.file_name());
    assert!(bob.join("inbox/a.md").exists() && !ada.join("inbox/a.md").exists());
}

#[test]
fn a_config_that_cannot_be_written_goes_by_path() {
    let Some(users) = MachineUsers::new() else { return };
    users.repository(ADA, "app");
    let app = users.lab.text("app");
    users.git(BOB, "", &["config", "--global", "--add", "safe.directory", &app]);
    let made = users.aq(BOB, "app", &["init"]);
    assert_eq!(made.code, 0, "{made:?}");
    let queue = users.aq(BOB, "app/src", &["path"]).out;
    let marker = fs::read_to_string(format!("{queue}/.state/repository")).unwrap();
    assert!(!marker.contains("id="), "{marker}");
    let first = made.out.lines().next().unwrap();
    assert!(first.ends_with(&queue) && !queue.is_empty(), "{made:?}");
    // It stays his when the owner writes an id.
    assert_eq!(users.aq(ADA, "app", &["init"]).code, 0);
    assert_eq!(users.aq(BOB, "app", &["path"]).out, queue);
}

#[test]
fn a_queue_of_another_user_is_never_run() {
    let Some(users) = MachineUsers::new() else { return };
    // Anybody can make one in a sticky directory, above whoever works there.
    set_mode(&users.lab.path(""), 0o1777);
    let queue = users.lab.foreign_queue(".aq");
    give(&queue, BOB);
    set_mode(&queue, 0o777);
    fs::create_dir(users.lab.path("plain")).unwrap();
    give(&users.lab.path("plain"), ADA);
    assert_eq!(users.aq(ADA, "plain", &["path"]).out, users.lab.text(".aq"));
    for args in [&["run", "--once"][..], &["recover"], &["trust"]] {
        let said = users.aq(ADA, "plain", args);
        assert_eq!(said.code, 4, "{args:?}: {said:?}");
    }
    let said = users.aq(ADA, "plain", &["trust"]);
    assert!(said.err.contains(&format!("belongs to user {BOB}")), "{said:?}");
    // His own directory in the sticky one is his.
    let said = users.aq(ADA, "plain", &["init"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(users.aq(ADA, "plain", &["run", "--once", "--quiet"]).code, 0);
}

#[test]
fn directory_of_group_is_exposed() {
    let Some(users) = MachineUsers::new() else { return };
    let home = users.lab.path(&format!("home-{ADA}"));
    assert_eq!(users.aq(ADA, "", &["init", &home.join("team/q").display().to_string()]).code, 0);
    let team = home.join("team");
    set_mode(&team, 0o770);
    chown(&team, Some(ADA), Some(BOB)).unwrap();
    let queue = team.join("q").display().to_string();
    let said = users.aq(ADA, "", &["--queue", &queue, "run", "--once"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains(&format!("`chmod g-w {}`", team.display())), "{said:?}");
    // What others cannot even reach is not asked about.
    set_mode(&home, 0o700);
    assert_eq!(users.aq(ADA, "", &["--queue", &queue, "run", "--once"]).code, 0);
}

#[test]
fn another_home_and_mount_get_another_queue() {
    let mut lab = PlacesLab::new();
    lab.repository("app");
    lab.ok("app", &["init"]);
    let id = lab.git("app", &["config", "aq.id"]);
    let queue = lab.queue("app");
    fs::create_dir(lab.path("mounted")).unwrap();
    let mut mount = Command::new("mount");
    mount.arg("--bind").args([lab.path("app"), lab.path("mounted")]);
    if !mount.output().is_ok_and(|output| output.status.success()) {
        return skipped("nothing can be mounted here");
    }
    // On one host it is the same directory, and the same queue.
    let same = lab.aq("mounted", &["path"]);
    lab.env.push(("AQ_HOME", lab.text("container")));
    let none = lab.aq("mounted", &["path"]);
    let made = lab.aq("mounted", &["init"]);
    let own = lab.aq("mounted", &["path"]);
    let unmounted = Command::new("umount").arg(lab.path("mounted")).status().unwrap();
    assert!(unmounted.success());
    assert_eq!((same.out, none.code), (queue, 3));
    assert_eq!(made.code, 0, "{made:?}");
    assert!(own.out.starts_with(&lab.text("container/mounted-")), "{own:?}");
    assert!(own.out.ends_with(&id[..8]), "{own:?}");
    assert_eq!(lab.git("app", &["config", "aq.id"]), id);
}
