"""The program under test: started on a configuration, observed from outside, ended cleanly.

OCSPROXY_BINARY selects the build. Every stop checks the exit status and that no sanitizer spoke.
"""
import functools
import os
import pathlib
import shutil
import signal
import socket
import tempfile

from . import access_log, configuration, process
from .folders import UNPRIVILEGED, give_to_unprivileged
from .waiting import until

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = os.environ.get("OCSPROXY_BUILD", "")
SANITIZED = BUILD in ("asan", "tsan")


@functools.lru_cache(None)
def binary():
    """The program in a place that the unprivileged account can reach."""
    built = pathlib.Path(os.environ.get("OCSPROXY_BINARY",
                                        REPOSITORY / "build/release/app/ocsproxy"))
    assert built.is_file(), f"{built} is not built; OCSPROXY_BINARY selects another"
    copy = pathlib.Path(tempfile.gettempdir(), f"ocsproxy-under-test-{os.getpid()}")
    copy.mkdir(mode=0o755, exist_ok=True)
    return pathlib.Path(shutil.copy(built, copy / "ocsproxy"))


def remove_binary():
    """At the end of a test process."""
    shutil.rmtree(pathlib.Path(tempfile.gettempdir(), f"ocsproxy-under-test-{os.getpid()}"),
                  ignore_errors=True)


class Proxy:
    """`settings`: what harness.configuration makes, or YAML text.

    `privileged`: started as root, so two processes; else it runs as the account `nobody`, in one.
    `within`: words in front of the command, such as those of a network namespace.
    """

    def __init__(self, folder, settings, *, privileged=False, arguments=(), within=(),
                 environment=None):
        self.folder = pathlib.Path(folder)
        self.conf = self.folder / "conf"
        self.privileged = privileged
        self._arguments, self._within = list(arguments), list(within)
        self._environment = environment or {}
        self.settings = settings
        self.process = None
        configuration.write(self.conf, settings)
        (self.conf / "log").mkdir(exist_ok=True)
        if not privileged:
            give_to_unprivileged(self.conf / "log")
        self._reports = self.folder / "sanitizer"
        self._reports.mkdir(exist_ok=True)
        self._reports.chmod(0o777)  # whichever account the program runs as

    # Life

    def _command(self, *words):
        command = [*self._within]
        if not self.privileged and os.geteuid() == 0:
            command += ["setpriv", f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups"]
        return [*command, binary(), *words]

    def _sanitizer_environment(self):
        reports = self._reports / "report"
        return {"ASAN_OPTIONS": f"log_path={reports}:detect_stack_use_after_return=1:exitcode=99",
                "UBSAN_OPTIONS": f"log_path={reports}:print_stacktrace=1:exitcode=99",
                "TSAN_OPTIONS": f"log_path={reports}:exitcode=99", **self._environment}

    def start(self, ready=True):
        before = self._verdicts() if self.process else 0
        self.process = process.Process(self._command(*self._arguments, self.conf),
                                       self.folder / "ocsproxy.log",
                                       environment=self._sanitizer_environment(), cwd="/")
        if ready:
            self._until_verdict(before)
            for listening in self.listening_addresses():
                self.until_listening(listening)
        return self

    def listening_addresses(self):
        return [(address, endpoint["port"])
                for listener in self.settings["listeners"] for address in listener["addresses"]
                for endpoint in (listener.get("http"), listener.get("https")) if endpoint]

    def until_listening(self, address):
        def listening():
            assert self.process.running, f"it ended instead of listening:\n{self.log()}"
            with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
                probe.settimeout(1)
                return probe.connect_ex(address) == 0
        until(listening, lambda: f"nobody listens on {address}; the log:\n{self.log()}", 20)

    def stop(self, seconds=30):
        """Drains, and must end with exit status 0 and without a sanitizer's report."""
        status = self.process.terminate(seconds)
        self.assert_sound()
        assert status == 0, f"exit status {status}:\n{self.log()[-4000:]}"

    def assert_sound(self):
        reports = sorted(self._reports.glob("report*"))
        assert not reports, "a sanitizer reported:\n" + "\n".join(
            report.read_text(errors="replace")[:8000] for report in reports)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                # The test has failed already: the log says more than a second failure would.
                print(f"---- the program's log:\n{self.log()[-6000:]}\n----")
                self.assert_sound()
        finally:
            self.process.kill()

    # What is asked of it

    def reload(self, settings=None, refused=False):
        """SIGHUP; returns once the program has said that the load is in force, or refused."""
        if settings is not None:
            self.settings = settings if not refused else self.settings
            configuration.write(self.conf, settings)
        before = self._verdicts()
        self.process.signal(signal.SIGHUP)
        self._until_verdict(before)
        last = [line for line in self.log().splitlines() if self._is_verdict(line)][-1]
        assert (REFUSED in last) == refused, f"reload: {last}\n{self.log()[-4000:]}"

    def _until_verdict(self, before):
        until(lambda: self._verdicts() > before or not self.process.running,
              lambda: f"it said nothing about a load:\n{self.log()[-4000:]}", 20)
        assert self.process.running, f"it ended instead of serving:\n{self.log()[-4000:]}"

    @staticmethod
    def _is_verdict(line):
        return any(text in line for text in (IN_FORCE, REFUSED))

    def _verdicts(self):
        return sum(map(self._is_verdict, self.log().splitlines()))

    def check(self, *arguments):
        """`--check` on this configuration -> (exit status, output)."""
        with tempfile.TemporaryDirectory() as folder:
            asked = process.Process(self._command("--check", *arguments, self.conf),
                                    pathlib.Path(folder, "log"),
                                    environment=self._sanitizer_environment(), cwd="/")
            status = asked.wait()
            return status, asked.text()

    # What can be seen of it

    def log(self):
        return self.process.text()

    @property
    def pid(self):
        return self.process.pid

    @property
    def server_pid(self):
        """The process that serves: the supervisor's child when there are two."""
        if not self.privileged:
            return self.pid
        found = until(lambda: [child for child in process.children(self.pid)
                               if process.user(child) not in (None, "0")],
                      "the supervisor has no unprivileged child")
        return found[0]

    def resident_kib(self):
        return process.resident_kib(self.server_pid)

    def descriptors(self):
        """Without the pipes that workers keep for bodies: those are bounded, and counted apart."""
        return {number: link for number, link in process.descriptors(self.server_pid).items()
                if not link.startswith("pipe:")}

    def pipe_ends(self):
        links = process.descriptors(self.server_pid).values()
        return sum(link.startswith("pipe:") for link in links)

    @property
    def access_log_path(self):
        return self.conf / "log" / "access.log"

    def entries(self):
        return access_log.read(self.access_log_path)

    def until_entries(self, count, seconds=10):
        """The log is written off the data path: waits until `count` lines are there."""
        return until(lambda: self.entries() if len(self.entries()) >= count else None,
                     lambda: f"{len(self.entries())} of {count} lines in the access log", seconds)

    def until_descriptors(self, count, seconds=10):
        until(lambda: len(self.descriptors()) <= count,
              lambda: f"{len(self.descriptors())} descriptors, {count} before: "
                      f"{self.descriptors()}", seconds)


# What the log says about a load; administrators look for these words too.
IN_FORCE = ": generation "
REFUSED = "was not loaded"
