//! A PostgreSQL server for the tests of this process, and a new database for each case.
//!
//! In this order: the server that `AQ_TEST_PG_URL` names, as a user who may create databases; a
//! server of our own from installed binaries, or those in `AQ_TEST_PG_BIN`, on a socket in a
//! temporary folder. It ends with this process, however that ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User, chown};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Time limit of a server's start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server until standard input ends, which it does with the process that holds the other
/// end, also when that is killed. $1 is the folder, the rest the command.
const WATCH: &str = r#"
    dir=$1; shift
    "$@" </dev/null &
    server=$!
    cat >/dev/null
    kill -QUIT "$server"
    wait "$server"
    rm -rf "$dir"
"#;

/// A server.
pub(crate) struct Cluster {
    url: String,
    /// Its watcher, unless the server is somebody else's.
    watcher: Option<Child>,
}

/// More than a server of our own has otherwise.
#[derive(Default)]
pub(crate) struct OwnServer<'a> {
    /// Files in the folder that the server starts in, which is above its data: a name and a text
    /// each, for the server alone.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// Settings, as `name=value`.
    pub(crate) settings: &'a [&'a str],
    /// Where it listens on 127.0.0.1, beside its socket.
    pub(crate) port: Option<u16>,
}

/// A database that is dropped with its case.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) name: String,
    server: String,
}

impl Cluster {
    /// A server, or `None` with a loud word where there can be none. In CI that is a failure.
    pub(crate) async fn find() -> Option<Self> {
        if let Ok(url) = std::env::var("AQ_TEST_PG_URL") {
            return Some(Self { url, watcher: None });
        }
        let Some(bin) = binaries() else {
            missing();
            return None;
        };
        Some(Self::started(&bin, &OwnServer::default()).await)
    }

    /// A server of our own, as it says.
    pub(crate) async fn own(server: &OwnServer<'_>) -> Option<Self> {
        let Some(bin) = binaries() else {
            missing();
            return None;
        };
        Some(Self::started(&bin, server).await)
    }

    async fn started(bin: &Path, server: &OwnServer<'_>) -> Self {
        let cluster = Self::start(bin, server);
        let begun = Instant::now();
        while connect(&cluster.url).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cluster
    }

    fn start(bin: &Path, server: &OwnServer<'_>) -> Self {
        // Short, for the path of a socket has a limit.
        let dir = tempfile::Builder::new().prefix("aqpg").tempdir().unwrap().keep();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        // The server refuses to run as root.
        let user = Uid::effective().is_root().then(|| {
            let user =
                ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).unwrap());
            user.expect("a user that is not root")
        });
        let run = |program: &str| {
            let mut command = Command::new(program);
            command.current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some(user) = &user {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command
        };
        for (name, text) in server.files {
            fs::write(dir.join(name), text).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        if let Some(user) = &user {
            let mut own = vec![dir.clone()];
            own.extend(server.files.iter().map(|(name, _)| dir.join(name)));
            for path in own {
                chown(&path, Some(user.uid), Some(user.gid)).unwrap();
            }
        }
        let data = dir.join("data");
        let made = run(bin.join("initdb").to_str().unwrap())
            .args(["--no-sync", "--auth=trust", "--username=aq", "--encoding=UTF8", "--locale=C"])
            .arg("--pgdata")
            .arg(&data)
            .status()
            .unwrap();
        assert!(made.success(), "initdb fails");
        let mut watcher = run("sh");
        watcher.args(["-c", WATCH, "sh"]).arg(&dir).arg(bin.join("postgres"));
        watcher.arg("-D").arg(&data).arg("-k").arg(&dir);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=200",
            // Its transactions would hold the feed back for a moment.
            "autovacuum=off",
        ] {
            watcher.args(["-c", setting]);
        }
        // The last one of a name counts.
        for setting in server.settings {
            watcher.args(["-c", setting]);
        }
        if let Some(port) = server.port {
            watcher.args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")]);
        }
        // In a group of its own: whoever kills the tests' group leaves it the time to clean up.
        let watcher = watcher.process_group(0).stdin(Stdio::piped()).spawn().unwrap();
        let port = server.port.map_or_else(String::new, |port| format!(":{port}"));
        let socket = dir.to_str().unwrap().replace('/', "%2F");
        Self { url: format!("postgres://aq@{socket}{port}/postgres"), watcher: Some(watcher) }
    }

    /// A new database, empty or as another one is.
    pub(crate) async fn database(&self, like: Option<&Database>) -> Database {
        let made = Database {
            name: format!("aq_test_{}", Uuid::new_v4().simple()),
            server: self.url.clone(),
        };
        made.create(like).await;
        made
    }
}

impl Cluster {
    /// A new database as another one is, in which it was not restored but made.
    pub(crate) async fn moved(&self, like: &Database) -> Database {
        let made = self.database(Some(like)).await;
        let admin = made.connect().await;
        admin.batch_execute("UPDATE service SET place = NULL").await.unwrap();
        made
    }

    /// Drops a database, and its copy, on a server that goes on.
    pub(crate) async fn forget(&self, database: Database) {
        if self.watcher.is_none() {
            let admin = connect(&self.url).await.unwrap();
            for name in [format!("{}_b", database.name), database.name] {
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                admin.batch_execute(&sql).await.unwrap();
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
    }
}

impl Database {
    /// The URL for a store.
    pub(crate) fn url(&self) -> String {
        with_name(&self.server, &self.name)
    }

    /// A connection beside the store's.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url()).await.unwrap()
    }

    /// A connection to another database of the same server.
    pub(crate) async fn beside(&self) -> Client {
        connect(&self.server).await.unwrap()
    }

    async fn create(&self, like: Option<&Self>) {
        let admin = connect(&self.server).await.unwrap();
        let template = like.map_or("template0", |like| &like.name);
        let sql = format!("CREATE DATABASE {} TEMPLATE {template}", self.name);
        // Nobody may be connected to what is copied; the store connects again by itself.
        let end =
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        admin.query(end, &[&template]).await.unwrap();
        admin.batch_execute(&sql).await.unwrap();
    }

    /// A copy of it.
    pub(crate) async fn copy(&self) -> Self {
        let copy = Self { name: format!("{}_b", self.name), server: self.server.clone() };
        copy.create(Some(self)).await;
        copy
    }
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The URL of another database of the same server.
fn with_name(url: &str, name: &str) -> String {
    let (base, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = base.split_once("://").expect("a URL");
    let server = rest.split('/').next().unwrap_or_default();
    let mark = if options.is_empty() { "" } else { "?" };
    format!("{scheme}://{server}/{name}{mark}{options}")
}

/// A loud word that there is no server. In CI that is a failure.
fn missing() {
    let word = "NO POSTGRESQL: its store is NOT tested here. Install postgresql, or set \
                AQ_TEST_PG_URL to a server where databases may be created, or AQ_TEST_PG_BIN to \
                the folder of initdb and postgres.";
    assert!(!is_ci(), "{word}");
    #[expect(clippy::print_stderr, reason = "what is not tested must be seen")]
    {
        eprintln!("\n{word}\n");
    }
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}

/// The programs in `AQ_TEST_PG_BIN`, or else the newest installed server's.
fn binaries() -> Option<PathBuf> {
    if let Some(bin) = std::env::var_os("AQ_TEST_PG_BIN").filter(|bin| !bin.is_empty()) {
        return Some(bin.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}
