"""A child process of a test: its output is kept, its end is seen, none is ever left behind."""
import contextlib
import os
import pathlib
import resource
import signal
import subprocess

import pytest

from .folders import UNPRIVILEGED
from .waiting import PATIENCE, until


class Process:
    def __init__(self, command, log, *, environment=None, cwd=None, stdin=subprocess.DEVNULL,
                 stdout=None):
        self.log = pathlib.Path(log)
        self.command = [str(word) for word in command]
        with open(self.log, "ab") as output:
            self.child = subprocess.Popen(
                self.command, stdin=stdin, stdout=stdout or output, stderr=output, cwd=cwd,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child.poll() is None

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, seconds=30):
        try:
            return self.child.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"pid {self.pid} did not end in {seconds * PATIENCE:.0f} s; it "
                                 f"said:\n{self.text()[-4000:]}") from None

    def terminate(self, seconds=30):
        """SIGTERM, then its exit status."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """For the way out of a failed test: this process and its children, by their session."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self.child.wait()

    def until_it_says(self, text, seconds=10):
        def said():
            if text in self.text():
                return True
            assert self.running, f"it ended instead of saying {text!r}:\n{self.text()[-4000:]}"
            return False
        until(said, lambda: f"it did not say {text!r} but:\n{self.text()[-4000:]}", seconds)


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def status(pid):
    """/proc/PID/status as a dict of texts."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def user(pid):
    """Its user id as a text; None when it has ended meanwhile."""
    try:
        return status(pid)["Uid"].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def resident_kib(pid):
    return int(status(pid)["VmRSS"].split()[0])


def descriptors(pid):
    """{number: what it is}"""
    found = {}
    try:
        links = list(pathlib.Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        pytest.skip("a process that keeps its memory private shows its descriptors to root only")
    for link in links:
        try:
            found[int(link.name)] = os.readlink(link)
        except FileNotFoundError:
            pass
    return found


@contextlib.contextmanager
def without_free_descriptors(pid):
    """Meanwhile a process of the unprivileged account can open nothing more. Only its own account
    may do that to it."""
    taken = {int(number) for number in os.listdir(f"/proc/{pid}/fd")}
    free = next(number for number in range(len(taken) + 1) if number not in taken)
    account = (["setpriv", f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups"]
               if os.geteuid() == 0 else [])

    def limit(number):
        subprocess.run([*account, "prlimit", f"--pid={pid}", f"--nofile={number}:"], check=True)
    before, _ = resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
    limit(free)
    try:
        yield
    finally:
        limit(before)
