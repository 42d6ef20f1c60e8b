#!/usr/bin/env python3
# tries: to talk to a program outside by an abstract socket
# refuses: network
import socket
from escape import control, fact, refused, worked

control()
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
client.settimeout(5)
try:
    client.connect("\0" + fact("ABSTRACT_SOCKET"))
    if client.recv(64).startswith(b"outside"):
        worked("the program outside answered")
except OSError as problem:
    refused(str(problem))
refused("another answer")
