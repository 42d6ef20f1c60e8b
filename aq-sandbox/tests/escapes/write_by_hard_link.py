#!/usr/bin/env python3
# tries: to give an outside file a second name in its checkout, and to write by that
# refuses: write
import os
from escape import append, fact, outside_places, try_all


def attempt(place, number):
    name = os.path.join(fact("CHECKOUT"), f"second-name-{number}")
    os.link(place + "/victim.txt", name)
    append(name)


try_all(
    [
        (f"hard link into {p}", lambda p=p, n=n: attempt(p, n))
        for n, p in enumerate(outside_places())
    ]
)
