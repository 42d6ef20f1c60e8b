#!/usr/bin/env python3
# tries: to plant programs and settings that the user's tools run later
# refuses: persist
import os
from escape import create, fact, try_all


def plant(name):
    path = os.path.join(fact("HOME"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    create(path, "#!/bin/sh\ntouch escaped\n")
    os.chmod(path, 0o755)


NAMES = [
    ".gitconfig",
    ".config/git/config",
    ".local/bin/git",
    ".cargo/config.toml",
    ".cargo/bin/cargo",
    ".npmrc",
    ".config/pip/pip.conf",
    ".config/systemd/user/escape.service",
    ".config/autostart/escape.desktop",
    ".config/environment.d/escape.conf",
    ".vimrc",
    ".pythonrc.py",
]
try_all([(name, lambda n=name: plant(n)) for name in NAMES])
