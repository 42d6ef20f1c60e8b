#!/usr/bin/env python3
# tries: to open settings of the kernel for writing; it writes nothing to them
# refuses: write
# held outside for: users
import os
from escape import control, refused, worked

control()
why = []
for path in [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/power/state",
    "/sys/kernel/debug/sleep_time",
]:
    try:
        os.close(os.open(path, os.O_WRONLY))
        worked(f"opened {path} for writing")
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
refused("; ".join(why))
