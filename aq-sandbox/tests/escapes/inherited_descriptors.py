#!/usr/bin/env python3
# tries: to use descriptors that its parents left open, and to climb up from directories
# refuses: write read
# held outside for: root users
import os
from escape import control, fact, is_text_of, refused, worked

control()
seen = []
for name in os.listdir("/proc/self/fd"):
    number = int(name)
    if number <= 2:
        continue
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue  # the one of listdir itself
    seen.append(target)
    for climb in range(12):
        up = "../" * climb
        try:
            descriptor = os.open(up + fact("HIDDEN_FILE").lstrip("/"), os.O_RDONLY, dir_fd=number)
            if is_text_of(os.read(descriptor, 4096), "HIDDEN_SHA256"):
                worked(f"read the secret from descriptor {number} ({target})")
            os.close(descriptor)
        except (OSError, ValueError):
            continue
refused(f"{len(seen)} descriptors: {', '.join(seen)}")
