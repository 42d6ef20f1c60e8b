//! The head of a request to a proxy, read without sending anything.

/// The longest head that is read.
pub(super) const LONGEST_HEAD: usize = 64 << 10;

/// A request to a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProxyRequest {
    /// A tunnel to a host.
    Tunnel {
        /// The host.
        host: String,
        /// Its port.
        port: u16,
    },
    /// One plain request, with the head as the host itself gets it.
    Plain {
        /// The host.
        host: String,
        /// Its port.
        port: u16,
        /// The head to send.
        head: Vec<u8>,
    },
}

impl ProxyRequest {
    /// The host and its port.
    pub(super) fn target(&self) -> (&str, u16) {
        match self {
            Self::Tunnel { host, port } | Self::Plain { host, port, .. } => (host, *port),
        }
    }
}

/// The length of a head that is complete, with the empty line at its end.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a head. `None` when it is no request to a proxy.
pub(super) fn parse(head: &[u8]) -> Option<ProxyRequest> {
    let text = str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_odd = |c: char| c.is_control() || c.is_whitespace();
    if words.next().is_some() || !version.starts_with("HTTP/1.") || target.contains(is_odd) {
        return None;
    }
    if method == "CONNECT" {
        let (host, port) = host_and_port(target, None)?;
        return Some(ProxyRequest::Tunnel { host, port });
    }
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"))?;
    let rest = &target[scheme.len()..];
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority, Some(80))?;
    // The host hears its own name, whatever the request says; and one request is all, as the next
    // on this line could be for another host.
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut lines_out = format!("{method} {slash}{path} {version}\r\nHost: {authority}\r\n");
    for line in lines {
        let (name, _) = line.split_once(':')?;
        // A line that goes on from the one above, or a name that others read otherwise.
        if name.is_empty() || name.contains(is_odd) || line.contains(['\r', '\n', '\0']) {
            return None;
        }
        let dropped = ["host", "connection", "proxy-connection", "proxy-authorization"];
        if !dropped.iter().any(|dropped| name.eq_ignore_ascii_case(dropped)) {
            lines_out.push_str(line);
            lines_out.push_str("\r\n");
        }
    }
    lines_out.push_str("Connection: close\r\n\r\n");
    Some(ProxyRequest::Plain { host, port, head: lines_out.into_bytes() })
}

/// The parts of `host:port`, the host without brackets.
fn host_and_port(authority: &str, default: Option<u16>) -> Option<(String, u16)> {
    // Names of users have no place here.
    if authority.contains(['@', '/', '\\', '?', '#']) {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(default, |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(host: &str, port: u16) -> Option<ProxyRequest> {
        Some(ProxyRequest::Tunnel { host: host.to_owned(), port })
    }

    #[test]
    fn tunnels_name_a_host_and_a_port() {
        let read = |target: &str| parse(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(read("example.org:443"), tunnel("example.org", 443));
        assert_eq!(read("[::1]:443"), tunnel("::1", 443));
        for target in ["example.org", "a@b:443", ":443", "x:y", "http://x:80/", "a:1:2"] {
            assert_eq!(read(target), None, "{target}");
        }
    }

    #[test]
    fn plain_requests_get_their_own_host() {
        let head = b"GET http://a.org:8080/p?q HTTP/1.1\r\nHost: evil.net\r\nX: y\r\n\
                     Proxy-Connection: keep-alive\r\n\r\n";
        let Some(ProxyRequest::Plain { host, port, head }) = parse(head) else { panic!() };
        assert_eq!((host.as_str(), port), ("a.org", 8080));
        let expected = "GET /p?q HTTP/1.1\r\nHost: a.org:8080\r\nX: y\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), expected);
    }

    #[test]
    fn other_heads_are_no_requests() {
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET https://a.org/ HTTP/1.1\r\n\r\n",
            "GET http://u@a.org/ HTTP/1.1\r\n\r\n",
            "GET http://a.org/ HTTP/1.1\r\n Host: b\r\n\r\n",
            "GET http://a.org/ HTTP/1.1\r\nno colon\r\n\r\n",
            "GET http://a.org/ extra HTTP/1.1\r\n\r\n",
            "\x16\x03\x01",
        ] {
            assert_eq!(parse(head.as_bytes()), None, "{head:?}");
        }
        assert_eq!(head_length(b"a\r\n\r\nb"), Some(5));
        assert_eq!(head_length(b"a\r\n"), None);
    }
}
