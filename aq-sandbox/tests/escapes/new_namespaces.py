#!/usr/bin/env python3
# tries: to become root in a user namespace of its own, and to mount from there
# refuses: write read
import os
from escape import append, call, control, fact, is_text_of, outside_places, refused, worked

control()
NEWUSER, NEWNS = 0x10000000, 0x00020000
uid, gid = os.getuid(), os.getgid()
try:
    call("unshare", NEWUSER | NEWNS)
except OSError as problem:
    refused(f"unshare: {problem.strerror}")
why = []
try:
    for name, text in [("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")]:
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
except OSError as problem:
    why.append(f"{name}: {problem.strerror}")
path = fact("HIDDEN_FILE")
while path != "/":
    try:
        call("umount2", os.fsencode(path), 2)
    except OSError as problem:
        why.append(f"umount {path}: {problem.strerror}")
    path = os.path.dirname(path)
try:
    with open(fact("HIDDEN_FILE"), "rb") as file:
        if is_text_of(file.read(), "HIDDEN_SHA256"):
            worked("read the secret from a new user namespace")
except OSError as problem:
    why.append(problem.strerror)
for place in outside_places():
    try:
        call("mount", b"none", os.fsencode(place), b"none", 32 | 4096, b"")
        append(place + "/victim.txt")
        worked(f"remounted {place} from a new user namespace")
    except OSError as problem:
        why.append(f"{place}: {problem.strerror}")
refused("; ".join(why))
