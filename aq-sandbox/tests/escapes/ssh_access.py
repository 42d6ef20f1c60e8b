#!/usr/bin/env python3
# tries: to let a key of its own in, and to change how the user connects
# refuses: persist
import os
from escape import append, fact, try_all


def plant(name):
    append(os.path.join(fact("HOME"), ".ssh", name), "escaped\n")


try_all([(name, lambda n=name: plant(n)) for name in ["authorized_keys", "config", "known_hosts"]])
