#!/usr/bin/env python3
# tries: to leave by chroot with a directory kept open, and by pivot_root
# refuses: write read
# held outside for: users
import os
from escape import control, fact, is_text_of, refused, syscall, worked

control()
why = []
below = os.path.join(fact("CHECKOUT"), "below")
os.makedirs(below, exist_ok=True)
try:
    syscall("pivot_root", os.fsencode(fact("CHECKOUT")), os.fsencode(below))
    worked("changed the root by pivot_root")
except OSError as problem:
    why.append(f"pivot_root: {problem.strerror}")
top = os.open("/", os.O_RDONLY)
try:
    os.chroot(below)
except OSError as problem:
    refused("; ".join(why + [f"chroot: {problem.strerror}"]))
os.fchdir(top)
for _ in range(40):
    os.chdir("..")
os.chroot(".")
try:
    with open(fact("HIDDEN_FILE"), "rb") as file:
        if is_text_of(file.read(), "HIDDEN_SHA256"):
            worked("read the secret after chroot")
except OSError as problem:
    why.append(problem.strerror)
refused("; ".join(why))
