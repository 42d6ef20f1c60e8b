#!/usr/bin/env python3
# tries: to move, make and delete branches of the user's repository, and to push to it
# refuses: write
import subprocess
from escape import create, fact, try_all

repository = fact("REPOSITORY")


def git(*words):
    answer = subprocess.run(["git", *words], capture_output=True, check=False)
    if answer.returncode != 0:
        raise OSError(1, answer.stderr.decode(errors="replace"))


try_all(
    [
        ("make a branch", lambda: git("-C", repository, "branch", "escaped")),
        ("move a branch", lambda: git("-C", repository, "update-ref", "refs/heads/main", "HEAD~0")),
        ("delete a branch", lambda: git("-C", repository, "branch", "-D", "other")),
        ("by its file", lambda: create(repository + "/.git/refs/heads/escaped", "0" * 40 + "\n")),
        (
            "push",
            lambda: git("-C", fact("CHECKOUT"), "push", repository, "HEAD:refs/heads/escaped"),
        ),
        ("write an object", lambda: git("-C", repository, "commit-tree", "-m", "x", "HEAD^{tree}")),
        ("work tree", lambda: create(repository + "/escaped.txt")),
    ]
)
