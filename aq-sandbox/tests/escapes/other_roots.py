#!/usr/bin/env python3
# tries: to reach outside through /proc/PID/root and /proc/PID/cwd of every process it sees
# refuses: write read
import os
from escape import append, fact, is_text_of, outside_places, processes, try_all, worked

attempts = []
for process in processes() + [int(fact("PID")), 1]:
    root = f"/proc/{process}/root"
    try:
        with open(root + fact("HIDDEN_FILE"), "rb") as file:
            if is_text_of(file.read(), "HIDDEN_SHA256"):
                worked(f"read the secret through {root}")
    except OSError:
        pass
    for place in outside_places():
        path = f"{root}{place}/victim.txt"
        attempts.append((f"append to {path}", lambda p=path: append(p)))
    attempts.append(
        (
            f"create in cwd of {process}",
            lambda p=process: append(f"/proc/{p}/cwd/../outside/by-cwd.txt"),
        )
    )
try_all(attempts)
