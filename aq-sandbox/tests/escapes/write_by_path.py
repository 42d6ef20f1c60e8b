#!/usr/bin/env python3
# tries: to write, create and append by absolute and relative paths
# refuses: write
import os
from escape import append, create, fact, outside_places, try_all

attempts = []
for place in outside_places():
    relative = os.path.relpath(place, fact("CHECKOUT"))
    attempts += [
        (f"append to {place}/victim.txt", lambda p=place: append(p + "/victim.txt")),
        (f"create in {place}", lambda p=place: create(p + "/created.txt")),
        (f"make a directory in {place}", lambda p=place: os.mkdir(p + "/made")),
        (f"append by {relative}", lambda p=relative: append(p + "/victim.txt")),
    ]
try_all(attempts)
