#!/usr/bin/env python3
# tries: to reach hosts that are not on the list by the proxy that it was given, in many spellings
# modes: strict
# refuses: network
# held outside for: root users
import os
import socket
from urllib.parse import urlsplit
from escape import cannot, control, fact, refused, worked

control()
proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
if not proxy:
    cannot("no proxy is set")
where = urlsplit(proxy)
port = fact("TCP").split()[0].rsplit(":", 1)[1]
hosts = [address.rsplit(":", 1)[0] for address in fact("TCP").split()]
hosts += ["localhost", "127.1", "0.0.0.0", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
allowed = os.environ.get("ESCAPE_ALLOWED_HOST", "allowed.test")
requests = []
for host in hosts:
    requests.append(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")
    requests.append(f"GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")
    requests.append(f"GET http://{host}:{port}/ HTTP/1.1\r\nHost: {allowed}\r\n\r\n")
    requests.append(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {allowed}:443\r\n\r\n")
    requests.append(f"GET http://{allowed}@{host}:{port}/ HTTP/1.1\r\nHost: {allowed}\r\n\r\n")
    requests.append(f"CONNECT {allowed}@{host}:{port} HTTP/1.1\r\nHost: {allowed}\r\n\r\n")
answers = []
for request in requests:
    line = request.split("\r\n")[0]
    try:
        with socket.create_connection((where.hostname, where.port), timeout=5) as client:
            client.sendall(request.encode())
            answer = client.recv(4096)
            if request.startswith("CONNECT") and answer.split(b" ")[1:2] == [b"200"]:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while piece := client.recv(4096):
                answer += piece
    except OSError as problem:
        answers.append(f"{line}: {problem}")
        continue
    if b"outside" in answer:
        worked(f"`{line}` was answered by the service outside")
    answers.append(
        f"{line}: {answer.splitlines()[0].decode(errors='replace') if answer else 'closed'}"
    )
refused("; ".join(answers[:4]) + f"; {len(answers)} in all")
