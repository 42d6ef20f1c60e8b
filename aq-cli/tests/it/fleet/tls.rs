//! A coordinator that serves TLS, and what a client says of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::lab::{TOKEN, tied};
use crate::sandbox::kill_child;

/// A coordinator with a certificate for `localhost` of a CA of its own.
struct TlsLab {
    dir: TempDir,
    port: u16,
    running: Child,
}

impl TlsLab {
    fn new() -> Self {
        let dir = TempDir::with_prefix("aq-tls-").unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&key, &issuer).unwrap();
        let file = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (cert, key) = (file("cert.pem", own.pem()), file("key.pem", key.serialize_pem()));
        file("ca.pem", root.pem());
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        command.args(["coordinator", "--listen", "127.0.0.1:0"]);
        command.arg("--database").arg(format!("sqlite:{}", dir.path().join("db").display()));
        command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key).env("AQ_FLEET_TOKEN", TOKEN);
        let mut running =
            tied(&command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { dir, port, running }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Submits a job to `SCHEME://HOST` at its port, with this variable as well.
    fn submit(&self, to: &str, variable: &str, file: &str) -> Output {
        fs::write(self.path("job.md"), "---\nengine: shell\n---\ntrue\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        command.arg("submit").arg(self.path("job.md")).env_clear();
        command.env("AQ_FLEET_URL", format!("{to}:{}", self.port)).env("AQ_FLEET_TOKEN", TOKEN);
        command.env(variable, self.path(file)).env("HOME", self.dir.path());
        command.output().unwrap()
    }
}

impl Drop for TlsLab {
    fn drop(&mut self) {
        kill_child(&mut self.running);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The variables that name certificates.
const VARIABLES: [&str; 2] = ["AQ_FLEET_CA", "SSL_CERT_FILE"];

#[test]
fn certificates_are_those_of_variable() {
    let lab = TlsLab::new();
    let other = KeyPair::generate().unwrap();
    let other = CertificateParams::new(vec!["other".to_owned()]).unwrap().self_signed(&other);
    fs::write(lab.path("other.pem"), other.unwrap().pem()).unwrap();
    for variable in VARIABLES {
        let trusted = lab.submit("https://localhost", variable, "ca.pem");
        assert!(trusted.status.success(), "{}", said(&trusted));
        for (host, file) in [("https://localhost", "other.pem"), ("https://127.0.0.1", "ca.pem")] {
            let refused = lab.submit(host, variable, file);
            assert_eq!(refused.status.code(), Some(5));
            let said = said(&refused);
            assert!(said.contains("(1 tries)") && said.contains("AQ_FLEET_CA"), "{said}");
        }
    }
}

#[test]
fn file_without_certificates_is_named() {
    let lab = TlsLab::new();
    fs::write(
        lab.path("broken.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    for file in ["key.pem", "job.md", "broken.pem", "nowhere.pem"] {
        let refused = lab.submit("https://localhost", "AQ_FLEET_CA", file);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        let said = said(&refused);
        let name = lab.path(file).display().to_string();
        assert!(said.contains(&format!("AQ_FLEET_CA names {name}, and ")), "{said}");
    }
    let plain = lab.submit("http://localhost", "AQ_FLEET_CA", "nowhere.pem");
    assert!(said(&plain).contains("begins with https://"), "{}", said(&plain));
}

#[test]
fn plain_text_to_tls_is_explained() {
    let lab = TlsLab::new();
    let said = said(&lab.submit("http://localhost", "AQ_FLEET_CA", "ca.pem"));
    assert!(said.contains("AQ_FLEET_URL begins with https://"), "{said}");
    assert!(!said.contains("everybody on the way"), "this machine: {said}");
}
