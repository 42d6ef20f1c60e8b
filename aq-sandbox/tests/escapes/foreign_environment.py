#!/usr/bin/env python3
# tries: to read environment, memory and command line of a process outside
# refuses: read
from escape import control, fact, is_text_of, processes, refused, worked

control()
why = []
for process in [int(fact("PID")), 1] + processes():
    for name in ["environ", "cmdline"]:
        path = f"/proc/{process}/{name}"
        try:
            with open(path, "rb") as file:
                if is_text_of(file.read(), "ENV_SHA256"):
                    worked(f"read the secret in {path}")
        except OSError as problem:
            why.append(f"{path}: {problem.strerror}")
refused("; ".join(why[:6]))
