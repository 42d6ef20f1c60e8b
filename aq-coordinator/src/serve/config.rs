//! The settings of a coordinator.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::auth::ApiTokens;
use crate::echo::TrackerSettings;
use crate::rate::CallerRate;

/// The settings of a coordinator. docs/fleet.md has the defaults of the command line.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// Where to listen. Port 0 takes any free one;
    /// [`RunningCoordinator::address`](crate::RunningCoordinator::address) says which.
    pub listen: SocketAddr,
    /// Where the fleet's state is.
    pub database: DatabaseLocation,
    /// The tokens of callers.
    pub tokens: ApiTokens,
    /// Duration of a lease without a renewal; at least twice `heartbeat`.
    pub lease: Duration,
    /// Interval at which hosts report; above zero.
    pub heartbeat: Duration,
    /// Certificate and key; without them requests and tokens travel in the open.
    pub tls: Option<TlsFiles>,
    /// Listen beyond loopback without TLS, such as behind a proxy that has it.
    pub insecure: bool,
    /// The rate of one token from one address.
    pub rate: CallerRate,
    /// Jobs run that may have ended in the time that was lost with the restore of a backup; else
    /// they wait for a person.
    pub run_doubted: bool,
    /// How long grants, reports, texts and events of ended jobs are kept, and hosts that are not
    /// heard of; `None` for good, but for events, which go after seven days.
    pub keep: Option<Duration>,
    /// The trackers that get updates of jobs; `None` for none.
    pub echoes: Option<TrackerSettings>,
}

/// The most that a caller sends when nobody says otherwise: 10 000 hosts behind one address, each
/// with a heartbeat every 10 s, need half of it.
pub const DEFAULT_RATE: CallerRate = CallerRate { per_second: 2000.0, burst: 4000.0 };

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where the fleet's state is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseLocation {
    /// A file, made when it is not there. For one coordinator at a time.
    Sqlite(PathBuf),
    /// A `postgres://` address, which several coordinators can share.
    Postgres(String),
}

/// The text is no address of a database. It is not repeated: it could hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a database is `sqlite:FILE` or `postgres://USER@HOST/NAME`")]
pub struct DatabaseError;

impl FromStr for DatabaseLocation {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(file) = text.strip_prefix("sqlite:") {
            return if file.is_empty() {
                Err(DatabaseError)
            } else {
                Ok(Self::Sqlite(file.into()))
            };
        }
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if known { Ok(Self::Postgres(text.to_owned())) } else { Err(DatabaseError) }
    }
}

/// Without the user, password and options of an address.
impl fmt::Display for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let rest = rest.split('?').next().unwrap_or_default();
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                write!(f, "postgres://{place}")
            }
        }
    }
}

impl fmt::Debug for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_read_and_shown_without_secrets() {
        for (text, shown) in [
            ("sqlite:/var/lib/aq.db", "sqlite:/var/lib/aq.db"),
            ("postgres://u:p@h:1/db?password=x", "postgres://h:1/db"),
            ("postgresql://u:p@w@h/db", "postgres://h/db"),
            ("postgres://h/db", "postgres://h/db"),
        ] {
            let database: DatabaseLocation = text.parse().unwrap();
            assert_eq!(database.to_string(), shown);
            assert_eq!(format!("{database:?}"), shown);
        }
        for text in ["", "sqlite:", "/file", "mysql://u:secret@h/db"] {
            let error = text.parse::<DatabaseLocation>().unwrap_err();
            assert!(!error.to_string().contains("secret"));
        }
    }
}
