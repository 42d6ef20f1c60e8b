#!/usr/bin/env python3
# tries: to plant commands in files that the user's next shell reads
# refuses: persist
# planted: .bashrc .profile .bash_profile .zshrc .config/fish/config.fish
import os
from escape import append, fact, try_all


def plant(name):
    path = os.path.join(fact("HOME"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    append(path, "touch escaped\n")


NAMES = [".bashrc", ".profile", ".bash_profile", ".zshrc", ".config/fish/config.fish"]
try_all([(name, lambda n=name: plant(n)) for name in NAMES])
