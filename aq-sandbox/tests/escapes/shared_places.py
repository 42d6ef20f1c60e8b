#!/usr/bin/env python3
# tries: to leave files where other programs of the machine find them
# refuses: persist
import os
from escape import control, create, done, refused

control()
name = f"escape-shared-{os.environ.get('ESCAPE_RUN', 'x')}"
passed, why = [], []
for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", f"/run/user/{os.getuid()}"]:
    try:
        create(os.path.join(folder, name))
        passed.append(folder)
    except OSError as problem:
        why.append(f"{folder}: {problem.strerror}")
if passed:
    done(f"wrote into {', '.join(passed)}")
refused("; ".join(why))
