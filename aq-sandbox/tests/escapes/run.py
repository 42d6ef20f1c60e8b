#!/usr/bin/env python3
"""Runs the escapes, each in a world of its own, and looks outside whether anything changed.

    run.py                              without a box: each must work, or its header says why not
    run.py --mode strict -- BOX...      in a box; `{checkout}`, `{repository}`, `{queue}`,
                                        `{other}`, `{home}` in its words are that world's places

Prints a line for each script and ends with 1 when one escaped, or is at fault.
"""

import argparse
import ctypes
import hashlib
import os
import pathlib
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SELF = {"run.py", "escape.py"}
LIBC = ctypes.CDLL(None, use_errno=True)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def header(script, key):
    """The words behind `# <key>:` at the top of a script."""
    for line in script.read_text().splitlines()[:12]:
        if line.startswith(f"# {key}:"):
            return line.split(":", 1)[1].split()
    return []


class Outside:
    """What is outside for the whole run: services, a process, shared memory."""

    def __init__(self, base):
        self.hidden, self.env = secrets.token_hex(16), secrets.token_hex(16)
        self.stopped = False
        self.port = self.serve_tcp()
        self.udp = self.serve_udp()
        self.run = secrets.token_hex(6)
        self.abstract = f"escape-{self.run}"
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="escape-sockets-", dir="/tmp"))
        self.runtime = pathlib.Path(tempfile.mkdtemp(prefix="escape-runtime-", dir="/tmp"))
        for address in [
            "\0" + self.abstract,
            str(self.sockets / "service.sock"),
            str(self.runtime / "agent.sock"),
        ]:
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.bind(address)
            self.answer(server, lambda client: client.sendall(b"outside\n"))
        code = (
            "import ctypes, os, time; b = ctypes.create_string_buffer(b'x' * 64);"
            "print(ctypes.addressof(b), flush=True); time.sleep(3600)"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={"ESCAPE_ENVIRONMENT": self.env, "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.address = int(self.process.stdout.readline())
        self.segment = int(self.run[:7], 16)
        number = LIBC.shmget(self.segment, 4096, 0o1600)
        LIBC.shmat.restype = ctypes.c_void_p
        ctypes.memmove(LIBC.shmat(number, None, 0), self.env.encode() + b"\0", len(self.env) + 1)
        self.base = base

    def answer(self, server, reply):
        server.listen(64)

        def loop():
            while not self.stopped:
                client, _ = server.accept()
                try:
                    reply(client)
                except OSError:
                    pass
                client.close()

        threading.Thread(target=loop, daemon=True).start()

    def serve_tcp(self):
        server = socket.socket()
        server.bind(("0.0.0.0", 0))

        def reply(client):
            client.settimeout(5)
            client.recv(65536)
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\noutside\n")

        self.answer(server, reply)
        return server.getsockname()[1]

    def serve_udp(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 0))

        def loop():
            while not self.stopped:
                _, sender = server.recvfrom(65536)
                server.sendto(b"outside\n", sender)

        threading.Thread(target=loop, daemon=True).start()
        return server.getsockname()[1]

    def addresses(self, port):
        """Loopback, and the host's address where it has another one."""
        found = [f"127.0.0.1:{port}"]
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            probe.connect(("192.0.2.1", 9))
            found.append(f"{probe.getsockname()[0]}:{port}")
        except OSError:
            pass
        return " ".join(found)

    def end(self):
        self.stopped = True
        self.process.kill()
        for segment in [self.segment, self.segment + 1]:
            number = LIBC.shmget(segment, 0, 0)
            if number >= 0:
                LIBC.shmctl(number, 0, None)
        shutil.rmtree(self.sockets)
        shutil.rmtree(self.runtime)


class World:
    """The places of one escape, made anew for each."""

    def __init__(self, outside, name):
        self.outside = outside
        self.top = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=outside.base))
        self.home = self.top / "home"
        self.places = {
            "checkout": self.top / "work" / "job" / "project",
            "other": self.top / "work" / "other" / "project",
            "repository": self.home / "project",
            "queue": self.top / "queue",
            "home": self.home,
            "outside": self.top / "outside",
            "home_outside": self.home / "elsewhere",
        }
        for path in self.places.values():
            path.mkdir(parents=True, exist_ok=True)
        for key in ["other", "outside", "home_outside", "queue"]:
            self.fill(self.places[key])
        for name in [
            ".ssh/id_ed25519",
            ".aws/credentials",
            ".gnupg/private-keys-v1.d/key",
            ".config/gh/hosts.yml",
            ".local/share/keyrings/login.keyring",
            ".netrc",
            ".config/gcloud/application_default_credentials.json",
        ]:
            self.write(self.home / name, outside.hidden + "\n")
        self.write(self.places["queue"] / "inbox" / "job.md", "victim\n")
        self.write(self.places["queue"] / ".state" / "secret", outside.hidden + "\n")
        self.write(self.places["other"] / "victim.txt", outside.hidden + "\n")
        self.write(self.home / ".claude" / "settings.json", "{}\n")
        self.write(self.home / ".codex" / "config.toml", "\n")
        self.write(self.home / ".bashrc", "# the user's\n")
        self.git("init", "-q", "-b", "main", str(self.places["repository"]))
        self.git("-C", self.places["repository"], "commit", "-q", "--allow-empty", "-m", "first")
        self.git("-C", self.places["repository"], "branch", "other")
        shutil.rmtree(self.places["checkout"])
        self.git("clone", "-q", "--shared", self.places["repository"], self.places["checkout"])
        self.before = self.look()

    def fill(self, folder):
        self.write(folder / "victim.txt", "victim\n")
        (folder / "empty").mkdir()

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *words):
        plain = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "aq",
            "GIT_AUTHOR_EMAIL": "aq@localhost",
            "GIT_COMMITTER_NAME": "aq",
            "GIT_COMMITTER_EMAIL": "aq@localhost",
        }
        subprocess.run(["git", *map(str, words)], check=True, env=plain, capture_output=True)

    def facts(self):
        outside = self.outside
        named = {
            "CHECKOUT": self.places["checkout"],
            "OTHER_CHECKOUT": self.places["other"],
            "REPOSITORY": self.places["repository"],
            "QUEUE": self.places["queue"],
            "HOME": self.home,
            "OUTSIDE": self.places["outside"],
            "HOME_OUTSIDE": self.places["home_outside"],
            "HIDDEN_FILE": self.home / ".ssh" / "id_ed25519",
            "HIDDEN_SHA256": sha256(outside.hidden),
            "ENV_SHA256": sha256(outside.env),
            "PID": outside.process.pid,
            "PID_ADDRESS": outside.address,
            "HARNESS_PID": os.getpid(),
            "ABSTRACT_SOCKET": outside.abstract,
            "UNIX_SOCKET": outside.sockets / "service.sock",
            "AGENT_SOCKET": outside.runtime / "agent.sock",
            "TCP": outside.addresses(outside.port),
            "UDP": outside.addresses(outside.udp),
            "SHARED_MEMORY": outside.segment,
            "MARKER": f"escape-marker-{outside.run}",
            "RUN": outside.run,
        }
        return {f"ESCAPE_{key}": str(value) for key, value in named.items()}

    def environment(self):
        return {
            **self.facts(),
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_RUNTIME_DIR": str(self.outside.runtime),
            "SSH_AUTH_SOCK": str(self.outside.runtime / "agent.sock"),
            "GITHUB_TOKEN": self.outside.env,
            "DATABASE_PASSWORD": self.outside.env,
            "AWS_SECRET_ACCESS_KEY": self.outside.env,
        }

    def look(self):
        """All files outside of the checkout: mode, time, attributes, content."""
        found = {}
        for folder, directories, files in os.walk(self.top):
            if pathlib.Path(folder) == self.places["checkout"].parent:
                directories.clear()
            for name in directories + files:
                path = pathlib.Path(folder, name)
                status = path.lstat()
                content = None
                if stat.S_ISREG(status.st_mode):
                    content = (path.read_bytes(), status.st_mtime_ns, status.st_nlink)
                elif stat.S_ISLNK(status.st_mode):
                    content = os.readlink(path)
                names = os.listxattr(path, follow_symlinks=False)
                found[path] = (status.st_mode, status.st_uid, content, names)
        for folder in [
            "/tmp",
            "/var/tmp",
            "/dev/shm",
            "/run",
            "/run/lock",
            f"/run/user/{os.getuid()}",
        ]:
            path = pathlib.Path(folder, f"escape-shared-{self.outside.run}")
            if path.exists():
                found[path] = "shared"
        if LIBC.shmget(self.outside.segment + 1, 0, 0) >= 0:
            found["shared memory"] = "made"
        return found

    def changes(self):
        after = self.look()
        keys = {*self.before, *after}
        return sorted(str(key) for key in keys if self.before.get(key) != after.get(key))

    def end(self):
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()[::-1]:
            point = line.split()[4]
            if point.startswith(f"{self.top}/"):
                LIBC.umount2(os.fsencode(point), 2)
        for path in pathlib.Path("/tmp").glob(f"escape-shared-{self.outside.run}"):
            path.unlink()
        for folder in ["/var/tmp", "/dev/shm", "/run", "/run/lock", f"/run/user/{os.getuid()}"]:
            pathlib.Path(folder, f"escape-shared-{self.outside.run}").unlink(missing_ok=True)
        number = LIBC.shmget(self.outside.segment + 1, 0, 0)
        if number >= 0:
            LIBC.shmctl(number, 0, None)
        shutil.rmtree(self.top, ignore_errors=True)


def left_behind(marker):
    """Processes with the marker among their words, which are ended."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            words = pathlib.Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in words.split(b"\0"):
            found.append(int(name))
            os.kill(int(name), signal.SIGKILL)
    return found


def run_one(script, scripts, outside, prefix):
    """`(verdict, words)` of one escape: held, ESCAPED, untried, FAULT."""
    world = World(outside, script.stem)
    try:
        places = {key: str(path) for key, path in world.places.items()}
        words = [word.format(**places) for word in prefix]
        answer = subprocess.run(
            [*words, sys.executable, str(scripts / script.name)],
            env=world.environment(),
            cwd=world.places["checkout"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = next(
            (
                line
                for line in answer.stdout.splitlines()
                if line.startswith(("refused", "ESCAPED", "done inside", "cannot", "fault"))
            ),
            (answer.stdout + answer.stderr).strip()[-300:],
        )
        changes = world.changes()
        left = left_behind(world.facts()["ESCAPE_MARKER"])
        if left:
            changes.append(f"process {left[0]} went on")
        if answer.returncode == 1 or changes:
            return "ESCAPED", f"{said} {changes}" if changes else said
        if answer.returncode in (0, 3):
            return "held", said
        if answer.returncode == 77:
            return "untried", said
        return "FAULT", f"exit {answer.returncode}: {said}"
    finally:
        world.end()


def main():
    parser = argparse.ArgumentParser(description="Runs the escapes.")
    parser.add_argument("--mode", choices=["workspace", "strict"], default="workspace")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--base", default="/var/tmp", help="where worlds are made")
    parser.add_argument("prefix", nargs="*", help="the box's command line, after `--`")
    options = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="escapes-", dir=options.base))
    scripts = base / "scripts"
    shutil.copytree(HERE, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    outside = Outside(base)
    bad = 0
    try:
        for script in sorted(HERE.glob("*.py")):
            if script.name in SELF or (options.only and script.stem not in options.only):
                continue
            modes = header(script, "modes") or ["workspace", "strict"]
            if options.prefix and options.mode not in modes:
                continue
            began = time.monotonic()
            verdict, words = run_one(script, scripts, outside, options.prefix)
            if options.prefix:
                bad += verdict in ("ESCAPED", "FAULT")
            else:
                # Without a box each has to work, or its header says who cannot.
                excused = header(script, "held outside for")
                who = "root" if os.getuid() == 0 else "users"
                if verdict == "FAULT" or (verdict != "ESCAPED" and who not in excused):
                    bad += 1
                    words = f"NOT EXPECTED. {words}"
            seconds = time.monotonic() - began
            print(f"{verdict:8} {script.stem:24} {seconds:5.2f} s  {words}", flush=True)
    finally:
        outside.end()
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
