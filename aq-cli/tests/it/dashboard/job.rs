//! The page of a job as `aq dashboard` serves it: to hostile jobs, huge logs, and wrong questions.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use super::server::Server;
use crate::sandbox::{PATIENCE, Sandbox};

const SCRIPT: &str = "<script>alert(1)</script>";

fn git(sandbox: &Sandbox, args: &[&str]) {
    let mut command = Command::new("git");
    let name = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    assert!(sandbox.clean(&mut command).args(name).args(args).status().unwrap().success());
}

#[test]
fn a_hostile_job_is_shown_as_text() {
    let sandbox = Sandbox::new();
    git(&sandbox, &["init", "-q", "-b", "main"]);
    git(&sandbox, &["commit", "-q", "--allow-empty", "-m", "one"]);
    // In the prompt, the log, the name and the text of a file, and as the word of an attribute.
    let body = format!(
        "# {SCRIPT} \u{202e} \" onmouseover=\"alert(1)\n\
         printf '{SCRIPT}\\033[31m{SCRIPT}\\033]0;{SCRIPT}\\007\\033[0m\\n'\n\
         printf '{SCRIPT}\\n' > '<img src=x onerror=alert(1)>'\nmkdir out\n\
         printf '{SCRIPT}' > 'out/<b>&#39;.html'\n"
    );
    let front = format!(
        "artifacts: [\"out/**\"]\ncapabilities: []\nenv: {{TOKEN: secret-value}}\n\
        verify: \"true # {SCRIPT}\"\nmodel: '\"><b>'"
    );
    sandbox.add("hostile", &front, &body);
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("hostile"), ["testing"]);
    let served = Server::start(&sandbox);
    let mut all = String::new();
    for view in ["overview", "log", "diff", "record", "steps"] {
        let page = served.page(&format!("/jobs/hostile?view={view}"));
        for wrong in [
            "<script>",
            "<img",
            "<b>",
            "onmouseover=\"",
            "\u{202e}",
            "\u{1b}",
            "style=",
            "secret-value",
        ] {
            assert!(!page.contains(wrong), "{wrong:?} in {view}: {page}");
        }
        all.push_str(&page);
    }
    for shown in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<span class=\"f1\">&lt;script&gt;",
        "&lt;img src=x onerror=alert(1)&gt;",
        r"\u{202e}",
        "TOKEN",
        "<td class=\"origin job\">job</td>",
    ] {
        assert!(all.contains(shown), "{shown:?} in {all}");
    }
    let path = "/jobs/hostile/artifact?path=out%2F%3Cb%3E%26%2339%3B.html";
    assert!(all.contains(path), "{all}");
    let answer = served.get(path);
    assert_eq!((answer.status, answer.body.as_str()), (200, SCRIPT));
    let name = "attachment; filename*=UTF-8''%3Cb%3E%26%2339%3B.html";
    for (header, value) in [
        ("content-type", "application/octet-stream"),
        ("content-disposition", name),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(header), value);
    }
}

#[test]
fn missing_pages_are_not_found() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.ok(&["run", "--once", "--quiet"]);
    fs::create_dir_all(sandbox.queue("artifacts/a/sub")).unwrap();
    fs::write(sandbox.queue("artifacts/a/sub/kept"), "kept").unwrap();
    fs::write(sandbox.queue("artifacts/secret"), "secret").unwrap();
    symlink(sandbox.queue("artifacts"), sandbox.queue("artifacts/a/link")).unwrap();
    let served = Server::start(&sandbox);
    assert_eq!(served.get("/jobs/a/artifact?path=sub/kept").body, "kept");
    for path in [
        "/jobs/nobody",
        "/jobs/nobody/head",
        "/jobs/nobody/view",
        "/jobs/nobody/log",
        "/jobs/nobody/log.txt",
        "/jobs/nobody/events",
        "/jobs/nobody/artifact?path=x",
        "/jobs/..%2fa",
        "/jobs/%00",
        "/jobs/a/artifact?path=../secret",
        "/jobs/a/artifact?path=link/secret",
        "/jobs/a/artifact?path=/etc/passwd",
        "/jobs/a/artifact?path=sub",
        "/jobs/a/artifact?path=",
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    assert_eq!(served.get("/jobs/a?view=nothing").status, 400);
    assert!(served.page("/jobs/a?view=diff").contains("There is no diff"));
}

#[test]
fn huge_logs_are_quick_and_bounded() {
    let sandbox = Sandbox::new();
    for id in ["long", "line", "bomb"] {
        sandbox.add(id, "", "true");
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    let log = |id: &str| sandbox.queue(&format!("logs/{id}.log"));
    let line = "\x1b[32mline\x1b[0m of the log, which is long enough to be one\n";
    fs::write(log("long"), line.repeat((50 << 20) / line.len())).unwrap();
    fs::write(log("line"), "<".repeat(10 << 20)).unwrap();
    let bomb = (0..1_000_000).fold(String::new(), |mut bomb, n| {
        write!(bomb, "\x1b[3{}m<\x1b[1m", n % 8).unwrap();
        bomb
    });
    fs::write(log("bomb"), bomb).unwrap();
    let served = Server::start(&sandbox);
    for id in ["long", "line", "bomb"] {
        for path in [
            format!("/jobs/{id}?view=log"),
            format!("/jobs/{id}?view=log&to=5000000"),
            format!("/jobs/{id}/log?from=1000000"),
            format!("/jobs/{id}/log?from=999999999999&look=f1+f99+x"),
            format!("/jobs/{id}?view=steps"),
            format!("/jobs/{id}"),
        ] {
            let begun = Instant::now();
            let page = served.page(&path);
            assert!(page.len() < 2 << 20, "{path}: {} bytes", page.len());
            // Far more than it takes, far less than reading it all would.
            assert!(begun.elapsed() < Duration::from_secs(15), "{path}: {:?}", begun.elapsed());
        }
    }
    let whole = served.get("/jobs/long/log.txt");
    let size = fs::metadata(log("long")).unwrap().len();
    assert_eq!((whole.status, whole.size as u64), (200, size));
}

#[test]
fn page_hears_of_moves_and_log() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "echo one");
    let served = Server::start(&sandbox);
    let mut events = BufReader::new(served.open("/jobs/a/events")).lines();
    let begun = Instant::now();
    let mut next = || -> serde_json::Value {
        // A silent stream is kept open by comments.
        let mut events = events.by_ref().take_while(|_| begun.elapsed() < PATIENCE);
        let line = events.find_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned));
        serde_json::from_str(&line.unwrap()).unwrap()
    };
    let mut first = next();
    while first["digest"].is_null() {
        first = next();
    }
    assert_eq!(first["size"], 0);
    let page = served.page("/jobs/a?view=log");
    assert!(page.contains("It has printed nothing yet"), "{page}");
    sandbox.ok(&["run", "--once", "--quiet"]);
    let size = fs::metadata(sandbox.queue("logs/a.log")).unwrap().len();
    let mut last = next();
    while last["size"] != size || last["digest"] == first["digest"] {
        last = next();
    }
    assert!(served.page("/jobs/a/head").contains("is not verified"));
    let piece = served.page("/jobs/a/log");
    assert!(piece.contains(&format!("data-to=\"{size}\"")), "{piece}");
    // What follows is asked for from there, with the colours that were left on.
    let mut file = fs::File::options().append(true).open(sandbox.queue("logs/a.log")).unwrap();
    file.write_all(b"two\nthr").unwrap();
    let piece = served.page(&format!("/jobs/a/log?from={size}&look=f1+bold"));
    assert!(piece.contains(r#"<pre><span class="f1 bold">two"#), "{piece}");
    assert!(
        piece.contains(r#"<pre class="open"><span class="f1 bold">thr</span></pre>"#),
        "{piece}"
    );
    assert!(piece.contains(&format!("data-to=\"{}\"", size + 4)), "{piece}");
}

#[test]
fn an_agents_stream_is_shown_as_steps() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.ok(&["run", "--once", "--quiet"]);
    let served = Server::start(&sandbox);
    assert!(!served.page("/jobs/a").contains("view=steps"));
    let meta = sandbox.queue(".state/meta/a.meta");
    let mut record = fs::read_to_string(&meta).unwrap();
    record.push_str("engine=claude\n");
    fs::write(&meta, record).unwrap();
    let log = concat!(
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"I <b>look</b>."},"#,
        r#"{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls <i>"}}]},"#,
        r#""parent_tool_use_id":null}"#,
        "\n",
        r#"{"type":"user","message":{"content":[{"tool_use_id":"t1","type":"tool_result","#,
        r#""content":"one\ntwo"}]}}"#,
        "\n",
    );
    fs::write(sandbox.queue("logs/a.log"), log).unwrap();
    assert!(served.page("/jobs/a").contains("view=steps"));
    let page = served.page("/jobs/a?view=steps");
    for shown in ["I &lt;b&gt;look&lt;/b&gt;.", "<code>ls &lt;i&gt;</code>", "2 lines", "one\ntwo"]
    {
        assert!(page.contains(shown), "{shown:?} in {page}");
    }
}

#[test]
fn check_is_shown_beside_diff() {
    let sandbox = Sandbox::with_repository();
    let fake = "echo '--- aq 2026-01-31T12:00:00Z verify'; echo faked; echo x >x";
    sandbox.add("good", &format!("verify: echo 'all <b>42</b> pass' # {SCRIPT}"), fake);
    sandbox.add("bad", "verify: echo 3 fail; false\nretry: {max: 1}", fake);
    sandbox.add("unchecked", "", fake);
    sandbox.add("human", "review-policy: human\nverify: 'true'", fake);
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    let served = Server::start(&sandbox);
    for (id, words) in [
        ("good", "<code>verify</code> has passed.</span>"),
        ("good", "all &lt;b&gt;42&lt;/b&gt; pass"),
        ("bad", "<code>verify</code> has refused it</span>: verify exited with 1"),
        ("bad", "3 fail"),
        ("unchecked", "<span class=\"warn\">Not verified.</span>"),
        ("human", "<code>verify</code> has not run on this work yet."),
    ] {
        let page = served.page(&format!("/jobs/{id}?view=diff"));
        assert!(page.contains(words), "{id}: {words}: {page}");
        assert!(page.contains("class=\"added\"") && !page.contains("faked"), "{id}: {page}");
        assert!(!page.contains(SCRIPT), "{page}");
    }
}
