//! The list of hosts that a box may reach.

use std::net::{IpAddr, Ipv4Addr};

/// Ports of a host that is named without one: those of the web.
const WEB_PORTS: [u16; 2] = [443, 80];

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPattern {
    /// A name in small letters, or an address.
    host: String,
    /// Names below it, in place of itself.
    is_wildcard: bool,
    port: Option<u16>,
}

/// Hosts that a box may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostList {
    patterns: Vec<HostPattern>,
}

/// An entry that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no host: expected a name, `*.` and a name, or an address, with `:` and a port \
     where it is neither 443 nor 80"
)]
pub struct HostListError(String);

impl HostList {
    /// Reads entries such as `api.example.org`, `*.example.org`, `git.example.org:22` and
    /// `127.0.0.1:8080`.
    ///
    /// # Errors
    /// An entry names no host.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, HostListError> {
        let patterns = entries.iter().map(|entry| {
            pattern(entry.as_ref()).ok_or_else(|| HostListError(entry.as_ref().to_owned()))
        });
        Ok(Self { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Tests for a host and port on the list.
    pub(crate) fn allows(&self, host: &str, port: u16) -> bool {
        let host = normal(host);
        self.patterns.iter().any(|pattern| {
            let is_host = match pattern.is_wildcard {
                false => host == pattern.host,
                true => host
                    .strip_suffix(&pattern.host)
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            };
            is_host && pattern.port.map_or(WEB_PORTS.contains(&port), |known| known == port)
        })
    }

    /// Tests for an address that is listed as such, so that it may also be one of this host.
    pub(crate) fn lists_address(&self, host: &str) -> bool {
        let host = normal(host);
        is_own_name(&host) || host.parse::<IpAddr>().is_ok()
    }

    /// Ports of the host's loopback that are listed.
    pub(crate) fn loopback_ports(&self) -> Vec<u16> {
        let own = self.patterns.iter().filter(|pattern| {
            let loopback = Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
            is_own_name(&pattern.host) || pattern.host.parse::<IpAddr>() == loopback
        });
        own.filter_map(|pattern| pattern.port).collect()
    }
}

fn is_own_name(host: &str) -> bool {
    host == "localhost"
}

/// A host as it is compared: small letters, no brackets, no dot at the end.
fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn pattern(entry: &str) -> Option<HostPattern> {
    let entry = entry.trim();
    // An address with colons is in brackets where a port follows.
    let (host, port) = match entry.parse::<IpAddr>() {
        Ok(_) => (entry, None),
        Err(_) => match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|&port| port > 0)?)),
            None => (entry, None),
        },
    };
    let (host, is_wildcard) = match host.strip_prefix("*.") {
        Some(rest) => (rest, true),
        None => (host, false),
    };
    let host = normal(host);
    let is_address = host.parse::<IpAddr>().is_ok();
    let is_name = !host.is_empty()
        && host.len() < 254
        && host.split('.').all(|label| {
            let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !label.is_empty() && label.len() < 64 && label.chars().all(is_letter)
        });
    let is_host = (is_address && !is_wildcard) || is_name;
    is_host.then_some(HostPattern { host, is_wildcard, port })
}

/// Tests for an address that a name on the list must not lead to: this host itself, and what is
/// only on its link, as the keeper of a cloud machine's keys.
pub(super) fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_multicast()
                || address.octets()[0] == 0
        }
        IpAddr::V6(address) => {
            // Unique local ones are private, as 10.0.0.0/8 is; fd00:ec2::254 is a keeper of keys.
            let is_keeper = address.segments()[..2] == [0xfd00, 0xec2];
            address.to_ipv4_mapped().map(IpAddr::V4).is_some_and(is_near)
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || is_keeper
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_allowed_by_name_and_port() {
        let list = ["api.example.org", "*.npmjs.org", "git.example.org:22", "127.0.0.1:8080"];
        let list = HostList::parse(&list).unwrap();
        for (host, port, expected) in [
            ("api.example.org", 443, true),
            ("API.example.org.", 80, true),
            ("api.example.org", 22, false),
            ("evil-api.example.org", 443, false),
            ("api.example.org.evil.net", 443, false),
            ("registry.npmjs.org", 443, true),
            ("npmjs.org", 443, false),
            ("evilnpmjs.org", 443, false),
            (".npmjs.org", 443, false),
            ("git.example.org", 22, true),
            ("git.example.org", 443, false),
            ("127.0.0.1", 8080, true),
            ("127.0.0.1", 80, false),
            ("::1", 8080, false),
            ("", 443, false),
        ] {
            assert_eq!(list.allows(host, port), expected, "{host}:{port}");
        }
        assert_eq!(list.loopback_ports(), [8080]);
    }

    #[test]
    fn entries_that_name_no_host_are_refused() {
        for entry in ["", "*", "*.", "a b", "https://example.org", "x:0", "x:99999", "a..b", "x/y"]
        {
            let error = HostList::parse(&[entry]).unwrap_err();
            assert!(error.to_string().contains("names no host"), "{entry}");
        }
        let addresses = HostList::parse(&["[::1]:8080", "::1", "10.0.0.1"]).unwrap();
        assert!(addresses.allows("[::1]", 8080) && addresses.allows("::1", 443));
    }

    #[test]
    fn near_addresses_are_known() {
        for (address, near) in [
            ("127.0.0.1", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("10.0.0.1", false),
            ("93.184.216.34", false),
            ("2606:2800:220:1::1", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap()), near, "{address}");
        }
    }
}
