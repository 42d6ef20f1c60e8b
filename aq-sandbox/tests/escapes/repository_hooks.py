#!/usr/bin/env python3
# tries: to plant hooks and settings in the user's repository, which would run outside
# refuses: write
import os
import subprocess
from escape import append, create, fact, try_all

git = os.path.join(fact("REPOSITORY"), ".git")


def command(*words):
    answer = subprocess.run(
        ["git", "-C", fact("REPOSITORY"), *words], capture_output=True, check=False
    )
    if answer.returncode != 0:
        raise OSError(1, answer.stderr.decode(errors="replace"))


try_all(
    [
        ("hook", lambda: create(git + "/hooks/post-checkout", "#!/bin/sh\ntouch escaped\n")),
        ("config", lambda: append(git + "/config", "[core]\n\tfsmonitor = touch escaped\n")),
        ("git config", lambda: command("config", "core.hooksPath", "/tmp/escape-hooks")),
        ("attributes", lambda: create(git + "/info/attributes", "* filter=escape\n")),
        ("alternates", lambda: create(git + "/objects/info/alternates", "/tmp\n")),
    ]
)
