#!/usr/bin/env python3
# tries: to have something run later by cron, at or systemd
# refuses: persist
# held outside for: users
import os
import shutil
import subprocess
from escape import cannot, control, create, refused, worked

control()
tried, why = 0, []
for words in [
    ["systemd-run", "--user", "--quiet", "true"],
    ["systemd-run", "--quiet", "true"],
    ["at", "now", "+", "1", "hour"],
]:
    if shutil.which(words[0]) is None:
        why.append(f"no {words[0]}")
        continue
    tried += 1
    answer = subprocess.run(words, input=b"true\n", capture_output=True, check=False, timeout=20)
    if answer.returncode == 0:
        worked(" ".join(words))
    why.append(f"{words[0]}: {answer.stderr.decode(errors='replace').strip()}")
for folder in ["/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron", "/etc/profile.d"]:
    if not os.path.isdir(folder):
        continue
    tried += 1
    path = os.path.join(folder, "escape-made")
    try:
        create(path, "# nothing\n")
        os.unlink(path)
        worked(f"made {path}")
    except OSError as problem:
        why.append(f"{folder}: {problem.strerror}")
if tried == 0:
    cannot("; ".join(why))
refused("; ".join(why))
