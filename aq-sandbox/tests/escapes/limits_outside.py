#!/usr/bin/env python3
# tries: to change limits, priority and processors of a process outside
# refuses: signal
import os
import resource
from escape import control, fact, refused, worked

control()
process, why = int(fact("PID")), []
for words, attempt in [
    ("prlimit", lambda: resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))),
    ("setpriority", lambda: os.setpriority(os.PRIO_PROCESS, process, 19)),
    ("sched_setaffinity", lambda: os.sched_setaffinity(process, os.sched_getaffinity(0))),
]:
    try:
        attempt()
        worked(words)
    except OSError as problem:
        why.append(f"{words}: {problem.strerror}")
refused("; ".join(why))
