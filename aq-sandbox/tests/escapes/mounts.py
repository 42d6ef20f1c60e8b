#!/usr/bin/env python3
# tries: to mount: bind, remount writable, move, a fresh proc, a tmpfs, a detached tree
# refuses: write read
# held outside for: users
import os
from escape import append, call, control, create, fact, outside_places, refused, syscall, worked

control()
BIND, REMOUNT, REC, MOVE = 4096, 32, 16384, 8192
here = os.path.join(fact("CHECKOUT"), "mount-point")
os.makedirs(here, exist_ok=True)
why = []


def attempt(words, function):
    try:
        function()
    except OSError as problem:
        why.append(f"{words}: {problem.strerror}")
        return False
    return True


def mount(source, target, kind, flags, data=b""):
    call("mount", os.fsencode(source), os.fsencode(target), kind, flags, data)


for place in outside_places():
    if attempt(f"bind {place}", lambda: mount(place, here, b"none", BIND | REC)):
        worked(f"bound {place} to its checkout")
    if attempt(f"remount {place}", lambda: mount("none", place, b"none", REMOUNT | BIND)):
        worked(f"remounted {place}")
if attempt("remount /", lambda: mount("none", "/", b"none", REMOUNT | BIND)):
    worked("remounted / writable")
if attempt("proc", lambda: mount("proc", here, b"proc", 0)):
    worked("mounted a proc")
if attempt("tmpfs", lambda: mount("tmpfs", here, b"tmpfs", 0)):
    worked("mounted a tmpfs")
if attempt("move", lambda: mount("/proc", here, b"none", MOVE)):
    worked("moved /proc")
if attempt(
    "open_tree", lambda: syscall("open_tree", -100, os.fsencode(fact("OUTSIDE")), 1 | 0o2000000)
):
    worked("cloned a mount as a detached tree")
refused("; ".join(why))
