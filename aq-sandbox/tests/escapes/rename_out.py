#!/usr/bin/env python3
# tries: to move a file of its own out, over a victim, and to exchange the two
# refuses: write
import os
from escape import create, fact, outside_places, try_all

attempts = []
for number, place in enumerate(outside_places()):
    own = os.path.join(fact("CHECKOUT"), f"own-{number}")
    create(own)
    attempts += [
        (f"rename into {place}", lambda o=own, p=place: os.rename(o, p + "/renamed.txt")),
        (f"rename over a file of {place}", lambda o=own, p=place: os.rename(o, p + "/victim.txt")),
        (f"rename in {place}", lambda p=place: os.rename(p + "/victim.txt", p + "/moved.txt")),
    ]
try_all(attempts)
