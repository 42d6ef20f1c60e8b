#!/usr/bin/env python3
# tries: to send signals to processes outside, by number, by group and by pidfd
# refuses: signal
import os
import signal
from escape import control, fact, refused, syscall, worked

control()
process, why = int(fact("PID")), []
for words, attempt in [
    ("kill", lambda: os.kill(process, signal.SIGCONT)),
    ("kill of the group", lambda: os.killpg(process, signal.SIGCONT)),
    ("parent", lambda: os.getppid() > 0 and os.kill(int(fact("HARNESS_PID")), signal.SIGCONT)),
]:
    try:
        attempt()
        worked(words)
    except OSError as problem:
        why.append(f"{words}: {problem.strerror}")
try:
    descriptor = syscall("pidfd_open", process, 0)
    syscall("pidfd_send_signal", descriptor, int(signal.SIGCONT), None, 0)
    worked("pidfd_send_signal")
except OSError as problem:
    why.append(f"pidfd: {problem.strerror}")
try:
    descriptor = syscall("pidfd_open", process, 0)
    syscall("pidfd_getfd", descriptor, 0, 0)
    worked("pidfd_getfd took a descriptor of a process outside")
except OSError as problem:
    why.append(f"pidfd_getfd: {problem.strerror}")
refused("; ".join(why))
