//! Jobs that try to be more than text.

use std::fs;

use serde_json::json;

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::Sandbox;
use crate::vendor::{begins, done, says};

/// Text that acts where it is taken for anything else.
const BAIT: &str = "<script>window.hacked=1;alert(1)</script><img src=x \
    onerror=\"window.hacked=1;alert(1)\">\"'><svg onload=alert(1)></textarea></pre></title>\
    <style>*{display:none}</style>\u{202e}\u{1b}[2J&lt;";

/// As wild as an id may be, and a branch of git.
const ID: &str = "0.-_.A--.-._script.alert-1-.-onerror.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x\
    .x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x-128";

fn queue() -> Sandbox {
    let mut sandbox = Sandbox::with_repository();
    // What an agent says, and the names and lines of what it changes.
    let said = serde_json::to_string(BAIT).unwrap();
    let name = "<img src=x onerror=alert(1)>.txt";
    let acts = [
        begins("<script>alert(1)</script>"),
        says(1, said.trim_matches('"'), 10),
        format!("cat >'{name}' <<'END'\n{BAIT}\nEND\n"),
        done(""),
    ];
    sandbox.vendor("claude", &[acts.concat()]);
    sandbox.add_for("agent", "engine: claude\nreview-policy: human", BAIT);
    let bomb = sandbox.path("bomb");
    let body = format!("cat {}\ncat <<'END'\n{BAIT}\nEND", bomb.display());
    sandbox.add(ID, "review-policy: human\nretry: {max: 1}", &body);
    sandbox.add("dependent", &format!("deps: [{ID}]"), "true");
    let mut text = BAIT.as_bytes().to_vec();
    text.extend_from_slice(
        b"\x1b]0;title\x07\x1b[31m\x1b[1;2;3;4;5;38;5;999m\x1b[999999C\x1b[6n\x9b31m\n",
    );
    for n in 0..20_000 {
        text.extend_from_slice(format!("\x1b[{}m\x1b[4{}mx", 30 + n % 8, n % 8).as_bytes());
    }
    text.push(b'\n');
    text.resize(text.len() + (10 << 20), b'L');
    text.extend_from_slice(b"\nlast line\n");
    fs::write(bomb, text).unwrap();
    let (code, told) = sandbox.code(&["run", "--once"]);
    assert_eq!(code, 0, "{told}");
    sandbox.ok(&["reject", ID, "--reason", BAIT]);
    let meta = sandbox.queue(&format!(".state/meta/{ID}.meta"));
    let mut record = fs::read_to_string(&meta).unwrap();
    for key in ["profile", "engine", "model", "cost_usd", "priority", "wip_branch"] {
        record.push_str(&format!("{key}={BAIT}\n"));
    }
    fs::write(&meta, record).unwrap();
    fs::write(sandbox.queue("inbox/<img src=x onerror=alert(1)>.md"), BAIT).unwrap();
    sandbox
}

#[test]
fn a_hostile_job_is_text_on_every_page() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = queue();
    let server = Server::start(&sandbox);
    chrome.go(&server.link);
    chrome.wait_text("button", "Sign out");
    let encoded = "%3Cscript%3Ewindow.hacked%3D1%3C%2Fscript%3E%22%27%3E%3Cimg%20src%3Dx%20onerror\
        %3Dalert(1)%3E";
    let paths = ["/".to_owned(), format!("/?q={encoded}"), "/add".to_owned()];
    for path in paths {
        chrome.go(&server.url(&path));
        chrome.wait_for("main");
        if path != "/add" {
            chrome.wait_text(".live", "live");
        }
        assert_eq!(chrome.value("window.hacked ?? null"), json!(null), "{path}");
        let planted = "document.querySelectorAll('main script, main img, main style, \
            main svg[onload]').length";
        assert_eq!(chrome.value(planted), json!(0), "{path}");
        chrome.is_clean(&path);
    }
    chrome.go(&server.url("/"));
    chrome.wait_for(&format!("[data-job=\"{ID}\"]"));
    let shown = chrome.text("[data-stage=failed] .card");
    assert!(shown.contains(r"\u{202e}\u{1b}[2J"), "control characters are visible: {shown}");
    assert!(chrome.text("#notices").contains("<img src=x"), "the stranger is named");
}
