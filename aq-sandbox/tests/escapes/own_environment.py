#!/usr/bin/env python3
# tries: to find variables that look like secrets in its own environment
# refuses: read
import os
from escape import control, is_text_of, refused, worked

control()
for name, value in os.environ.items():
    if is_text_of(value, "ENV_SHA256"):
        worked(f"the secret is in {name}")
if os.environ.get("SSH_AUTH_SOCK"):
    worked("SSH_AUTH_SOCK is set")
refused("no variable has the secret")
