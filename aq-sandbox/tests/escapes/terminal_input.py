#!/usr/bin/env python3
# tries: to type into the terminal of whoever started it
# refuses: signal
# held outside for: root users
import fcntl
import os
import termios
from escape import cannot, control, refused, worked

control()
tried, why = 0, []
for path in ["/dev/tty", "/proc/self/fd/0", "/proc/self/fd/2"]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
        continue
    if not os.isatty(descriptor):
        why.append(f"{path} is no terminal")
        continue
    tried += 1
    try:
        fcntl.ioctl(descriptor, termios.TIOCSTI, b" ")
        worked(f"typed into {path}")
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
if tried == 0:
    cannot("; ".join(why))
refused("; ".join(why))
