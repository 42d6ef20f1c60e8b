#!/usr/bin/env python3
# tries: to read a hidden file by its path, by links, and by /proc/self/root
# refuses: read
import os
from escape import control, fact, is_text_of, refused, worked

control()
secret = fact("HIDDEN_FILE")
link = os.path.join(fact("CHECKOUT"), "secret-link")
second = os.path.join(fact("CHECKOUT"), "secret-second")
os.symlink(secret, link)
why = []
try:
    os.link(secret, second)
except OSError as problem:
    why.append(f"hard link: {problem.strerror}")
for path in [secret, link, second, "/proc/self/root" + secret, "/proc/thread-self/root" + secret]:
    try:
        with open(path, "rb") as file:
            if is_text_of(file.read(), "HIDDEN_SHA256"):
                worked(f"read {path}")
            why.append(f"{path}: another content")
    except OSError as problem:
        why.append(f"{path}: {problem.strerror}")
refused("; ".join(why))
