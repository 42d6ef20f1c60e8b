#!/usr/bin/env python3
# tries: to reach shared memory of a program outside, and to leave some of its own
# refuses: read persist
import ctypes
from escape import call, control, done, fact, is_text_of, libc, refused, worked

control()
CREATE = 0o1000
key = int(fact("SHARED_MEMORY"))
libc.shmat.restype = ctypes.c_void_p
try:
    number = call("shmget", key, 0, 0)
    address = libc.shmat(number, None, 0o10000)
    if address not in (None, ctypes.c_void_p(-1).value):
        if is_text_of(ctypes.string_at(address), "ENV_SHA256"):
            worked("read the segment of the program outside")
except OSError as problem:
    why = problem.strerror
else:
    why = "another content"
try:
    call("shmget", key + 1, 4096, CREATE | 0o666)
    done("made a segment of its own")
except OSError as problem:
    refused(f"{why}; own: {problem.strerror}")
