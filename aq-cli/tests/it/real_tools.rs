//! Tools that real projects use, beside aq: they change nothing of its when they are run in the
//! user's checkout, they find in a job's checkout what they find there, and nothing that they do in
//! a `TMPDIR` reaches the user's.
//!
//! They run only when `AQ_REAL_TOOLS` names a directory in which npm has installed them, which
//! `./test --long` sees to.

mod project;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::manners::{Content, of_user, tree};
use crate::sandbox::Sandbox;
use project::{aq, run, tools, with_project};

fn everything(dir: &Path) -> BTreeMap<PathBuf, Content> {
    tree(dir, |_| true)
}

fn unlike<'a>(
    before: &'a BTreeMap<PathBuf, Content>,
    after: &'a BTreeMap<PathBuf, Content>,
) -> Vec<&'a PathBuf> {
    let all = before.keys().chain(after.keys());
    all.filter(|path| before.get(*path) != after.get(*path)).collect()
}

/// Adds a job to the repository's own queue.
fn add(sandbox: &Sandbox, name: &str, front: &str, body: &str) {
    let path = sandbox.write(name, front, body);
    aq(sandbox, &["add", path.to_str().unwrap()]);
}

#[test]
fn tools_in_the_users_checkout_meet_nothing() {
    let Some(tools) = tools() else { return };
    let sandbox = with_project(&tools);
    add(
        &sandbox,
        "done",
        "",
        "echo done >done.txt; mkdir -p node_modules/kept; touch node_modules/kept/x",
    );
    add(&sandbox, "fails", "", "echo 'var   b' >src/of-job.js; exit 1");
    run(&sandbox, &format!("{} run --once --quiet", env!("CARGO_BIN_EXE_aq")));
    add(&sandbox, "waits", "", "cat src/ugly.js >seen");
    let home = sandbox.path("h");
    let before = everything(&home);
    let has = |end: &str| before.keys().any(|path| path.ends_with(end));
    assert!(has("done/work/done.txt") && has("fails/work/src/of-job.js") && has("inbox/waits.md"));
    fs::write(sandbox.work().join("mine.txt"), "mine\n").unwrap();
    for (script, says) in [
        ("git stash -a && test ! -e mine.txt && git stash pop", "mine.txt"),
        ("node $TOOLS/prettier/bin/prettier.cjs --write .", "src/ugly.js"),
        ("ESLINT_USE_FLAT_CONFIG=false node $TOOLS/eslint8/bin/eslint.js .", "1 error"),
        ("node $TOOLS/eslint9/bin/eslint.js .", "'unused' is assigned"),
        ("node $TOOLS/jest/bin/jest.js --watchman=false", "Tests:       1 passed, 1 total"),
        ("npm install --offline --no-audit --no-fund ./dep", "added 1 package"),
        ("npm pack --offline", "project-1.0.0.tgz"),
        ("npx --offline --no-install -c 'echo npx ran'", "npx ran"),
        ("cargo build --offline 2>&1", "Finished"),
        ("git clean -ffdx", "Removing"),
        ("cp -r . ../copy && cd ../copy && git status --porcelain", ""),
    ] {
        let said = run(&sandbox, script);
        assert!(said.contains(says), "{script}: {said}");
        let after = everything(&home);
        assert_eq!(
            unlike(&before, &after),
            [""; 0].map(PathBuf::from).each_ref(),
            "{script}: {said}"
        );
    }
    aq(&sandbox, &["run", "--once", "--quiet"]);
    let status = aq(&sandbox, &["status"]);
    assert!(status.contains("2 testing") && status.contains("1 failed"), "{status}");
    run(&sandbox, "git stash -q; git clean -qffdx");
    aq(&sandbox, &["ship", "--merge", "done"]);
    assert!(sandbox.work().join("done.txt").exists());
}

#[test]
fn tools_in_a_jobs_checkout_find_the_same() {
    let Some(tools) = tools() else { return };
    let sandbox = with_project(&tools);
    let (by_user, by_job) = (sandbox.path("of-user"), sandbox.path("of-job"));
    let said = run(&sandbox, &format!("sh check.sh {}", by_user.display()));
    run(&sandbox, "git reset -q --hard; git clean -qffdx");
    add(&sandbox, "a", "", &format!("sh check.sh {}", by_job.display()));
    let before = of_user(&sandbox.work());
    aq(&sandbox, &["run", "--once", "--quiet"]);
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let found = read(&by_user);
    for line in [
        "prettier: src/bad.js src/ugly.js src/ugly.test.js ",
        "\"filePath\":\"src/bad.js\" \"errorCount\":1",
        "jest lists: src/ugly.test.js",
        "jest: Tests:       1 passed, 1 total",
        "/page.html 200 <p>page</p>",
        "/file 200 <p>page</p>",
        "add seen.txt",
        "npm: dep",
        "cargo new: one two ",
        "cargo build: target/debug/libone.rlib target/debug/libtwo.rlib ",
    ] {
        assert!(found.contains(line), "{line}: {found}{said}");
    }
    assert_eq!(read(&by_job), found);
    assert_eq!(unlike(&before, &of_user(&sandbox.work())), Vec::<&PathBuf>::new());
}

#[test]
fn tools_in_tmpdir_reach_nothing() {
    let Some(tools) = tools() else { return };
    let sandbox = with_project(&tools);
    let body = r#"cd "$TMPDIR" || exit
npm install --offline --no-audit --no-fund "$OLDPWD/dep" >&2 && ls node_modules | sed 's/^/npm /'
cargo new --quiet tool && grep -c workspace tool/Cargo.toml | sed 's/^/workspaces /'
git reset --hard; git clean -ffdx; git stash -a; git commit --allow-empty -m x
git init -q own && cd own && echo x >x && git add x && git reset -q --hard && git clean -ffdx; cd ..
node -e "require('net').createServer().listen(process.env.TMPDIR + '/' + 's'.repeat(60), () => {
  console.log('socket'); process.exit()
})"
printf '#!/bin/sh\necho ran\n' >run; chmod +x run; ./run
true"#;
    add(&sandbox, "a", "", body);
    let before = of_user(&sandbox.work());
    aq(&sandbox, &["run", "--once", "--quiet"]);
    let queue = aq(&sandbox, &["path"]);
    let log = fs::read_to_string(Path::new(queue.trim()).join("logs/a.log")).unwrap();
    for line in ["npm dep", "workspaces 0", "socket", "ran"] {
        assert!(log.lines().any(|said| said == line), "{line}: {log}");
    }
    assert_eq!(unlike(&before, &of_user(&sandbox.work())), Vec::<&PathBuf>::new());
    let status = aq(&sandbox, &["status"]);
    assert!(status.contains("1 testing"), "{status}");
}
