//! Requests that come from elsewhere than a page of the dashboard.

use std::fs;

use super::server::{LOCAL, Server};
use crate::sandbox::Sandbox;

/// The fields of every answer for a browser.
const HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-"),
];

fn snapshot(sandbox: &Sandbox) -> Vec<(String, String)> {
    ["review", "failed", "inbox"]
        .iter()
        .flat_map(|&stage| sandbox.jobs(stage).into_iter().map(move |id| (stage.to_owned(), id)))
        .collect()
}

#[test]
fn every_answer_tells_browsers_to_be_careful() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "true");
    let server = Server::start(&sandbox);
    let requests = [
        ("GET /", 200),
        ("HEAD /", 200),
        ("GET /add", 200),
        ("GET /sign-in", 200),
        ("GET /jobs/x", 200),
        ("GET /jobs/x?view=log", 200),
        ("GET /jobs/x/log.txt", 404),
        ("GET /jobs/none", 404),
        ("GET /jobs/..%2fx", 404),
        ("GET /jobs/none/events", 404),
        ("GET /jobs/x/artifact?path=../x", 404),
        ("GET /insights", 200),
        ("GET /graph", 200),
        ("GET /fleet", 200),
        ("GET /assets/page.js", 200),
        ("GET /assets/style.css", 200),
        ("GET /assets/icon.svg", 200),
        ("GET /assets/..%2f..%2fetc%2fpasswd", 404),
        ("GET /assets/nothing", 404),
        ("GET /nowhere", 404),
        ("GET /board/inbox?from=7&q=x", 200),
        ("GET /board/nowhere", 404),
        ("GET /?from=-1", 400),
        ("DELETE /", 403),
        ("POST /", 403),
        ("POST /jobs/x/ship", 403),
        ("GET /jobs/x/ship", 405),
    ];
    for (request, status) in requests {
        // Who has signed in is led on from the sign-in.
        let session = (request != "GET /sign-in").then(|| server.session());
        let answer = server.ask(request, session.as_slice(), "");
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        for (name, value) in HEADERS {
            assert!(answer.header(name).starts_with(value), "{request}: {name}: {answer:?}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{request}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    assert_eq!(server.ask("HEAD /", &[server.session()], "").body, "");
}

#[test]
fn names_of_others_are_not_answered() {
    let sandbox = Sandbox::new();
    let server = Server::start_with(&sandbox, &["--listen", LOCAL, "--host", "Box.example"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    for host in ["localhost", "127.0.0.1", "box.example", "BOX.EXAMPLE", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}"), format!("{host}:1")] {
            let headers = [server.session(), ("host", &host)];
            assert_eq!(server.ask("GET /", &headers, "").status, 200, "{host}");
        }
    }
    for host in ["evil.example", "localhost.evil.example", "192.168.0.7", "", "x@localhost"] {
        for path in ["/", "/assets/page.js", "/sign-in", "/board/events"] {
            let answer = server.ask(&format!("GET {path}"), &[("host", host)], "");
            assert_eq!(answer.status, 421, "{host}{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY");
        }
    }
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(server.ask("GET /", &two, "").status, 421);
    assert_eq!(server.raw("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").status, 421);
}

#[test]
fn nobody_acts_from_elsewhere_or_without_the_forms_secret() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "review-policy: human", "true");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 0);
    let server = Server::start(&sandbox);
    let (cookie, csrf) = server.sign_in(server.token());
    let before = snapshot(&sandbox);
    let ours = server.url("");
    let port = server.address.rsplit_once(':').unwrap().1;
    let other_name = format!("http://localhost:{port}");
    let form = format!("csrf={csrf}");
    let cookie = ("cookie", cookie.as_str());
    let refused = [
        ("no origin", vec![cookie], form.as_str()),
        ("origin null", vec![cookie, ("origin", "null")], &form),
        ("foreign", vec![cookie, ("origin", "http://evil.example")], &form),
        ("another port", vec![cookie, ("origin", "http://127.0.0.1:1")], &form),
        ("another name", vec![cookie, ("origin", &other_name)], &form),
        ("cross-site", vec![cookie, ("origin", &ours), ("sec-fetch-site", "cross-site")], &form),
        ("same-site", vec![cookie, ("origin", &ours), ("sec-fetch-site", "same-site")], &form),
        ("no cookie", vec![("origin", &ours)], &form),
        ("wrong secret", vec![cookie, ("origin", &ours)], "csrf=0"),
    ];
    for (what, headers, body) in &refused {
        for path in ["/jobs/x/ship", "/jobs/x/reject", "/add", "/sign-out"] {
            let body = format!("{body}&name=y&text=true");
            let answer = server.ask(&format!("POST {path}"), headers, &body);
            assert_eq!(answer.status, 403, "{what} {path}: {answer:?}");
        }
    }
    let missing = server.ask("POST /jobs/x/ship", &[cookie, ("origin", &ours)], "");
    assert_eq!(missing.status, 422, "{missing:?}");
    for path in ["/jobs/x/ship", "/sign-out", "/jobs/x/requeue"] {
        let answer = server.ask(&format!("GET {path}?{form}"), &[cookie], "");
        assert_eq!(answer.status, 405, "{path}");
    }
    assert_eq!(snapshot(&sandbox), before);
    let shipped = server.ask("POST /jobs/x/ship", &[cookie, ("origin", &ours)], &form);
    assert_eq!(shipped.status, 303, "{shipped:?}");
    assert_eq!(sandbox.folders("x"), ["shipped"]);
}

#[test]
fn session_cookie_stays_here_and_ends() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let ours = server.url("");
    let wrong = server.ask("POST /sign-in", &[("origin", &ours)], "token=0123456789abcdef");
    assert_eq!(wrong.status, 403);
    assert_eq!(wrong.header("set-cookie"), "");
    assert!(wrong.body.contains("This is not the token") && !wrong.body.contains(server.token()));
    // With a page of its own elsewhere, somebody could sign a browser in as somebody else.
    let body = format!("token={}", server.token());
    assert_eq!(
        server.ask("POST /sign-in", &[("origin", "http://evil.example")], &body).status,
        403
    );
    let right = server.ask("POST /sign-in", &[("origin", &ours)], &body);
    let set = right.header("set-cookie").to_owned();
    assert!(
        set.contains("; HttpOnly; SameSite=Strict; Max-Age=") && set.contains("; Path=/;"),
        "{set}"
    );
    assert!(!set.contains(server.token()), "{set}");
    let (cookie, csrf) = server.sign_in(server.token());
    // Who is signed in needs no form, and no token behind the address.
    let again = server.ask("GET /sign-in", &[("cookie", &cookie)], "");
    assert_eq!((again.status, again.header("location")), (303, "/#"));
    let headers = [("cookie", cookie.as_str()), ("origin", ours.as_str())];
    let left = server.ask("POST /sign-out", &headers, &format!("csrf={csrf}"));
    assert!(left.header("set-cookie").contains("Max-Age=0"), "{left:?}");
    assert_eq!(server.ask("POST /jobs/x/ship", &headers, &format!("csrf={csrf}")).status, 403);
    let over_tls = [("origin", "https://localhost"), ("host", "localhost")];
    let proxied = server.ask("POST /sign-in", &over_tls, &body);
    assert!(proxied.header("set-cookie").ends_with("; Secure"), "{proxied:?}");
}

/// Pages that nobody reads without a session.
const PAGES: [&str; 6] =
    ["/", "/board/inbox", "/board/events", "/add", "/jobs/secret-job", "/nowhere"];

#[test]
fn reading_needs_the_session() {
    let sandbox = Sandbox::new();
    sandbox.add("secret-job", "", "true");
    let server = Server::start(&sandbox);
    for path in PAGES {
        let answer = server.ask(&format!("GET {path}"), &[], "");
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/sign-in"), "{path}: {answer:?}");
        let script = server.ask(&format!("GET {path}"), &[("sec-fetch-mode", "cors")], "");
        assert_eq!(script.status, 401, "{path}");
        assert!(!answer.body.contains("secret-job") && !script.body.contains("secret-job"));
    }
    // From there one gets to what was asked for.
    let asked = server.ask("GET /jobs/secret-job?view=log", &[], "");
    let form = server.ask(&format!("GET {}", asked.header("location")), &[], "");
    assert!(form.body.contains("value=\"/jobs/secret-job?view=log\""), "{}", form.body);
    let origin = server.url("");
    let token = server.token();
    for (to, path) in [("/jobs/secret-job", "/jobs/secret-job"), ("//evil.example", "/")] {
        let body = format!("token={token}&to={to}");
        let answer = server.ask("POST /sign-in", &[("origin", &origin)], &body);
        assert_eq!((answer.status, answer.header("location")), (303, path));
    }
    assert!(server.page("/").contains("secret-job"));
}

#[test]
fn a_public_dashboard_is_read_by_everybody() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "true");
    let server = Server::start_with(&sandbox, &["--listen", LOCAL, "--public"]);
    let page = server.ask("GET /jobs/x", &[], "");
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("Sign in") && !page.body.contains("method=\"post\""),
        "{}",
        page.body
    );
    let origin = server.url("");
    assert_eq!(server.ask("POST /jobs/x/stop", &[("origin", &origin)], "csrf=0").status, 403);
    assert!(server.page("/jobs/x").contains("method=\"post\""));
}

#[test]
fn other_machines_need_token_file() {
    let sandbox = Sandbox::new();
    sandbox.add("secret-job", "", "true");
    for public in [&[][..], &["--public"]] {
        let (code, said) =
            sandbox.code(&[&["dashboard", "--listen", "0.0.0.0:0"], public].concat());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("--token-file") && said.contains("ssh -L"), "{said}");
    }
    let tokens = sandbox.path("tokens");
    fs::write(&tokens, "laptop 0123456789abcdef0123\n").unwrap();
    let tokens = tokens.to_str().unwrap();
    let mut server =
        Server::start_with(&sandbox, &["--listen", "0.0.0.0:0", "--token-file", tokens]);
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    for path in PAGES {
        assert_eq!(server.get(path).status, 303, "{path}");
    }
    assert_eq!(server.get("/sign-in").status, 200);
    assert_eq!(server.get("/assets/style.css").status, 200);
    let (cookie, _) = server.sign_in("0123456789abcdef0123");
    assert!(server.ask("GET /", &[("cookie", &cookie)], "").body.contains("secret-job"));
    // By address from anywhere, but under no name that nobody gave it.
    assert_eq!(server.ask("GET /", &[("host", "192.168.0.7")], "").status, 303);
    assert_eq!(server.ask("GET /", &[("host", "evil.example")], "").status, 421);
}
