#!/usr/bin/env python3
# tries: to read and change the queue, and the checkout of another job
# refuses: read write
import os
from escape import append, control, fact, is_text_of, refused, worked

control()
why = []
for folder in [fact("QUEUE"), fact("OTHER_CHECKOUT")]:
    for name in ["victim.txt", "inbox/job.md", ".state/secret"]:
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                if is_text_of(file.read(), "HIDDEN_SHA256"):
                    worked(f"read {path}")
        except OSError as problem:
            why.append(f"{path}: {problem.strerror}")
        try:
            append(path)
            worked(f"appended to {path}")
        except OSError as problem:
            why.append(f"{path}: {problem.strerror}")
refused("; ".join(why))
