#!/usr/bin/env python3
# tries: to change and to make network interfaces
# modes: strict
# refuses: network
# held outside for: users
import fcntl
import socket
import struct
from escape import control, refused, worked

control()
why = []
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCGIFMTU, SIOCSIFMTU, TUNSETIFF = 0x8921, 0x8922, 0x400454CA
try:
    # The size that it has already: allowed to whoever may change anything of the network.
    same = fcntl.ioctl(client, SIOCGIFMTU, struct.pack("16si12x", b"lo", 0))
    fcntl.ioctl(client, SIOCSIFMTU, same)
    worked("set the packet size of lo")
except OSError as problem:
    why.append(f"packet size: {problem.strerror}")
try:
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", b"escape0", 2))
        worked("made a tap interface")
except OSError as problem:
    why.append(f"tun: {problem.strerror}")
refused("; ".join(why))
