#!/usr/bin/env python3
# tries: to change modes, times, attributes and lengths of files that are not its own
# refuses: write
import os
from escape import outside_places, try_all

attempts = []
for place in outside_places():
    victim = place + "/victim.txt"
    attempts += [
        (f"chmod {victim}", lambda v=victim: os.chmod(v, 0o777)),
        (f"utime {victim}", lambda v=victim: os.utime(v, (1, 1))),
        (f"setxattr {victim}", lambda v=victim: os.setxattr(v, "user.escaped", b"1")),
        (f"truncate {victim}", lambda v=victim: os.truncate(v, 0)),
        (f"chown {victim}", lambda v=victim: os.chown(v, os.getuid(), os.getgid())),
    ]
try_all(attempts)
