#!/usr/bin/env python3
# tries: to resolve a name by the system's resolver and by its own queries
# modes: strict
# refuses: network
# held outside for: root users
import re
import socket
import struct
from escape import control, refused, worked

control()
why = []
try:
    found = socket.getaddrinfo("example.com", 443)
    worked(f"resolved example.com: {found[0][4][0]}")
except OSError as problem:
    why.append(f"getaddrinfo: {problem}")
query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0)
query += b"\x07example\x03com\x00" + struct.pack(">HH", 1, 1)
servers = ["127.0.0.53"]
try:
    with open("/etc/resolv.conf") as file:
        servers += re.findall(r"^nameserver\s+(\S+)", file.read(), re.M)
except OSError as problem:
    why.append(f"resolv.conf: {problem.strerror}")
for server in servers:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(1)
    try:
        client.sendto(query, (server, 53))
        client.recv(512)
        worked(f"{server} answered")
    except OSError as problem:
        why.append(f"{server}: {problem}")
refused("; ".join(why))
