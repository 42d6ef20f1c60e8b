#!/usr/bin/env python3
# tries: to take away what covers hidden files
# refuses: read
import os
from escape import call, control, fact, is_text_of, refused, worked

control()
DETACH = 2
path, why = fact("HIDDEN_FILE"), []
while path != "/":
    try:
        call("umount2", os.fsencode(path), DETACH)
        why.append(f"{path} was unmounted")
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
    path = os.path.dirname(path)
try:
    with open(fact("HIDDEN_FILE"), "rb") as file:
        if is_text_of(file.read(), "HIDDEN_SHA256"):
            worked("read the secret below what covered it")
except OSError as problem:
    why.append(str(problem))
if any("was unmounted" in line for line in why):
    worked("; ".join(why))
refused("; ".join(why))
