//! `aq ship --merge`: what is merged is all of the job's work, or nothing is.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn a_clean_merge_ships_and_a_conflict_changes_nothing() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("new", "", "echo x > new.txt");
    sandbox.add("edit", "", "echo two > a.txt");
    sandbox.ok(&["run", "--once"]);
    let told = sandbox.ok(&["ship", "--merge", "new"]);
    assert_eq!(told, "new is merged into main and shipped\n");
    assert_eq!(fs::read_to_string(sandbox.work().join("new.txt")).unwrap(), "x\n");
    assert_eq!(sandbox.meta_value("new", "merged_into"), "main");

    sandbox.commit("a.txt", "three\n");
    let (before, main) = (sandbox.checkout(), sandbox.git(&["rev-parse", "main"]));
    let (code, said) = sandbox.code(&["ship", "--merge", "edit"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("a.txt") && said.contains("git merge aq/wip/edit"), "{said}");
    assert_eq!(sandbox.folders("edit"), ["testing"]);
    assert_eq!((sandbox.checkout(), sandbox.git(&["rev-parse", "main"])), (before, main));
}

#[test]
fn a_merge_without_all_of_the_work_is_refused() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "", "echo done > w; git init -q inner");
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert!(sandbox.log("a").contains("warning: not all of the work is on the branch:"));
    let (code, said) = sandbox.code(&["ship", "--merge", "a"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("not all work of a is on its branch, so it is not shipped: "), "{said}");
    assert!(said.contains("inner"), "{said}");
    assert_eq!(sandbox.folders("a"), ["testing"]);
    fs::remove_dir_all(sandbox.own("a", "inner")).unwrap();
    sandbox.ok(&["ship", "--merge", "a"]);
    assert!(sandbox.work().join("w").exists());
}

#[test]
fn what_reviewer_corrected_is_merged() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "review-policy: human", "echo draft > x");
    sandbox.ok(&["run", "--once"]);
    fs::write(sandbox.own("a", "x"), "fixed\n").unwrap();
    sandbox.ok(&["ship", "--merge", "a"]);
    assert_eq!(sandbox.git(&["show", "main:x"]), "fixed");
    let subjects = sandbox.git(&["log", "--format=%s", "main"]);
    assert_eq!(subjects, "a: left uncommitted\na: attempt 1\na.txt");
}

#[test]
fn unfinished_merge_is_not_merged() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "", "echo two > a.txt");
    sandbox.ok(&["run", "--once"]);
    sandbox.commit("a.txt", "three\n");
    let main = sandbox.git(&["rev-parse", "main"]);
    let checkout = sandbox.own("a", "");
    assert!(!sandbox.try_git(&["-C", checkout.to_str().unwrap(), "merge", "-q", &main]).0);
    let (code, said) = sandbox.code(&["ship", "--merge", "a"]);
    assert!(code == 4 && said.contains("finish or abort it"), "{code} {said}");
    assert_eq!(
        (sandbox.folders("a"), sandbox.git(&["rev-parse", "main"])),
        (vec!["testing"], main)
    );
    assert_eq!(sandbox.on_branch("a", "a.txt"), "two");
}

#[test]
fn work_that_is_left_out_is_named_everywhere() {
    let sandbox = Sandbox::with_repository();
    let nested = "mkdir app; cd app; git init -q; echo code > main.c; git add .; \
                  git -c user.name=a -c user.email=a@example.com commit -qm init";
    sandbox.add("nested", "", nested);
    sandbox.add("stashed", "", "echo work >> a.txt; git stash -q; echo x > x");
    sandbox.add("known", "expect: {leave-out: [app]}", nested);
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("known"), ["shipped"], "{}", sandbox.log("known"));
    for (job, name) in [("nested", "app"), ("stashed", "stash")] {
        assert_eq!(sandbox.folders(job), ["testing"], "a person decides: {}", sandbox.log(job));
        let status = sandbox.ok(&["status"]);
        assert!(status.contains(&format!("not on its branch: {name}")), "{status}");
        let why = sandbox.ok(&["why", job]);
        assert!(why.contains(&format!("\nleft out: {name}: ")), "{why}");
        let (code, said) = sandbox.code(&["diff", job]);
        assert!(code == 0 && said.contains(&format!("left out: {name}: ")), "{code} {said}");
        for args in [&["ship", job][..], &["ship", "--merge", job]] {
            let (code, said) = sandbox.code(args);
            assert!(code == 4 && said.contains("aq ship --leave-out"), "{code} {said}");
        }
    }
    sandbox.ok(&["ship", "--merge", "--leave-out", "nested", "stashed"]);
    assert_eq!(sandbox.git(&["ls-tree", "-r", "--name-only", "main"]), "a.txt\nx");
    let said = sandbox.code(&["clean", "--keep", "0"]).1;
    assert!(said.contains("the checkout of nested stays, with work"), "{said}");
    assert!(sandbox.own("nested", "app/main.c").exists() && sandbox.own("stashed", "").exists());
    assert!(!sandbox.own("known", "").exists(), "what is expected goes with the checkout");
}

#[test]
fn ignored_repositories_hide_no_work_of_an_agent() {
    let sandbox = Sandbox::with_repository();
    fs::write(sandbox.work().join(".gitignore"), "/cache/\n").unwrap();
    fs::write(sandbox.work().join(".git/info/exclude"), "/excluded/\n").unwrap();
    sandbox.git(&["add", ".gitignore"]);
    sandbox.git(&["commit", "-qm", "ignore"]);
    let nested = |dir: &str, more: &str| {
        format!("mkdir -p {dir}; (cd {dir}; git init -q; echo code > main.c){more}")
    };
    for (job, body, left) in [
        ("by-itself", nested("try/app", "; echo '*' > try/.gitignore"), "try/app"),
        ("by-rules", nested("a/b", "; echo /a/ >> .gitignore"), "a/b"),
        ("by-exclude", nested("excluded/x", ""), "excluded/x"),
        ("by-base", nested("cache/x", "; echo /y/ >> .gitignore"), ""),
        ("by-setup", "echo x > x".to_owned(), ""),
    ] {
        let setup = format!("setup: \"{}\"", nested("deps/x", "; echo '*' > deps/.gitignore"));
        sandbox.add(job, if job == "by-setup" { &setup } else { "" }, &body);
        sandbox.ok(&["run", "--once"]);
        let meta = sandbox.meta(job);
        let named = meta.get("left_out").map_or("", |all| all.split(':').next().unwrap());
        assert_eq!(named, left, "{job}: {meta:?} {}", sandbox.log(job));
    }
}

#[test]
fn a_batch_goes_on_after_one_that_conflicts() {
    let sandbox = Sandbox::with_repository();
    for job in ["one", "two", "three"] {
        let file = if job == "three" { "c.txt" } else { "a.txt" };
        sandbox.add(job, "", &format!("echo its {job} > {file}"));
    }
    sandbox.ok(&["run", "--once"]);
    let (code, said) = sandbox.code(&["ship", "--merge", "one", "two", "three"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("one is merged into main") && said.contains("three is merged"), "{said}");
    assert!(said.contains("aq/wip/two does not merge cleanly into main"), "{said}");
    assert_eq!(sandbox.folders("two"), ["testing"]);
    assert_eq!(sandbox.git(&["show", "main:c.txt"]), "its three");
}
