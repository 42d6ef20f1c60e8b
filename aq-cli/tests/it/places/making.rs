//! Queues that `aq init` makes, and its words about other queues.

use std::fs;

use super::lab::PlacesLab;

#[test]
fn a_home_in_a_work_tree_is_refused() {
    let mut lab = PlacesLab::new();
    lab.repository("app");
    lab.repository("other");
    for inside in ["app/queues", "other/deep/queues"] {
        lab.env = vec![("AQ_HOME", lab.text(inside))];
        let job = lab.job("a", "", "true");
        for args in [&["init"][..], &["add", &job]] {
            let said = lab.aq("app", args);
            assert_eq!(said.code, 4, "{said:?}");
            let place = format!("set AQ_HOME={}", lab.text("home/aq-work"));
            assert!(said.err.contains(&place), "{said:?}");
            assert!(!lab.path(inside).exists());
        }
    }
    lab.env = vec![("AQ_HOME", "queues".to_owned())];
    let said = lab.aq("app", &["init"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("expected an absolute path"), "{said:?}");
}

#[test]
fn elsewhere_queue_is_in_directory() {
    let lab = PlacesLab::new();
    fs::create_dir_all(lab.path("plain/deep")).unwrap();
    let made = lab.ok("plain", &["init"]);
    assert_eq!(made.lines().next().unwrap(), format!("made a queue at {}", lab.text("plain/.aq")));
    assert_eq!(lab.queue("plain/deep"), lab.text("plain/.aq"));
    lab.repository("app");
    lab.ok("app", &["init", "q"]);
    assert_eq!(lab.queue("app"), "");
    lab.ok("app", &["--queue", "q", "status"]);
}

#[test]
fn jobs_that_wait_elsewhere_are_named() {
    let lab = PlacesLab::new();
    lab.repository("app");
    let elsewhere = lab.text("nightly");
    lab.ok("", &["init", &elsewhere]);
    let [here, there, far] = ["here", "there", "far"].map(|name| lab.job(name, "", "true"));
    lab.ok("app/src", &["--queue", &elsewhere, "add", &here]);
    lab.ok("home", &["--queue", &elsewhere, "add", &far]);
    // The user's own queue is known without being on the list.
    let own = lab.text("home/.local/share/aq");
    lab.ok("app", &["--queue", &own, "add", &there]);
    let said = lab.aq("app", &["init"]);
    let expected = [
        format!("jobs for this directory wait in {own}: there"),
        format!("jobs for this directory wait in {elsewhere}: here"),
    ];
    let mut lines: Vec<&str> = said.err.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected, "{said:?}");
}

#[test]
fn many_inits_at_once_make_one_queue() {
    let lab = PlacesLab::new();
    lab.repository("app");
    let children: Vec<_> = (0..8).map(|_| lab.command("app", &["init"]).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let names = fs::read_dir(lab.path("home/aq-work")).unwrap();
    let names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| !name.starts_with('.')).count(), 1, "{names:?}");
    assert_eq!(lab.git("app", &["config", "--local", "--get-all", "aq.id"]).lines().count(), 1);
}

#[test]
fn hand_dropped_jobs_work_in_the_repository() {
    let lab = PlacesLab::new();
    lab.repository("app");
    lab.ok("app", &["init"]);
    let queue = lab.queue("app");
    let body = "---\nengine: shell\nisolation: in-place\n---\npwd >seen\n";
    fs::write(format!("{queue}/inbox/dropped.md"), body).unwrap();
    lab.ok("app", &["run", "--once", "--quiet"]);
    let seen = lab.git("app", &["show", "aq/wip/dropped:seen"]);
    assert_eq!(seen, lab.text("app"));
}
