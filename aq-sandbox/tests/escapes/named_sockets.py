#!/usr/bin/env python3
# tries: to talk to programs outside by sockets at a path: in /tmp, and of the session
# refuses: network
import socket
from escape import control, fact, refused, worked

control()
why = []
for path in [fact("UNIX_SOCKET"), fact("AGENT_SOCKET")]:
    for kind in [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]:
        client = socket.socket(socket.AF_UNIX, kind)
        client.settimeout(5)
        try:
            client.connect(path)
            if client.recv(64).startswith(b"outside"):
                worked(f"the program behind {path} answered")
        except OSError as problem:
            why.append(f"{path}: {problem}")
refused("; ".join(why))
