//! Jobs that the agents of other jobs add: they work for the project.

use std::fs;

use crate::sandbox::Sandbox;

/// The `aq` under test.
const AQ: &str = env!("CARGO_BIN_EXE_aq");

/// A line of an agent that adds a job with this body.
fn adds(name: &str, body: &str) -> String {
    let file = format!("---\\nengine: shell\\nlock: none\\n---\\n{body}\\n");
    format!("printf -- '{file}' | '{AQ}' add --name {name} -")
}

#[test]
fn child_is_merged_into_project() {
    let sandbox = Sandbox::with_repository();
    fs::create_dir(sandbox.work().join("sub")).unwrap();
    sandbox.commit("sub/b.txt", "two\n");
    let steps = [
        "echo 1 > one.txt".to_owned(),
        adds("child", "echo 2 > two.txt"),
        format!("cd sub; {}", adds("below", "pwd > below.txt")),
        format!("cd \"$TMPDIR\"; {}", adds("tmp", "pwd > tmp.txt")),
    ];
    sandbox.add("parent", "", &steps.join("\n"));
    // What is checked out when a child starts is not where it was added.
    sandbox.ok(&["run", "--once"]);
    let work = sandbox.work();
    for (job, cwd) in [("child", work.clone()), ("below", work.join("sub")), ("tmp", work.clone())]
    {
        assert_eq!(sandbox.folders(job), ["testing"], "{job}: {}", sandbox.log(job));
        assert_eq!(sandbox.meta_value(job, "cwd"), cwd.display().to_string(), "{job}");
        assert_eq!(sandbox.meta_value(job, "added_on"), "refs/heads/main", "{job}");
        assert_eq!(sandbox.meta_value(job, "lock"), "", "{job}");
    }
    for job in ["child", "parent", "below", "tmp"] {
        sandbox.ok(&["ship", "--merge", job]);
    }
    for file in ["one.txt", "two.txt", "sub/below.txt", "tmp.txt"] {
        assert!(work.join(file).exists(), "{file}");
    }
    assert_eq!(sandbox.head(), "main");
}

#[test]
fn a_cleared_environment_changes_nothing() {
    let sandbox = Sandbox::with_repository();
    let queue = sandbox.queue("").display().to_string();
    let add = adds("child", "true").replacen(
        &format!("'{AQ}' add"),
        &format!("env -i PATH=\"$PATH\" HOME=\"$HOME\" '{AQ}' --queue '{queue}' add"),
        1,
    );
    sandbox.add("parent", "", &add);
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.meta_value("child", "cwd"), sandbox.work().display().to_string());
    assert_eq!(sandbox.meta_value("child", "added_on"), "refs/heads/main");
}

#[test]
fn a_job_is_merged_where_it_was_added() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("noted", "", "echo x > noted.txt");
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.add("named", "target: main", "echo x > named.txt");
    sandbox.add("gone", "target: nowhere", "true");
    let (code, said) = sandbox.code(&["run", "--once"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there is no branch nowhere to start aq/wip/gone from"), "{said}");
    for job in ["noted", "named"] {
        sandbox.ok(&["ship", "--merge", job]);
        let text = sandbox.git(&["show", &format!("main:{job}.txt")]);
        assert_eq!(text, "x", "{job}");
    }
    assert_eq!(sandbox.git(&["log", "--format=%s", "topic"]), "a.txt");
    let (code, said) =
        sandbox.code(&["check", sandbox.write("x", "target: a b", "").to_str().unwrap()]);
    assert!(code == 2 && said.contains("is not a branch's name"), "{code} {said}");
}
