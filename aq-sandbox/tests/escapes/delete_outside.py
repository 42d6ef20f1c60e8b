#!/usr/bin/env python3
# tries: to remove files and directories that are not its own
# refuses: write
import os
from escape import outside_places, try_all

attempts = []
for place in outside_places():
    attempts += [
        (f"unlink in {place}", lambda p=place: os.unlink(p + "/victim.txt")),
        (f"rmdir in {place}", lambda p=place: os.rmdir(p + "/empty")),
    ]
try_all(attempts)
