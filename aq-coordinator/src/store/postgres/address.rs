//! The URL of a database: its server, and how much of TLS is asked of that server.

use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::fault::told;
use super::tls::TlsMaker;
use super::trust::{ServerCheck, TrustError};

/// The value of `sslrootcert` for the CAs of this system.
const SYSTEM: &str = "system";

/// A database's URL, read.
pub(super) struct ServerAddress {
    pub(super) config: Config,
    pub(super) tls: TlsMaker,
}

/// The URL cannot be used. No message repeats a value of it but a file's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddressError {
    #[error("the database's URL cannot be used: {0}; expected postgres://USER@HOST/NAME")]
    Unreadable(String),
    #[error("sslmode is disable, prefer, require, verify-ca or verify-full")]
    Mode,
    #[error(
        "the CAs of this system sign for everybody: say sslmode=verify-full with them, or give the \
         certificate of the database's own CA by sslrootcert=FILE"
    )]
    AnybodysRoots,
    #[error(
        "sslrootcert has no use with sslmode=disable or prefer: say verify-full, verify-ca or \
         require"
    )]
    IdleRoots,
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// The check of the server's certificate, by `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl FromStr for TlsMode {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(AddressError::Mode),
        })
    }
}

/// The options of a URL that tokio-postgres does not know.
#[derive(Default)]
struct TlsOptions {
    mode: Option<TlsMode>,
    roots: Option<String>,
}

impl ServerAddress {
    /// Reads a URL, and the file of CAs that it names.
    pub(super) fn read(url: &str) -> Result<Self, AddressError> {
        let (rest, options) = split(url)?;
        // The parser's message names the option and not its value.
        let mut config = Config::from_str(&rest).map_err(|e| AddressError::Unreadable(told(&e)))?;
        let mode = options.mode.unwrap_or(TlsMode::Prefer);
        let check = check(mode, options.roots.as_deref())?;
        // A socket of this machine has no TLS, as with other clients of PostgreSQL.
        let is_here = !config.get_hosts().is_empty()
            && config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(match mode {
            _ if is_here => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        if config.get_hosts().is_empty() {
            for address in config.get_hostaddrs().to_vec() {
                config.host(address.to_string());
            }
        }
        if options.mode.is_none() && config.get_hosts().iter().any(is_elsewhere) {
            tracing::warn!(
                "the database is on another machine and its URL has no sslmode: TLS is used if the \
                 server has it, with whatever certificate; say sslmode=verify-full, or disable \
                 where something else encrypts"
            );
        }
        Ok(Self { config, tls: TlsMaker::new(check)? })
    }
}

/// Tests for a host that is not this machine by its name.
fn is_elsewhere(host: &Host) -> bool {
    let Host::Tcp(name) = host else { return false };
    let address: Result<std::net::IpAddr, _> = name.parse();
    name != "localhost" && !address.is_ok_and(|ip| ip.is_loopback())
}

fn check(mode: TlsMode, roots: Option<&str>) -> Result<ServerCheck, AddressError> {
    Ok(match (mode, roots) {
        (TlsMode::Disable | TlsMode::Prefer, Some(_)) => return Err(AddressError::IdleRoots),
        (TlsMode::Disable | TlsMode::Prefer | TlsMode::Require, None) => ServerCheck::Nothing,
        (TlsMode::VerifyFull, None | Some(SYSTEM)) => ServerCheck::name_by_system()?,
        (TlsMode::VerifyFull, Some(file)) => ServerCheck::name_by(file.as_ref())?,
        (TlsMode::VerifyCa, None) | (TlsMode::VerifyCa | TlsMode::Require, Some(SYSTEM)) => {
            return Err(AddressError::AnybodysRoots);
        }
        (TlsMode::VerifyCa | TlsMode::Require, Some(file)) => {
            ServerCheck::issuer_by(file.as_ref())?
        }
    })
}

/// A URL without the options of TLS, and these.
fn split(url: &str) -> Result<(String, TlsOptions), AddressError> {
    let mut options = TlsOptions::default();
    // A password may have a `?` in it.
    let after_user = url.find('@').map_or(0, |at| at + 1);
    let Some(mark) = url[after_user..].find('?') else { return Ok((url.to_owned(), options)) };
    let (base, query) = (&url[..after_user + mark], &url[after_user + mark + 1..]);
    let mut others = Vec::new();
    for option in query.split('&') {
        // Unlike in a form, a plus is a plus.
        let plain = option.replace('+', "%2B");
        match form_urlencoded::parse(plain.as_bytes()).next() {
            Some((name, mode)) if name == "sslmode" => options.mode = Some(mode.parse()?),
            Some((name, file)) if name == "sslrootcert" => options.roots = Some(file.into_owned()),
            _ => others.push(option),
        }
    }
    let mark = if others.is_empty() { "" } else { "?" };
    Ok((format!("{base}{mark}{}", others.join("&")), options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(Config, TlsMaker), String> {
        let read = ServerAddress::read(url).map_err(|error| error.to_string())?;
        Ok((read.config, read.tls))
    }

    #[test]
    fn options_of_tls_are_taken_out() {
        let url = "postgres://u:p?@h:1/d?sslmode=require&application_name=a%20b&sslrootcert=a+%26b";
        let (rest, options) = split(url).unwrap();
        assert_eq!(rest, "postgres://u:p?@h:1/d?application_name=a%20b");
        assert_eq!(options.mode, Some(TlsMode::Require));
        assert_eq!(options.roots.as_deref(), Some("a+&b"));
        assert_eq!(split("postgres://h/d?sslmode=disable").unwrap().0, "postgres://h/d");
    }

    #[test]
    fn modes_are_those_of_other_clients() {
        for (options, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=require", SslMode::Require),
        ] {
            let (config, _) = read(&format!("postgres://h/d{options}")).unwrap();
            assert_eq!(config.get_ssl_mode(), mode, "{options}");
            let (config, _) = read(&format!("postgres://u@%2Frun/d{options}")).unwrap();
            assert_eq!(config.get_ssl_mode(), SslMode::Disable, "a socket: {options}");
        }
        let (config, _) = read("postgres:///d?hostaddr=192.0.2.7").unwrap();
        assert_eq!(config.get_hosts(), [Host::Tcp("192.0.2.7".to_owned())]);
    }

    #[test]
    fn wrong_options_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "a secret, and no certificate").unwrap();
        let file = file.to_str().unwrap();
        for (options, said) in [
            ("sslmode=allow", "sslmode is disable, prefer"),
            ("sslmode=verify-ca", "say sslmode=verify-full"),
            ("sslmode=require&sslrootcert=system", "say sslmode=verify-full"),
            ("sslmode=prefer&sslrootcert=/x", "sslrootcert has no use"),
            ("sslrootcert=/x", "sslrootcert has no use"),
            ("sslmode=verify-full&sslrootcert=/nowhere", "sslrootcert: /nowhere"),
            (&format!("sslmode=verify-ca&sslrootcert={file}"), "no certificate in PEM"),
            ("sslkey=/x", "sslkey"),
        ] {
            let error = read(&format!("postgres://u:hunter2@h/d?{options}")).err().unwrap();
            assert!(error.contains(said), "{options}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("a secret"), "{error}");
        }
    }
}
