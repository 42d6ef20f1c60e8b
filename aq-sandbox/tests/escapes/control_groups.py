#!/usr/bin/env python3
# tries: to make a control group, and to move itself out of its own
# refuses: write
# held outside for: users
import os
from escape import control, refused, worked

control()
why = []
top = "/sys/fs/cgroup"
made = os.path.join(top, "escape-made")
try:
    os.mkdir(made)
    os.rmdir(made)
    worked(f"made {made}")
except OSError as problem:
    why.append(f"mkdir: {problem.strerror}")
try:
    os.close(os.open(os.path.join(top, "cgroup.procs"), os.O_WRONLY))
    worked("opened cgroup.procs of the whole machine for writing")
except OSError as problem:
    why.append(f"cgroup.procs: {problem.strerror}")
refused("; ".join(why))
