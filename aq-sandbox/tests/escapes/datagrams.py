#!/usr/bin/env python3
# tries: to send datagrams to the host, as a resolver would
# modes: strict
# refuses: network
import socket
from escape import control, fact, refused, worked

control()
why = []
for address in fact("UDP").split():
    host, port = address.rsplit(":", 1)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(1)
    try:
        client.sendto(b"escaped", (host, int(port)))
        if client.recv(64).startswith(b"outside"):
            worked(f"the service at {address} answered")
        why.append(f"{address}: another answer")
    except OSError as problem:
        why.append(f"{address}: {problem}")
refused("; ".join(why))
