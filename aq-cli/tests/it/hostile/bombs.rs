//! Jobs that fork, to a depth: the tree is bounded, and no process of it wants to end. `AQ_BOMBS`
//! says how many jobs (`./test --long`: 500).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::surroundings::{is_well, run_and_measure};
use crate::sandbox::Sandbox;

/// Jobs at once.
const MAX: usize = 4;

/// Each process starts two more until the depth is used up: 31 of them, in sessions of their own,
/// deaf to SIGTERM, and half of them without the marks of the job in their environment.
const TREE: &str = "#!/bin/bash
trap '' TERM HUP INT
if [ $1 -gt 0 ]; then
    setsid \"$0\" $(($1 - 1)) \"$2\" &
    env -u AQ_JOB_ID -u AQ_QUEUE setsid \"$0\" $(($1 - 1)) \"$2\" &
else
    echo leaf >>\"$2\"
fi
exec -a \"$0\" sleep 1000
";

/// Each process starts the next one and ends, so that whoever looks for it finds its child.
const CHAIN: &str = "#!/bin/bash
trap '' TERM HUP INT
setsid \"$0\" &
exit 0
";

fn bombs() -> usize {
    std::env::var("AQ_BOMBS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

#[test]
fn fork_bombs_leave_no_process() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("config.yaml"), "kill-grace: 1s\n").unwrap();
    for (name, script) in [("tree", TREE), ("chain", CHAIN)] {
        let path = sandbox.path(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let at = sandbox.path("");
    let tree = format!("leaves=$PWD/$AQ_JOB_ID; {}tree 4 $leaves &\n", at.display());
    // Until all of them are there, as far as a bomb can be waited for.
    let wait = "n=0; until [ \"$(cat $leaves 2>/dev/null | wc -l)\" = 16 ] || [ $n = 200 ]; \
        do n=$((n + 1)); sleep 0.02; done\n";
    let dir = sandbox.path("jobs");
    fs::create_dir(&dir).unwrap();
    let mut ends = BTreeMap::new();
    for n in 0..bombs() {
        let (front, body, result) = match n % 4 {
            0 => ("", format!("{tree}{wait}"), "success"),
            1 => ("", format!("{tree}{wait}exit 3"), "crash"),
            2 => ("timeout: 2s", format!("{tree}sleep 1000"), "timeout"),
            _ => ("", format!("{}chain &\n{tree}{wait}", at.display()), "success"),
        };
        let id = format!("bomb-{n:03}");
        fs::write(dir.join(format!("{id}.md")), crate::sandbox::job_text(front, &body)).unwrap();
        ends.insert(id, result);
    }
    sandbox.ok(&["add".as_ref(), dir.as_os_str()]);
    let (_, peak) = run_and_measure(&sandbox, MAX);
    assert!(peak < 16 << 10, "{peak} KiB");
    assert_eq!(sandbox.agents(), []);
    assert_eq!(named(&sandbox), 0);
    let mut ended = 0;
    for (id, result) in &ends {
        assert_eq!(sandbox.meta_value(id, "result"), *result, "{id}: {}", sandbox.log(id));
        let log = sandbox.log(id);
        assert!(!log.contains("could not be ended"), "{id}: {log}");
        let count =
            log.split("ended ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        ended += count.unwrap_or(0_u32);
    }
    println!("{} jobs, {ended} processes ended, at most {peak} KiB", ends.len());
    assert!(ended as usize >= 10 * ends.len(), "{ended}");
    is_well(&sandbox);
}

/// Processes of the bombs by what they were started as, whatever their environment says.
fn named(sandbox: &Sandbox) -> usize {
    let scripts = ["tree", "chain"].map(|name| sandbox.path(name).display().to_string());
    let mut found = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        found += usize::from(scripts.iter().any(|script| line.contains(script)));
    }
    found
}
