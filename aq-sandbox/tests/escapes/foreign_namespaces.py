#!/usr/bin/env python3
# tries: to enter namespaces of processes outside
# refuses: write read network
# held outside for: users
import os
from escape import control, fact, processes, refused, syscall, worked

control()
why = []
for process in [int(fact("PID")), 1] + processes():
    for kind in ["user", "mnt", "net", "pid", "ipc"]:
        path = f"/proc/{process}/ns/{kind}"
        try:
            if os.readlink(path) == os.readlink(f"/proc/self/ns/{kind}"):
                continue
            descriptor = os.open(path, os.O_RDONLY)
            syscall("setns", descriptor, 0)
            worked(f"entered {path}")
        except OSError as problem:
            why.append(f"{path}: {problem.strerror}")
refused("; ".join(why[:6]))
