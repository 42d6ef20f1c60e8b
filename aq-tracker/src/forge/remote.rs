//! Addresses of git's remotes: which repository of a forge they are.

use crate::item_id::GitHubRepository;

/// The hosts under which git reaches the repositories of a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteHosts {
    host: String,
}

impl RemoteHosts {
    /// The hosts of the forge whose API is at this address.
    pub fn of_api(base: &str) -> Self {
        let host = split(base).map_or_else(String::new, |(host, _)| host.to_ascii_lowercase());
        // `api.github.com`, and `api.NAME.ghe.com`.
        let host = host.strip_prefix("api.").map_or(host.clone(), str::to_owned);
        Self { host }
    }

    /// The host, for people.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository of a remote's address; `None` when it is no repository of this forge.
    pub fn repository(&self, address: &str) -> Option<GitHubRepository> {
        let (host, path) = split(address.trim())?;
        let host = host.to_ascii_lowercase();
        // Git over the port of HTTPS: `ssh.github.com`.
        let is_ours =
            host == self.host || host.strip_prefix("ssh.").is_some_and(|rest| rest == self.host);
        if !is_ours || self.host.is_empty() {
            return None;
        }
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        // Two parts and no more: the check of the name refuses a slash.
        format!("github:{path}").parse().ok()
    }
}

/// Host and path of `scheme://user@host:port/path`, and of `user@host:path`.
fn split(address: &str) -> Option<(&str, &str)> {
    if let Some((_, rest)) = address.split_once("://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Some((host_of(authority)?, path));
    }
    let (authority, path) = address.split_once(':')?;
    // A path with a colon in it is a path.
    (!authority.contains('/')).then_some(())?;
    Some((host_of(authority)?, path))
}

/// The host of `user:password@host:port`.
fn host_of(authority: &str) -> Option<&str> {
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let host = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => place.split_once(':').map_or(place, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

/// The address of a remote as others may see it: without user and password.
pub fn remote_words(address: &str) -> String {
    match (address.split_once("://"), split(address)) {
        (Some((scheme, _)), Some((host, path))) => format!("{scheme}://{host}/{path}"),
        (None, Some((host, path))) => format!("{host}:{path}"),
        (_, None) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_of_remotes() {
        let github = RemoteHosts::of_api("https://api.github.com");
        assert_eq!(github.host(), "github.com");
        for address in [
            "https://github.com/o/r",
            "https://github.com/o/r.git/",
            "https://me:secret@GitHub.com:443/o/r.git",
            "git@github.com:o/r.git",
            "github.com:o/r",
            "ssh://git@github.com/o/r.git",
            "ssh://git@ssh.github.com:443/o/r.git",
            "git://github.com/o/r",
        ] {
            let repository = github.repository(address).map(|found| found.to_string());
            assert_eq!(repository.as_deref(), Some("github:o/r"), "{address}");
        }
        for address in [
            "",
            "/srv/git/o/r.git",
            "../o/r",
            "./a:b/o/r",
            "https://gitlab.com/o/r",
            "https://github.com.evil.example/o/r",
            "https://github.com@evil.example/o/r",
            "git@github-work:o/r.git",
            "https://github.com/o",
            "https://github.com/o/r/s",
            "https://github.com/o/..",
            "https://github.com/o/r?x",
            "https://github.com",
            "git@:o/r",
        ] {
            assert_eq!(github.repository(address), None, "{address}");
        }
    }

    #[test]
    fn hosts_of_other_servers() {
        for (base, address) in [
            ("https://github.example.com/api/v3", "git@github.example.com:o/r"),
            ("https://api.octo.ghe.com", "https://octo.ghe.com/o/r.git"),
            ("http://127.0.0.1:4711", "http://127.0.0.1:4711/o/r.git"),
            ("http://[::1]:4711", "ssh://[::1]:22/o/r.git"),
        ] {
            assert!(RemoteHosts::of_api(base).repository(address).is_some(), "{base}");
            assert!(RemoteHosts::of_api(base).repository("git@github.com:o/r").is_none());
        }
        assert_eq!(RemoteHosts::of_api("nonsense").repository("o/r"), None);
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(remote_words("https://me:secret@h:1/o/r"), "https://h/o/r");
        assert_eq!(remote_words("git@h:o/r"), "h:o/r");
        assert_eq!(remote_words("/srv/o"), "/srv/o");
    }
}
