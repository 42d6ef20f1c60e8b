//! Queues that are not the user's own will.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use super::lab::{PlacesLab, set_mode};
use crate::sandbox::{job_text, kill_child, wait_child, wait_for};

/// A clone that brings a queue, of which every part that can be a program leaves a mark.
fn clone_with_queue() -> PlacesLab {
    let lab = PlacesLab::new();
    lab.repository("app");
    let queue = lab.foreign_queue("app/.aq");
    let mark = lab.text("mark");
    let tool = lab.path("app/tool");
    fs::write(&tool, format!("#!/bin/sh\necho $0 >>{mark}\necho 1.2.3\n")).unwrap();
    set_mode(&tool, 0o755);
    let tool = tool.display();
    let config = format!(
        "tools: [{{name: mytool, command: [{tool}, --version]}}]\n\
         engines: {{shell: {{bin: {tool}}}, mine: {{bin: {tool}, class: agentic-coder}}}}\n"
    );
    fs::write(queue.join("config.yaml"), config).unwrap();
    let job = job_text("capabilities: [mytool>=1]", &format!("echo job >>{mark}"));
    fs::write(queue.join("inbox/a.md"), job).unwrap();
    fs::write(queue.join("review/b.md"), job_text("verify: false", "true")).unwrap();
    fs::write(queue.join("logs/b.log"), "what it printed\n").unwrap();
    lab
}

fn is_marked(lab: &PlacesLab) -> bool {
    lab.path("mark").exists()
}

#[test]
fn a_cloned_queue_is_read_and_not_run() {
    let lab = clone_with_queue();
    let queue = lab.text("app/.aq");
    assert_eq!(lab.queue("app/src"), queue);
    let why = format!("the queue is not trusted: aq trust {queue}");
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["why", "a"],
        &["logs", "b"],
        &["insights"],
        &["caps"],
        &["profiles"],
        &["check", "a.txt"],
        &["diff", "b"],
        &["path"],
    ] {
        let said = lab.aq("app", args);
        assert_eq!(said.err.matches(&why).count(), 1, "{args:?}: {said:?}");
        // The job has not run, so there is no branch to show.
        let code = if args[0] == "diff" { 4 } else { 0 };
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        assert!(!is_marked(&lab), "{args:?}");
    }
    let status = lab.aq("app", &["status"]);
    assert!(status.out.contains(&why), "{status:?}");
    let said = lab.ok("app", &["why", "a"]);
    assert!(said.ends_with(&format!("does not run: {why}")), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&lab.ok("app", &["status", "--json"])).unwrap();
    let waiting = json["jobs"].as_array().unwrap().iter().find(|job| job["id"] == "a").unwrap();
    assert_eq!(
        (&json["trusted"], &waiting["reason"]["text"]),
        (&false.into(), &why.as_str().into())
    );
    // The doctor executes what a trusted queue's config names, and nothing of this one.
    let doctor = lab.aq("app", &["doctor"]);
    assert!(doctor.out.contains(&why), "{doctor:?}");
    assert!(!is_marked(&lab));
}

#[test]
fn verbs_that_change_or_run_are_refused() {
    let lab = clone_with_queue();
    let job = lab.job("new", "", "true");
    let before = tree(&lab.path("app/.aq"));
    for args in [
        &["run", "--once"][..],
        &["add", &job],
        &["ship", "b"],
        &["ship", "--merge", "b"],
        &["promote", "b"],
        &["reject", "b"],
        &["requeue", "b"],
        &["stop"],
        &["recover"],
        &["clean"],
        &["service"],
        &["caps", "--refresh"],
        &["engines", "--retry", "claude"],
        &["from-tracker", "X-1"],
        &["to-tracker", "b"],
        &["init"],
    ] {
        let said = lab.aq("app", args);
        assert_eq!(said.code, 4, "{args:?}: {said:?}");
        assert!(said.err.contains("aq trust "), "{args:?}: {said:?}");
        assert!(!is_marked(&lab), "{args:?}");
    }
    let ignored = |path: &String| path == ".gitignore";
    let mut after = tree(&lab.path("app/.aq"));
    after.retain(|path| !ignored(path));
    assert_eq!(after, before);
}

#[test]
fn trust_says_what_will_run_and_lets_it() {
    let lab = clone_with_queue();
    let queue = lab.text("app/.aq");
    let said = lab.ok("app", &["trust"]);
    let tool = lab.text("app/tool");
    for line in [
        format!("the queue {queue}"),
        format!("  engine mine: runs {tool}"),
        format!("  tool mytool: runs {tool} --version"),
        "  1 job waits in it: its prompt, `setup` and `verify` are run".to_owned(),
        "it is trusted from now on".to_owned(),
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(!is_marked(&lab), "trusting runs nothing yet");
    assert!(lab.ok("app", &["trust", &queue]).ends_with("it was trusted already"));
    // A look starts nothing of a trusted queue either.
    lab.ok("app", &["status"]);
    lab.ok("app", &["why", "a"]);
    assert!(!is_marked(&lab));
    lab.ok("app", &["caps"]);
    assert!(is_marked(&lab));
    let list = fs::read_to_string(lab.path("home/.local/state/aq/queues")).unwrap();
    assert_eq!(list, format!("{queue}\n"));
}

#[test]
fn a_queue_that_others_can_write_is_refused() {
    let lab = PlacesLab::new();
    lab.ok("", &["init", "shared/q"]);
    let queue = lab.text("shared/q");
    let status = || lab.aq("", &["--queue", &queue, "status"]);
    assert_eq!(status().err, "");
    set_mode(&lab.path("shared"), 0o757);
    let said = lab.aq("", &["--queue", &queue, "run", "--once"]);
    assert_eq!(said.code, 4, "{said:?}");
    let mend = format!("`chmod go-w {}`", lab.text("shared"));
    assert!(said.err.contains(&mend), "{said:?}");
    assert!(status().err.contains(&mend));
    let said = lab.aq("", &["trust", &queue]);
    assert_eq!(said.code, 4, "{said:?}");
    // A sticky directory protects what the user owns in it.
    set_mode(&lab.path("shared"), 0o1777);
    assert_eq!(status().err, "");
    // What is below a private directory is not asked about.
    set_mode(&lab.path("shared"), 0o777);
    set_mode(&lab.path(""), 0o700);
    assert_eq!(status().err, "");
}

#[test]
fn the_variable_trusts_for_containers() {
    let mut lab = clone_with_queue();
    set_mode(&lab.path("app"), 0o777);
    lab.env.push(("AQ_TRUST", format!("/nowhere:{}", lab.text("app/.aq"))));
    let said = lab.aq("app", &["status"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    lab.ok("app", &["recover"]);
    let doctor = lab.aq("app", &["doctor"]);
    assert!(doctor.out.contains("AQ_TRUST trusts it all the same"), "{doctor:?}");
    lab.env[0].1 = lab.text("app");
    assert_eq!(lab.aq("app", &["recover"]).code, 4);
}

#[test]
fn loop_under_service_manager_waits() {
    let lab = PlacesLab::new();
    let queue = lab.foreign_queue("q");
    let job = job_text("", "true");
    fs::write(queue.join("inbox/a.md"), job).unwrap();
    let queue = queue.display().to_string();
    let run = ["--queue", &queue, "run", "--once"];
    assert_eq!(lab.aq("", &run).code, 4);
    let mut command = lab.command("", &run);
    command.env("INVOCATION_ID", "0123456789abcdef").stderr(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = lines.next().unwrap().unwrap();
    assert!(said.contains("aq trust ") && said.ends_with("this loop waits until it is"), "{said}");
    assert!(Path::new(&format!("{queue}/inbox/a.md")).exists());
    assert!(child.try_wait().unwrap().is_none());
    lab.ok("", &["trust", &queue]);
    assert_eq!(wait_child(&mut child), 0);
    assert_eq!(lines.next().unwrap().unwrap(), "the queue is trusted now");
    assert!(Path::new(&format!("{queue}/testing/a.md")).exists());
}

#[test]
fn waiting_loop_can_be_ended() {
    let lab = PlacesLab::new();
    let queue = lab.foreign_queue("q").display().to_string();
    let mut command = lab.command("", &["--queue", &queue, "run"]);
    command.env("INVOCATION_ID", "0123456789abcdef").stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    wait_for("the end of the loop", || child.try_wait().unwrap().is_some());
    kill_child(&mut child);
}

#[cfg(feature = "dashboard")]
#[test]
fn a_dashboard_shows_and_refuses_to_act() {
    let lab = clone_with_queue();
    let mut command = lab.command("app", &["dashboard", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap();
    let address = address.strip_prefix("listening on http://").unwrap().to_owned();
    let link = lines.next().unwrap().unwrap();
    let token = link.rsplit_once('#').unwrap().1.to_owned();
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(request.replace("HOST", &address).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let post = |path: &str, cookie: &str, body: &str| {
        ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nConnection: close\r\n\
             Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let signed = post("/sign-in", "", &format!("token={token}"));
    let cookie = signed.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let get = |path: &str| {
        ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        ))
    };
    let page = get("/jobs/a");
    assert!(page.contains("the queue is not trusted: aq trust "), "{page}");
    let csrf = get("/jobs/b");
    let csrf = csrf.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    for (path, more) in [("/jobs/b/reject", ""), ("/jobs/b/ship", ""), ("/add", "&name=n&text=x")] {
        let answer = post(path, &cookie, &format!("csrf={csrf}{more}"));
        assert!(answer.starts_with("HTTP/1.1 409 "), "{path}: {answer}");
        assert!(answer.contains("aq trust "), "{path}: {answer}");
    }
    kill_child(&mut child);
    assert!(!is_marked(&lab));
    assert!(lab.path("app/.aq/review/b.md").exists());
}

/// The files below a directory.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
