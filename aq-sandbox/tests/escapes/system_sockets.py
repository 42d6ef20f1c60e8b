#!/usr/bin/env python3
# tries: to reach daemons of the system: docker, podman, dbus, systemd, X11, snap
# refuses: network
# held outside for: root users
import glob
import os
import socket
from escape import control, refused, worked

control()
why = []
paths = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/systemd/journal/stdout",
    "/run/snapd.socket",
]
paths += glob.glob("/tmp/.X11-unix/*") + glob.glob("/tmp/ssh-*/agent.*")
paths += glob.glob("/run/user/*/bus") + glob.glob("/run/user/*/systemd/private")
for path in paths:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    try:
        client.connect(path)
        worked(f"connected to {path}")
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
refused("; ".join(why))
