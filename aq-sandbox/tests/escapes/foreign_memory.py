#!/usr/bin/env python3
# tries: to read memory of a process outside: by /proc/PID/mem and by process_vm_readv
# refuses: read
import ctypes
from escape import control, fact, refused, syscall, worked

control()
process, why = int(fact("PID")), []


class Span(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]


try:
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        memory.seek(int(maps.readline().split("-")[0], 16))
        memory.read(16)
    worked("read /proc/PID/mem")
except OSError as problem:
    why.append(f"mem: {problem.strerror}")
buffer = ctypes.create_string_buffer(16)
mine = Span(ctypes.addressof(buffer), 16)
start = int(fact("PID_ADDRESS"))
theirs = Span(start, 16)
try:
    syscall("process_vm_readv", process, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    worked("read by process_vm_readv")
except OSError as problem:
    why.append(f"process_vm_readv: {problem.strerror}")
refused("; ".join(why))
