#!/usr/bin/env python3
# tries: to reach the directories behind its layers by the paths that mountinfo names
# refuses: write
# held outside for: root users
import os
import re
from escape import control, create, done, refused

control()
with open("/proc/self/mountinfo") as file:
    text = file.read()
folders = set()
for name in ["upperdir", "lowerdir", "workdir"]:
    for value in re.findall(name + r"=([^,\s]+)", text):
        folders.update(value.split(":"))
passed, why = [], []
for folder in sorted(folders):
    try:
        create(os.path.join(folder, "escape-in-layer"))
        passed.append(folder)
    except OSError as problem:
        why.append(f"{folder}: {problem.strerror}")
if passed:
    done(f"wrote into {', '.join(passed)}")
refused("; ".join(why) or "no layer is named")
