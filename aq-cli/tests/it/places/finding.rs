//! The queue that a directory gets.

use std::fs;
use std::os::unix::fs::symlink;

use super::lab::PlacesLab;

#[test]
fn repository_keeps_its_checkout_clean() {
    let lab = PlacesLab::new();
    lab.repository("my app");
    assert_eq!(lab.queue("my app/src"), "");
    let made = lab.ok("my app/src", &["init"]);
    let queue = lab.queue("my app");
    let (made, next) = made.split_once('\n').unwrap();
    assert_eq!(made, format!("made a queue at {queue}"));
    assert_eq!(next.lines().filter(|line| line.starts_with("  aq ")).count(), 3, "{next}");
    let name = queue.strip_prefix(&lab.text("home/aq-work/")).unwrap();
    assert!(name.starts_with("myapp-") && name.len() == "myapp-".len() + 8, "{name}");
    assert_eq!(lab.git("my app", &["status", "--porcelain", "--ignored"]), "");
    let id = lab.git("my app", &["config", "--local", "aq.id"]);
    let marker = fs::read_to_string(format!("{queue}/.state/repository")).unwrap();
    let top = lab.text("my app");
    let expected = format!("id={id}\npath={top}/.git\ntop={top}\nroot={queue}\n");
    assert_eq!(marker, expected);
    // Doing it twice changes nothing.
    assert_eq!(lab.ok("my app", &["init"]), format!("there is already a queue at {queue}"));
    assert_eq!(lab.git("my app", &["config", "--local", "aq.id"]), id);
}

#[test]
fn add_makes_the_repositorys_queue() {
    let lab = PlacesLab::new();
    lab.repository("app");
    let job = lab.job("a", "", "true");
    let said = lab.aq("app", &["add", &job]);
    let queue = lab.queue("app");
    assert_eq!((said.code, said.out.as_str()), (0, "added a"));
    assert_eq!(said.err, format!("made a queue at {queue}"));
    assert!(queue.starts_with(&lab.text("home/aq-work/app-")), "{queue}");
    // It is trusted, and no other queue was made.
    lab.ok("app", &["run", "--once", "--quiet"]);
    assert!(!lab.path("home/.local/share/aq").exists());
    fs::create_dir(lab.path("plain")).unwrap();
    let said = lab.aq("plain", &["add", &job]);
    assert_eq!(said.err, format!("made a queue at {}", lab.text("home/.local/share/aq")));
}

#[test]
fn no_git_is_started_to_find_a_queue() {
    let mut lab = PlacesLab::new();
    lab.repository("app");
    lab.repository("super");
    lab.git("super", &["submodule", "add", "-q", &lab.text("app"), "sub"]);
    lab.git("app", &["worktree", "add", "-q", &lab.text("linked")]);
    for dir in ["app", "super/sub"] {
        lab.ok(dir, &["init"]);
    }
    let job = lab.job("a", "", "true");
    let queues = ["app/src", "linked", "super/sub"].map(|dir| lab.queue(dir));
    lab.env.push(("PATH", lab.text("nowhere")));
    for (dir, queue) in ["app/src", "linked", "super/sub"].iter().zip(queues) {
        assert_eq!(lab.queue(dir), queue);
        lab.ok(dir, &["status"]);
        lab.ok(dir, &["add", &job]);
    }
}

#[test]
fn linked_work_trees_share_and_submodules_do_not() {
    let lab = PlacesLab::new();
    lab.repository("app");
    lab.repository("super");
    lab.git("super", &["submodule", "add", "-q", &lab.text("app"), "sub"]);
    lab.git("app", &["worktree", "add", "-q", &lab.text("linked")]);
    fs::create_dir(lab.path("linked/deep")).unwrap();
    // From the linked one: the queue is called after the main one.
    lab.ok("linked/deep", &["init"]);
    let shared = lab.queue("app");
    assert!(shared.contains("/app-"), "{shared}");
    assert_eq!(lab.queue("linked"), shared);
    assert_eq!(lab.queue("super/sub"), "");
    lab.ok("super/sub", &["init"]);
    let own = lab.queue("super/sub");
    assert!(own.contains("/sub-"), "{own}");
    assert_eq!(lab.queue("super"), "");
    lab.ok("super", &["init"]);
    assert!(lab.queue("super").contains("/super-"));
    assert_eq!(lab.queue("super/sub"), own);
    // Within the git directory it is the same repository.
    assert_eq!(lab.queue("app/.git/refs"), shared);
}

#[test]
fn a_jobs_checkout_has_the_queue_of_the_job() {
    // In the queue, below AQ_HOME because the queue is in the checkout, and where the config says.
    for (init, config) in
        [(&["init"][..], ""), (&["init", ".aq"], ""), (&["init"], "worktrees: beside\n")]
    {
        let lab = PlacesLab::new();
        lab.repository("p");
        lab.ok("p", init);
        let queue = lab.queue("p");
        fs::write(format!("{queue}/config.yaml"), config).unwrap();
        lab.add("p/src", "a", "", "mkdir -p new/inside; pwd >where");
        lab.ok("p", &["run", "--once", "--quiet"]);
        let checkout = lab.git("p", &["show", "aq/wip/a:src/where"]);
        for dir in [checkout.clone(), format!("{checkout}/new/inside")] {
            assert_eq!(lab.queue(&dir), queue, "{dir}");
        }
        let job = lab.path("b.md");
        fs::write(&job, "---\nengine: shell\n---\ntrue\n").unwrap();
        lab.ok(&checkout, &["add", job.to_str().unwrap()]);
        let record = fs::read_to_string(format!("{queue}/.state/meta/b.meta")).unwrap();
        assert!(record.contains(&format!("\ncwd={}\n", lab.text("p/src"))), "{record}");
    }
}

#[test]
fn bare_repository_has_its_own() {
    let lab = PlacesLab::new();
    lab.repository("app");
    lab.git("", &["clone", "-q", "--bare", "app", "mirror.git"]);
    lab.git("mirror.git", &["worktree", "add", "-q", &lab.text("of-bare"), "main"]);
    lab.ok("mirror.git", &["init"]);
    let queue = lab.queue("mirror.git/refs");
    assert!(queue.contains("/mirror-"), "{queue}");
    assert_eq!(lab.queue("of-bare"), queue);
    assert_eq!(lab.queue("app"), "");
    lab.add("of-bare", "a", "", "echo x >x");
    lab.ok("of-bare", &["run", "--once", "--quiet"]);
    assert!(lab.git("of-bare", &["branch", "--list", "aq/*"]).ends_with("aq/wip/a"));
}

#[test]
fn a_home_that_is_a_repository_counts_in_itself() {
    let lab = PlacesLab::new();
    lab.repository("home");
    fs::create_dir(lab.path("home/notes")).unwrap();
    lab.repository("home/app");
    let job = lab.job("a", "", "true");
    let said = lab.aq("home/notes", &["add", &job]);
    assert_eq!(said.err, format!("made a queue at {}", lab.text("home/.local/share/aq")));
    // Its own queue would be in its work tree.
    let said = lab.aq("home", &["init"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("is in the work tree of"), "{said:?}");
    let mut lab = lab;
    let elsewhere = lab.text("work");
    lab.env.push(("AQ_HOME", elsewhere.clone()));
    lab.ok("home", &["init"]);
    assert!(lab.queue("home").starts_with(&format!("{elsewhere}/home-")));
    assert_eq!(lab.queue("home/notes"), lab.text("home/.local/share/aq"));
    // A repository in it is none of its business.
    lab.env.pop();
    lab.ok("home/app", &["init"]);
    assert!(lab.queue("home/app").starts_with(&lab.text("home/aq-work/app-")));
}

#[test]
fn a_queue_above_is_named_once_and_not_taken() {
    let lab = PlacesLab::new();
    lab.ok("", &["init"]);
    assert_eq!(lab.queue(""), lab.text(".aq"));
    lab.repository("app");
    let said = lab.aq("app", &["status"]);
    assert_eq!(said.code, 3, "{said:?}");
    let job = lab.job("a", "", "true");
    let first = lab.aq("app", &["add", &job]);
    assert!(first.err.contains(&format!("{} is not used", lab.text(".aq"))), "{first:?}");
    let second = lab.aq("app", &["status"]);
    assert_eq!((second.code, second.err.as_str()), (0, ""));
    assert!(lab.queue("app").contains("/aq-work/app-"));
    assert!(!lab.path(".aq/inbox/a.md").exists());
    // What is no queue is not named.
    lab.repository("other");
    fs::remove_dir_all(lab.path(".aq/inbox")).unwrap();
    lab.ok("other", &["init"]);
    assert_eq!(lab.aq("other", &["status"]).err, "");
}

#[test]
fn symbolic_links_lead_to_the_same_queue() {
    let lab = PlacesLab::new();
    lab.repository("app");
    lab.ok("app", &["init"]);
    let queue = lab.queue("app");
    symlink(lab.path("app"), lab.path("link")).unwrap();
    assert_eq!(lab.queue("link/src"), queue);
    // Git follows a `.git` that is a link, and so does this.
    fs::create_dir(lab.path("view")).unwrap();
    symlink(lab.path("app/.git"), lab.path("view/.git")).unwrap();
    assert_eq!(lab.queue("view"), queue);
}

#[test]
fn variables_of_git_do_not_count() {
    let mut lab = PlacesLab::new();
    lab.repository("app");
    lab.repository("other");
    lab.ok("app", &["init"]);
    let queue = lab.queue("app");
    lab.env.push(("GIT_DIR", lab.text("other/.git")));
    lab.env.push(("GIT_WORK_TREE", lab.text("other")));
    assert_eq!(lab.queue("app"), queue);
    assert_eq!(lab.queue(""), "");
    lab.env.clear();
    // But where git may not look any further, this does not.
    lab.env.push(("GIT_CEILING_DIRECTORIES", lab.text("app")));
    assert_eq!((lab.queue("app"), lab.queue("app/src")), (queue, String::new()));
}

#[test]
fn a_damaged_repository_is_no_plain_directory() {
    let lab = PlacesLab::new();
    lab.repository("app");
    fs::write(lab.path("app/.git/HEAD"), "nonsense\n").unwrap();
    let job = lab.job("a", "", "true");
    // What git cannot read is still no place for a queue that is for all.
    lab.ok("app/src", &["add", &job]);
    assert!(lab.queue("app").starts_with(&lab.text("home/aq-work/app-")));
    assert!(!lab.path("home/.local/share/aq").exists());
    // Where git says that it cannot read it, that is said.
    fs::remove_file(lab.path("app/.git/config")).unwrap();
    fs::create_dir(lab.path("app/.git/config")).unwrap();
    let said = lab.aq("app", &["status"]);
    assert_eq!(said.code, 5, "{said:?}");
    // An empty `.git` is none, for git as well.
    fs::create_dir_all(lab.path("plain/.git")).unwrap();
    lab.ok("plain", &["add", &job]);
    assert_eq!(lab.queue("plain"), lab.text("home/.local/share/aq"));
}
