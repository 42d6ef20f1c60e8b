#!/usr/bin/env python3
# tries: to write through symbolic links that it makes in its own checkout
# refuses: write
import os
from escape import append, create, fact, outside_places, try_all

attempts = []
for number, place in enumerate(outside_places()):
    file_link = os.path.join(fact("CHECKOUT"), f"file-link-{number}")
    folder_link = os.path.join(fact("CHECKOUT"), f"folder-link-{number}")
    os.symlink(place + "/victim.txt", file_link)
    os.symlink(place, folder_link)
    attempts += [
        (f"append through a link to a file in {place}", lambda p=file_link: append(p)),
        (f"create through a link to {place}", lambda p=folder_link: create(p + "/linked.txt")),
    ]
try_all(attempts)
