//! The costs of a reader to the dashboard: processor, memory, runs of git.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use super::server::Server;
use crate::hostile::of_status;
use crate::sandbox::{Sandbox, wait_for};

/// Requests that come at once.
const CROWD: usize = 24;

/// A repository and a job that changed these files, of so many lines of 64 bytes.
fn changed(files: usize, lines: usize) -> Sandbox {
    let sandbox = Sandbox::with_repository();
    let body = format!(
        "for n in $(seq {files}); do yes \"$n{:-<60}\" | head -n {lines} >file-$n; done",
        ""
    );
    sandbox.add("a", "review-policy: human", &body);
    let (code, told) = sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(code, 0, "{told}");
    sandbox
}

/// A git that does this for `diff`, for everything else what git does.
fn stand_in(sandbox: &mut Sandbox, diff: &str) {
    let path = std::env::var("PATH").unwrap();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\nfor arg; do if [ \"$arg\" = diff ]; then\n{diff}\nfi; done\n\
        PATH='{path}' exec git \"$@\"\n"
    );
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.set("PATH", format!("{}:{path}", bin.display()));
}

/// The processes that a server has started, and that have not ended.
fn children(server: &Server) -> usize {
    let id = server.child.id().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let rests = stats.filter_map(|stat| Some(stat.rsplit_once(") ")?.1.to_owned()));
    rests.filter(|rest| rest.split(' ').nth(1) == Some(&id) && !rest.starts_with('Z')).count()
}

fn crowd(server: &Server, path: &str) -> Vec<TcpStream> {
    (0..CROWD).map(|_| server.open(path)).collect()
}

#[test]
fn diffs_take_turns_and_end_with_their_reader() {
    let mut sandbox = changed(1, 1);
    let runs = sandbox.path("runs");
    stand_in(&mut sandbox, &format!("echo x >>'{}'; exec sleep 600", runs.display()));
    let server = Server::start(&sandbox);
    let count = || fs::read_to_string(&runs).map_or(0, |text| text.lines().count());
    let readers = crowd(&server, "/jobs/a?view=diff");
    wait_for("the first git", || count() == 1);
    // Another reader need not wait for him.
    let other = server.sign_in(server.token()).0;
    let mut stream = server.connect();
    write!(
        stream,
        "GET /jobs/a/view?view=diff HTTP/1.1\r\nhost: {}\r\ncookie: {other}\r\n\r\n",
        server.address
    )
    .unwrap();
    wait_for("a git of another reader", || count() == 2 && children(&server) == 2);
    drop(stream);
    wait_for("its end", || children(&server) == 1);
    // Those who wait leave as well as the one whose turn it is.
    drop(readers);
    wait_for("the end of all runs", || children(&server) == 0);
    let after = count();
    assert_eq!(server.get("/jobs/a").status, 200);
    assert_eq!((count(), children(&server)), (after, 0), "nobody is left to run git for");
}

#[test]
fn endless_diff_is_cut() {
    let mut sandbox = changed(1, 1);
    let head = "diff --git a/x b/x\\n--- a/x\\n+++ b/x\\n@@ -0,0 +1,99999999 @@\\n";
    stand_in(&mut sandbox, &format!("printf '{head}'; exec yes +line"));
    let server = Server::start(&sandbox);
    let page = server.page("/jobs/a?view=diff");
    assert!(page.contains("The first 1.0 MB only"), "{}", &page[..2_000]);
    assert_eq!(children(&server), 0);
}

#[test]
fn memory_is_given_back_after_large_diffs() {
    // 192 MB, and one file that is too large to be compared.
    let sandbox = changed(16, 200_000);
    sandbox.add("b", "review-policy: human", "yes 123456789012345 | head -n 2000000 >large");
    let (code, told) = sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(code, 0, "{told}");
    let server = Server::start(&sandbox);
    let pid = server.child.id();
    assert!(server.page("/jobs/b?view=diff").contains("binary, or larger than 16 MB"));
    let before = of_status(pid, "RssAnon:");
    for _ in 0..3 {
        let mut readers = crowd(&server, "/jobs/a?view=diff");
        let mut start = [0; 12];
        readers[0].read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        drop(readers);
        wait_for("the end of all runs", || children(&server) == 0);
    }
    let after = of_status(pid, "RssAnon:");
    assert!(after < before + 32 * 1024, "{before} kB before, {after} kB after");
}

#[test]
fn answers_that_nobody_reads_are_few() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.ok(&["run", "--once", "--quiet"]);
    let line = format!("{}\n", "\"".repeat(1_000));
    fs::write(sandbox.queue("logs/a.log"), line.repeat(10_000)).unwrap();
    let server = Server::start(&sandbox);
    let pid = server.child.id();
    server.page("/jobs/a?view=log");
    let before = of_status(pid, "RssAnon:");
    let silent: Vec<TcpStream> = (0..10).flat_map(|_| crowd(&server, "/jobs/a?view=log")).collect();
    // Those of others are made meanwhile.
    let (cookie, _) = server.sign_in(server.token());
    let answer = server.ask("GET /jobs/a?view=log", &[("cookie", &cookie)], "");
    assert_eq!(answer.status, 200);
    let after = of_status(pid, "RssAnon:");
    assert!(after < before + 64 * 1024, "{before} kB before, {after} kB after");
    drop(silent);
    wait_for("a turn", || server.get("/").status == 200);
}

#[test]
fn many_boards_cost_little_more_than_one() {
    let sandbox = Sandbox::new();
    for n in 0..2_000 {
        let mut text = String::from("---\nengine: shell\n---\n");
        writeln!(text, "echo {n}").unwrap();
        fs::write(sandbox.queue(&format!("inbox/j{n}.md")), text).unwrap();
    }
    let server = Server::start(&sandbox);
    let streams: Vec<TcpStream> = (0..64).filter_map(|_| server.follow()).collect();
    assert_eq!(streams.len(), 64);
    let pid = server.child.id();
    // All get each look; that takes a bounded part of the processor.
    let told = |n: usize| {
        let begun = crate::sandbox::cpu_ticks(pid);
        fs::write(sandbox.queue(&format!("inbox/more-{n}.md")), "true\n").unwrap();
        let mut text = [0; 1 << 16];
        for mut stream in &streams {
            let mut seen = String::new();
            while !seen.contains(&format!("{} jobs", 2_000 + n)) {
                let read = stream.read(&mut text).unwrap();
                seen.push_str(&String::from_utf8_lossy(&text[..read]));
            }
        }
        crate::sandbox::cpu_ticks(pid) - begun
    };
    told(1);
    let spent: u64 = (2..12).map(told).sum();
    // Four times as much when each of them counts all jobs for itself.
    assert!(spent < 100, "{spent} hundredths of a second");
}
