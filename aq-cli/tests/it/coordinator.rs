//! `aq coordinator` as a program: what it prints, how it ends, what it refuses to start with.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::sandbox::{PATIENCE, Sandbox};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Any free port of this machine.
const LOCAL: &str = "127.0.0.1:0";

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The status and body of a GET.
fn get(address: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let bearer = token.map_or_else(String::new, |t| format!("authorization: Bearer {t}\r\n"));
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[test]
fn it_says_where_it_listens_and_ends_on_sigterm() {
    let mut sandbox = Sandbox::new();
    sandbox.set("AQ_FLEET_TOKEN", TOKEN);
    let database = format!("sqlite:{}", sandbox.path("fleet.sqlite").display());
    let mut command = sandbox.aq(&["coordinator", "--listen", LOCAL, "--database"]);
    command.arg(database).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").expect(&line).to_owned();
    assert!(!address.ends_with(":0"), "{address}");
    assert_eq!(get(&address, "/healthz", None).0, 200);
    let (status, answer) = get(&address, "/v1/stats", None);
    assert_eq!(status, 401);
    assert!(answer.contains("application/problem+json") && !answer.contains(TOKEN), "{answer}");
    assert_eq!(get(&address, "/v1/stats", Some(TOKEN)).0, 200);
    kill(Pid::from_raw(running.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line and no more");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    TcpStream::connect(&address).unwrap_err();
}

/// Words for a service manager, as they come.
struct Manager {
    socket: UnixDatagram,
    /// Those of the watchdog are only counted.
    beats: usize,
}

impl Manager {
    fn next(&mut self) -> String {
        loop {
            let mut bytes = [0; 4096];
            let length = self.socket.recv(&mut bytes).unwrap();
            let word = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if word != "WATCHDOG=1\n" {
                return word;
            }
            self.beats += 1;
        }
    }
}

fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000
}

#[test]
fn systemd_hears_how_it_is() {
    let mut sandbox = Sandbox::new();
    sandbox.set("AQ_FLEET_TOKEN", TOKEN);
    let socket = UnixDatagram::bind(sandbox.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut manager = Manager { socket, beats: 0 };
    let tokens = sandbox.path("tokens");
    fs::write(&tokens, format!("a read {TOKEN}\n")).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    let start = |sandbox: &Sandbox, database: &str| {
        let mut command = sandbox.aq(&["coordinator", "--listen", LOCAL, "--database", database]);
        command.arg("--token-file").arg(&tokens);
        command.env("NOTIFY_SOCKET", sandbox.path("notify")).env("WATCHDOG_USEC", "40000");
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    // One that cannot start is not ready, so the first word is the next one's.
    let mut failed = start(&sandbox, "sqlite:/nowhere/at/all");
    assert_eq!(failed.0.wait().unwrap().code(), Some(5));
    let file = sandbox.path("fleet.sqlite");
    let mut running = start(&sandbox, &format!("sqlite:{}", file.display()));
    let send = |signal| kill(Pid::from_raw(running.0.id().cast_signed()), signal).unwrap();
    let ready = manager.next();
    let address = ready.strip_prefix("READY=1\nSTATUS=listening on http://").expect(&ready);
    assert_eq!(get(address.trim(), "/healthz", None).0, 200);
    let before = monotonic_micros();
    send(Signal::SIGHUP);
    let reloading = manager.next();
    let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    let at: i64 = at.trim().parse().unwrap();
    assert!((before..=monotonic_micros()).contains(&at), "{at}");
    assert_eq!(manager.next(), ready);
    while manager.beats < 3 {
        let mut bytes = [0; 64];
        let length = manager.socket.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"WATCHDOG=1\n");
        manager.beats += 1;
    }
    send(Signal::SIGTERM);
    assert_eq!(manager.next(), "STOPPING=1\n");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn it_refuses_what_would_be_open_to_all() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.path("fleet.sqlite");
    let database = format!("sqlite:{}", file.display());
    let start = |sandbox: &Sandbox, listen: &str, more: &[&str]| {
        let args = [&["coordinator", "--listen", listen, "--database", &database], more];
        sandbox.code(&args.concat())
    };
    let (code, said) = start(&sandbox, LOCAL, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("AQ_FLEET_TOKEN"), "{said}");
    let tokens = sandbox.path("tokens");
    for (text, says) in [
        ("# none\n", "holds no token"),
        ("laptop short-secret\n", "line 1"),
        ("a b c d\n", "line 1"),
    ] {
        fs::write(&tokens, text).unwrap();
        let (code, said) = start(&sandbox, LOCAL, &["--token-file", tokens.to_str().unwrap()]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(says) && !said.contains("short-secret"), "{said}");
    }
    let (code, said) = start(&sandbox, LOCAL, &["--token-file", "/nonexistent/tokens"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("/nonexistent/tokens"), "{said}");
    sandbox.set("AQ_FLEET_TOKEN", TOKEN);
    let (code, said) = start(&sandbox, "0.0.0.0:0", &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--insecure") && said.contains("--tls-cert"), "{said}");
    assert!(!file.exists(), "nothing was made");
}
