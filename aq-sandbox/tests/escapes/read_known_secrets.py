#!/usr/bin/env python3
# tries: to read keys and logins at their usual places below HOME
# refuses: read
import os
from escape import control, fact, is_text_of, refused, worked

control()
why = []
for name in [
    ".ssh/id_ed25519",
    ".aws/credentials",
    ".gnupg/private-keys-v1.d/key",
    ".config/gh/hosts.yml",
    ".local/share/keyrings/login.keyring",
    ".netrc",
    ".config/gcloud/application_default_credentials.json",
]:
    path = os.path.join(fact("HOME"), name)
    try:
        with open(path, "rb") as file:
            if is_text_of(file.read(), "HIDDEN_SHA256"):
                worked(f"read {path}")
            why.append(f"{name}: another content")
    except OSError as problem:
        why.append(f"{name}: {problem.strerror}")
refused("; ".join(why))
