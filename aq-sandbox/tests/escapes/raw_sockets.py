#!/usr/bin/env python3
# tries: to make sockets below and beside TCP: raw, packet, ICMP, vsock, bluetooth
# modes: strict
# refuses: network
import socket
from escape import control, refused, worked

control()
why = []
for words, family, kind, protocol in [
    ("raw", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    ("icmp", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    ("packet", socket.AF_PACKET, socket.SOCK_RAW, 0),
    ("vsock", getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM, 0),
    ("bluetooth", getattr(socket, "AF_BLUETOOTH", 31), socket.SOCK_RAW, 1),
    ("xdp", 44, socket.SOCK_RAW, 0),
    ("algorithms", getattr(socket, "AF_ALG", 38), socket.SOCK_SEQPACKET, 0),
]:
    try:
        socket.socket(family, kind, protocol).close()
        worked(f"made a socket of kind {words}")
    except OSError as problem:
        why.append(f"{words}: {problem.strerror}")
refused("; ".join(why))
