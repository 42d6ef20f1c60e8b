#!/usr/bin/env python3
# tries: to attach to processes outside as a debugger does
# refuses: signal
import os
from escape import call, control, fact, refused, worked

control()
ATTACH, SEIZE = 16, 0x4206
why = []
for process in [int(fact("PID")), int(fact("HARNESS_PID"))]:
    for request in [SEIZE, ATTACH]:
        try:
            call("ptrace", request, process, 0, 0)
        except OSError as problem:
            why.append(f"{process}: {problem.strerror}")
            continue
        worked(f"attached to {process}")  # the end of this process detaches
refused("; ".join(why[:4]))
