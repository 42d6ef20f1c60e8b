//! TLS to a PostgreSQL server, by the `sslmode` of its URL.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use aq_coordinator::ledger::LeaseTiming;
use aq_coordinator::store::{ClockSource, CoordinatorStore, PostgresStore};
use aq_coordinator::{ServeError, serve};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::api::config;
use crate::cluster::{Cluster, OwnServer};
use crate::lab::LEASE;

/// The server's name in its certificate, and that of nobody.
const NAME: &str = "db.fleet.example";

/// Everybody of this machine is let in, but `secret` by a password and with TLS only.
const HBA: &str = "local all all trust
hostssl all secret 127.0.0.1/32 scram-sha-256
host all secret 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
";

/// A CA, and what it signed for the server.
struct Authority {
    root: String,
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = own.signed_by(&key, &issuer).unwrap().pem();
        Self { root, certificate, key: key.serialize_pem() }
    }
}

/// A server with TLS, and files of CAs.
struct TlsLab {
    cluster: Cluster,
    port: u16,
    dir: TempDir,
}

impl TlsLab {
    async fn new() -> Option<Self> {
        let (own, other) = (Authority::new(), Authority::new());
        // A port that is free now. PostgreSQL takes none that it may choose itself.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let files = [("cert.pem", &*own.certificate), ("key.pem", &*own.key), ("hba.conf", HBA)];
        let server = OwnServer {
            files: &files,
            // Two count from the folder of the data, the third from where it starts.
            settings: &[
                "ssl_cert_file=../cert.pem",
                "ssl_key_file=../key.pem",
                "hba_file=hba.conf",
            ],
            port: Some(port),
        };
        let cluster = Cluster::own(&server).await?;
        let lab = Self { cluster, port, dir: tempfile::tempdir().unwrap() };
        std::fs::write(lab.file("ca.pem"), &own.root).unwrap();
        std::fs::write(lab.file("other.pem"), &other.root).unwrap();
        Some(lab)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// The URL of `database` under a name of its host, which is this machine.
    fn url(&self, user: &str, name: &str, database: &str, options: &str) -> String {
        let roots = self.dir.path().to_str().unwrap();
        let options = options.replace("sslrootcert=", &format!("sslrootcert={roots}/"));
        format!("postgres://{user}@{name}:{}/{database}?hostaddr=127.0.0.1&{options}", self.port)
    }
}

fn store(url: &str) -> PostgresStore {
    PostgresStore::new(url, LeaseTiming::new(LEASE), ClockSource::Database).unwrap()
}

/// Tests for encrypted connections of the store, by the server's own knowledge.
async fn are_encrypted(admin: &Client) -> bool {
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE \
               application_name = 'aq coordinator' AND datname = current_database()";
    admin.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_with_tls() {
    let Some(lab) = TlsLab::new().await else { return };
    let database = lab.cluster.database(None).await;
    let admin = database.connect().await;
    serve_tls(&admin, "on").await;
    let role = "CREATE ROLE secret LOGIN SUPERUSER PASSWORD 'correct horse'";
    admin.batch_execute(role).await.unwrap();

    for (user, name, options, encrypted) in [
        ("aq", NAME, "sslmode=disable", false),
        ("aq", NAME, "", true),
        ("aq", NAME, "sslmode=prefer", true),
        ("aq", "other.example", "sslmode=require", true),
        ("aq", "other.example", "sslmode=require&sslrootcert=ca.pem", true),
        ("aq", "other.example", "sslmode=verify-ca&sslrootcert=ca.pem", true),
        ("aq", NAME, "sslmode=verify-full&sslrootcert=ca.pem", true),
        ("secret:correct%20horse", NAME, "sslmode=verify-full&sslrootcert=ca.pem", true),
    ] {
        let store = store(&lab.url(user, name, &database.name, options));
        store.migrate().await.unwrap();
        assert_eq!(are_encrypted(&admin).await, encrypted, "{options}");
        drop(store);
        gone(&admin).await;
    }

    let (issuer, named) = ("; sslrootcert=FILE", "say sslmode=verify-ca");
    for (name, options, said) in [
        (NAME, "sslmode=verify-full&sslrootcert=other.pem", issuer),
        (NAME, "sslmode=verify-ca&sslrootcert=other.pem", issuer),
        (NAME, "sslmode=require&sslrootcert=other.pem", issuer),
        ("other.example", "sslmode=verify-full&sslrootcert=ca.pem", named),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=ca.pem", named),
    ] {
        let refused = refused(lab.dir.path(), &lab.url("aq", name, &database.name, options)).await;
        assert!(refused.contains(said), "{name} {options}: {refused}");
    }

    serve_tls(&admin, "off").await;
    for mode in ["sslmode=require", "sslmode=verify-full&sslrootcert=ca.pem"] {
        let refused = refused(lab.dir.path(), &lab.url("aq", NAME, &database.name, mode)).await;
        assert!(refused.contains("set `ssl = on` there"), "{refused}");
    }
    let store = store(&lab.url("aq", NAME, &database.name, "sslmode=prefer"));
    store.ping().await.unwrap();
    assert!(!are_encrypted(&admin).await, "as prefer says");
    lab.cluster.forget(database).await;
}

/// Turns the server's TLS on or off.
async fn serve_tls(admin: &Client, state: &str) {
    admin.batch_execute(&format!("ALTER SYSTEM SET ssl = {state}")).await.unwrap();
    let begun = Instant::now();
    loop {
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let ssl: String = admin.query_one("SHOW ssl", &[]).await.unwrap().get(0);
        if ssl == state {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "its TLS is {ssl}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The word of a coordinator that does not start, which tries only once.
async fn refused(dir: &Path, url: &str) -> String {
    let mut config = config(&dir.join("unused"));
    config.database = url.parse().unwrap();
    let begun = Instant::now();
    let error = serve(config).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(4), "{error} after {:?}", begun.elapsed());
    assert!(matches!(error, ServeError::Store { .. }), "{error}");
    error.to_string()
}

/// Waits until no store is connected.
async fn gone(admin: &Client) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aq coordinator'";
    let begun = Instant::now();
    while admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
