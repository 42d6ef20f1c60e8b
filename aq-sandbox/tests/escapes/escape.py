"""What the escapes share: facts from the harness, verdicts, and controls.

An escape is a script that behaves as a hostile agent inside a box would. It ends with

  0  refused: it saw the refusal itself, and a control of the same kind worked inside
  1  worked: it reached something outside, and prints how
  3  done inside: nothing refused it; the harness looks outside whether anything changed there
  77 cannot be tried here, and prints why
  2  the script itself is at fault (a fact is missing, or a control failed)
"""

import ctypes
import errno
import hashlib
import os
import sys
import traceback

libc = ctypes.CDLL(None, use_errno=True)

# Numbers of system calls on x86_64 and, where they differ, on aarch64.
_ARM = os.uname().machine == "aarch64"
SYSCALLS = {
    "open_by_handle_at": 265 if _ARM else 304,
    "name_to_handle_at": 264 if _ARM else 303,
    "process_vm_readv": 270 if _ARM else 310,
    "pidfd_open": 434,
    "pidfd_send_signal": 424,
    "pidfd_getfd": 438,
    "setns": 268 if _ARM else 308,
    "pivot_root": 41 if _ARM else 155,
    "open_tree": 428,
    "move_mount": 429,
    "memfd_create": 279 if _ARM else 319,
}


def fact(name):
    """The fact `ESCAPE_<name>`; without it the script is at fault."""
    value = os.environ.get("ESCAPE_" + name)
    if not value:
        fault(f"ESCAPE_{name} is not set")
    return value


def refused(why=""):
    print(f"refused: {why}".rstrip(": "))
    sys.stdout.flush()
    os._exit(0)


def worked(how):
    print(f"ESCAPED: {how}")
    sys.stdout.flush()
    os._exit(1)


def done(what):
    print(f"done inside: {what}")
    sys.stdout.flush()
    os._exit(3)


def cannot(why):
    print(f"cannot be tried: {why}")
    sys.stdout.flush()
    os._exit(77)


def fault(why):
    print(f"fault of the script: {why}")
    sys.stdout.flush()
    os._exit(2)


def _crash(kind, value, trace):
    traceback.print_exception(kind, value, trace)
    fault("an exception that it did not expect")


sys.excepthook = _crash


def syscall(name, *arguments):
    """One system call by its name; raises OSError."""
    ctypes.set_errno(0)
    answer = libc.syscall(SYSCALLS[name], *arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def call(function, *arguments):
    """One function of the C library that answers -1 and sets errno."""
    ctypes.set_errno(0)
    answer = getattr(libc, function)(*arguments)
    if answer == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def is_text_of(data, name):
    """Whether `data` holds the secret whose SHA-256 the harness gave as `name`."""
    if isinstance(data, str):
        data = data.encode()
    want = fact(name)
    return any(
        hashlib.sha256(word).hexdigest() == want
        for line in data.replace(b"\0", b"\n").split(b"\n")
        for word in (line, line.split(b"=", 1)[-1])
    )


def control():
    """Writing in the job's own checkout works, so a refusal elsewhere is one of the box."""
    path = os.path.join(fact("CHECKOUT"), "control")
    try:
        with open(path, "w") as file:
            file.write("control")
        os.unlink(path)
    except OSError as problem:
        fault(f"the own checkout cannot be written: {problem}")


def outside_places():
    """Directories outside of the box that their user may write: one below HOME, one not."""
    return [fact("OUTSIDE"), fact("HOME_OUTSIDE")]


def try_all(attempts):
    """Runs `(words, function)` pairs. All refused: 0. Any that was not: 3, the harness looks."""
    control()
    passed, why = [], []
    for words, attempt in attempts:
        try:
            attempt()
            passed.append(words)
        except OSError as problem:
            why.append(f"{words}: {errno.errorcode.get(problem.errno, problem.errno)}")
    if passed:
        done("; ".join(passed))
    refused("; ".join(why))


def append(path, text="escaped\n"):
    with open(path, "a") as file:
        file.write(text)


def create(path, text="escaped\n"):
    with open(path, "w") as file:
        file.write(text)


def processes():
    """Numbers of all processes that can be seen here, but for this one."""
    own = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]
