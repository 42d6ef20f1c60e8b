//! The proxy at work, on sockets that listen in the network of a box.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::hosts::{HostList, is_near};
use super::http::{LONGEST_HEAD, ProxyRequest, head_length, parse};

/// Connections at once of one box; those beyond are closed.
const MOST_CONNECTIONS: usize = 512;

/// Room that a thread of a connection needs at most.
const STACK: usize = 128 << 10;

/// Time for a host to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Time for a client to send the head of its request.
const HEAD_TIME: Duration = Duration::from_secs(60);

/// A decision of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyEvent {
    /// A host was reached, or at least tried.
    Allowed(String),
    /// A host is not on the list, or is this one under another name.
    Refused(String),
}

/// Hears of decisions, on any thread.
type Hearer = Arc<dyn Fn(ProxyEvent) + Send + Sync>;

/// A socket inside a box that is served outside of it.
pub(crate) struct ServedSocket {
    socket: TcpListener,
    thread: JoinHandle<()>,
}

impl ServedSocket {
    /// Serves a listening socket as the proxy.
    pub(crate) fn proxy(socket: OwnedFd, hosts: Arc<HostList>, hearer: Hearer) -> io::Result<Self> {
        Self::start(socket, move |client| serve(client, &hosts, &*hearer))
    }

    /// Joins connections to a socket with a port of this host's loopback.
    pub(crate) fn relay(socket: OwnedFd, port: u16, hearer: Hearer) -> io::Result<Self> {
        Self::start(socket, move |client| {
            hearer(ProxyEvent::Allowed(format!("127.0.0.1:{port}")));
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let server = TcpStream::connect_timeout(&address, CONNECT_TIME)?;
            join(&client, &server)
        })
    }

    fn start(
        socket: OwnedFd,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let socket = TcpListener::from(socket);
        let accepting = socket.try_clone()?;
        let serve = Arc::new(serve);
        let at_work = Arc::new(AtomicUsize::new(0));
        let thread = small_thread(move || {
            while let Ok((client, _)) = accepting.accept() {
                if at_work.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
                    at_work.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let (serve, count) = (Arc::clone(&serve), Arc::clone(&at_work));
                let started = small_thread(move || {
                    // A connection that breaks is the client's affair.
                    let _ = serve(client);
                    count.fetch_sub(1, Ordering::Relaxed);
                });
                if started.is_err() {
                    at_work.fetch_sub(1, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Self { socket, thread })
    }

    /// Accepts no more. Connections end by themselves, as one side of each has ended.
    pub(crate) fn stop(self) {
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        let _ = self.thread.join();
    }
}

fn small_thread(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("proxy".to_owned()).stack_size(STACK).spawn(work)
}

fn serve(
    mut client: TcpStream,
    hosts: &HostList,
    hearer: &(dyn Fn(ProxyEvent) + Send + Sync),
) -> io::Result<()> {
    client.set_read_timeout(Some(HEAD_TIME))?;
    let Some((head, rest)) = read_head(&mut client)? else { return Ok(()) };
    client.set_read_timeout(None)?;
    let Some(request) = parse(&head) else {
        return refuse(&mut client, "400 Bad Request", "no request to a proxy");
    };
    let (host, port) = request.target();
    let name =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    if !hosts.allows(host, port) {
        hearer(ProxyEvent::Refused(name.clone()));
        return refuse(&mut client, "403 Forbidden", &not_allowed(&name));
    }
    let may_be_near = hosts.lists_address(host);
    let found = addresses(host, port).unwrap_or_default();
    if found.is_empty() {
        hearer(ProxyEvent::Allowed(name.clone()));
        return refuse(&mut client, "502 Bad Gateway", &format!("{name} is not found"));
    }
    let far = found.iter().filter(|address| may_be_near || !is_near(address.ip()));
    let mut far = far.peekable();
    if far.peek().is_none() {
        hearer(ProxyEvent::Refused(name.clone()));
        let words = format!("{name} is an address of this host, and has to be listed as such");
        return refuse(&mut client, "403 Forbidden", &words);
    }
    hearer(ProxyEvent::Allowed(name.clone()));
    let server = far.find_map(|address| TcpStream::connect_timeout(address, CONNECT_TIME).ok());
    let Some(mut server) = server else {
        return refuse(&mut client, "502 Bad Gateway", &format!("{name} does not answer"));
    };
    match &request {
        ProxyRequest::Tunnel { .. } => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?,
        ProxyRequest::Plain { head, .. } => server.write_all(head)?,
    }
    server.write_all(&rest)?;
    join(&client, &server)
}

/// The words to a program, and so to an agent, whose host is not on the list.
fn not_allowed(name: &str) -> String {
    format!("{name} is not in `sandbox.allow-hosts`")
}

/// Names are resolved here, outside of the box.
fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::from((address, port))]),
        Err(_) => Ok((host, port).to_socket_addrs()?.collect()),
    }
}

/// Reads until a head is complete. Returns it, and what came after it; `None` when the client left
/// or sent something else.
fn read_head(client: &mut TcpStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = client.read(&mut piece)?;
        if count == 0 || read.len() > LONGEST_HEAD {
            return Ok(None);
        }
        read.extend_from_slice(&piece[..count]);
        if let Some(length) = head_length(&read) {
            let rest = read.split_off(length);
            return Ok(Some((read, rest)));
        }
    }
}

fn refuse(client: &mut TcpStream, status: &str, words: &str) -> io::Result<()> {
    let length = words.len() + 1;
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{words}\n"
    )?;
    client.shutdown(Shutdown::Write)
}

/// Carries bytes both ways until both sides have ended.
fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let there = small_thread(move || carry(&mut from, &mut to))?;
    carry(&mut server.try_clone()?, &mut client.try_clone()?);
    let _ = there.join();
    Ok(())
}

/// Carries bytes one way. Its end is passed to the other side; a side that broke ends both ways.
fn carry(from: &mut TcpStream, to: &mut TcpStream) {
    match io::copy(from, to) {
        Ok(_) => _ = to.shutdown(Shutdown::Write),
        Err(_) => {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Lab {
        served: ServedSocket,
        address: SocketAddr,
        events: Arc<Mutex<Vec<ProxyEvent>>>,
    }

    fn lab(hosts: &[String]) -> Lab {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let hearer: Hearer = Arc::new(move |event| heard.lock().unwrap().push(event));
        let hosts = Arc::new(HostList::parse(hosts).unwrap());
        let served = ServedSocket::proxy(OwnedFd::from(socket), hosts, hearer).unwrap();
        Lab { served, address, events }
    }

    /// A server that answers one connection with what it got, up to the first empty line.
    fn echo() -> (u16, JoinHandle<()>) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let (mut client, _) = socket.accept().unwrap();
            let (head, _) = read_head(&mut client).unwrap().unwrap();
            client.write_all(&head).unwrap();
        });
        (port, thread)
    }

    fn ask(address: SocketAddr, text: &str) -> String {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn tunnels_reach_listed_hosts() {
        let (port, server) = echo();
        let lab = lab(&[format!("127.0.0.1:{port}")]);
        let text = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nhello\r\n\r\n");
        assert_eq!(ask(lab.address, &text), "HTTP/1.1 200 OK\r\n\r\nhello\r\n\r\n");
        server.join().unwrap();
        lab.served.stop();
        let expected = [ProxyEvent::Allowed(format!("127.0.0.1:{port}"))];
        assert_eq!(*lab.events.lock().unwrap(), expected);
    }

    #[test]
    fn plain_requests_reach_listed_hosts() {
        let (port, server) = echo();
        let lab = lab(&[format!("127.0.0.1:{port}")]);
        let text = format!("GET http://127.0.0.1:{port}/x HTTP/1.1\r\nHost: y\r\n\r\n");
        let answer = ask(lab.address, &text);
        assert!(answer.starts_with("GET /x HTTP/1.1\r\nHost: 127.0.0.1"), "{answer}");
        server.join().unwrap();
        lab.served.stop();
    }

    #[test]
    fn other_hosts_are_refused_by_name() {
        let lab = lab(&["api.example.org".to_owned()]);
        for text in [
            "CONNECT other.example.org:443 HTTP/1.1\r\n\r\n",
            "GET http://other.example.org:443/ HTTP/1.1\r\nHost: api.example.org\r\n\r\n",
        ] {
            let answer = ask(lab.address, text);
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
            assert!(answer.contains("other.example.org:443 is not in `sandbox.allow-hosts`"));
        }
        lab.served.stop();
        let refused = ProxyEvent::Refused("other.example.org:443".to_owned());
        assert_eq!(*lab.events.lock().unwrap(), [refused.clone(), refused]);
    }

    #[test]
    fn other_words_get_an_error() {
        let lab = lab(&[]);
        assert!(ask(lab.address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
        lab.served.stop();
    }
}
