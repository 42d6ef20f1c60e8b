#!/usr/bin/env python3
# tries: to make or open devices of the machine: disks, memory, the kernel's own
# refuses: read write
# held outside for: users
import os
import stat
from escape import control, fact, refused, worked

control()
why = []
device = os.stat(fact("CHECKOUT")).st_dev
for name, kind, number in [
    ("disk", stat.S_IFBLK, device),
    ("memory", stat.S_IFCHR, os.makedev(1, 1)),
    ("kmsg", stat.S_IFCHR, os.makedev(1, 11)),
]:
    path = os.path.join(fact("CHECKOUT"), name)
    try:
        os.mknod(path, kind | 0o600, number)
        os.close(os.open(path, os.O_RDONLY))
        worked(f"made the device {name} and opened it")
    except OSError as problem:
        why.append(f"{name}: {problem.strerror}")
found = []
if os.path.isdir("/sys/block"):
    found = ["/dev/" + name for name in os.listdir("/sys/block")]
for path in found + [
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/dev/kmsg",
    "/dev/fuse",
    "/dev/kvm",
    "/proc/kcore",
]:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        worked(f"opened {path}")
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
refused("; ".join(why))
