#!/usr/bin/env python3
# tries: to reach a service on the host's loopback, and on the host's other addresses
# modes: strict
# refuses: network
import socket
from escape import control, fact, refused, worked

control()
why = []
for address in fact("TCP").split():
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if b"outside" in client.recv(4096):
                worked(f"the service at {address} answered")
            why.append(f"{address}: another answer")
    except OSError as problem:
        why.append(f"{address}: {problem}")
refused("; ".join(why))
