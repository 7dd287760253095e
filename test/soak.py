#!/usr/bin/env python3
"""Serves for a long time at about 70 % of what this rig can do, while some things go wrong.

usage: soak.py [--minutes N] [--results FILE]
One request in twenty is broken off by its client, one in twenty meets a fault of the site; the
configuration is reloaded and the access log rotated every half minute. Afterwards: memory has not
grown since the warm-up, descriptors are back where they were, no client got a 5xx that the site did
not cause, and the access log has a line for each request. OCSPROXY_BINARY selects the build.
"""
import argparse
import contextlib
import json
import multiprocessing
import pathlib
import random
import socket
import ssl
import struct
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "e2e"))

from harness import certificates, configuration, folders, nginx, process  # noqa: E402
from harness.addresses import free_port, own_address  # noqa: E402
from harness.client import trusting  # noqa: E402
from harness.configuration import PUBLIC_NAME, SITE, allow, listener  # noqa: E402
from harness.proxy import Proxy  # noqa: E402
from harness.waiting import until  # noqa: E402

PROCESSES, THREADS = 2, 8
CALIBRATION = 5  # seconds at full speed, which say what the rig can do
LOAD = 0.7
RELOAD_EVERY = 30
ONE_IN = 20  # is broken off; and as many meet a fault
SMALL, LARGE = 1024, 1 << 20
# Of what is resident after the warm-up. The kernel's count is of pages, and threads cache some.
ALLOWED_GROWTH = 0.03
SITE_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log crit;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/pages;
    location /fault {{ return 444; }}  # ends the connection instead of an answer
  }}
}}
"""
KINDS = ("answered", "faults", "broken_off")


class Client:
    """One thread: asks over and over, `rate` times a second, or as fast as it can."""

    def __init__(self, address, context, totals, rate):
        self._address, self._context, self._totals, self._rate = address, context, totals, rate
        self._connection = None

    def run(self, stopping):
        due = time.monotonic()
        while not stopping.is_set():
            if self._rate:
                due += 1 / self._rate
                time.sleep(max(0, due - time.monotonic()))
            self._count(self._ask(random.randrange(ONE_IN)))
        self._leave()

    def _count(self, kind):
        with self._totals[kind].get_lock():
            self._totals[kind].value += 1

    def _ask(self, chance):
        if chance == 0:
            return self._break_off()
        status, body = self._get("/fault" if chance == 1 else "/small")
        if chance == 1:
            return "faults" if status in (502, 504) else "wrong"
        return "answered" if status == 200 and body == SMALL else "wrong"

    def _break_off(self):
        """In the middle of the answer, so that there is no doubt that it was asked for."""
        self._send("/large")
        if not self._connection.recv(4096).startswith(b"HTTP/1.1 200"):
            return "wrong"
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._leave()
        return "broken_off"

    def _send(self, path):
        if self._connection is None:
            raw = socket.create_connection(self._address, 60)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = self._context.wrap_socket(raw, server_hostname=PUBLIC_NAME)
        self._connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n".encode())

    def _get(self, path):
        try:
            self._send(path)
            data = b""
            while b"\r\n\r\n" not in data:
                data += self._more()
            head, _, body = data.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            size = int(fields[b"content-length"])
            received = len(body)
            while received < size:
                received += len(self._more())
            if fields.get(b"connection") == b"close":
                self._leave()
            return int(head.split(b" ", 2)[1]), received
        except (OSError, ssl.SSLError, EOFError) as error:
            print(f"{path}: {error!r}", flush=True)
            self._leave()
            return 0, 0

    def _more(self):
        data = self._connection.recv(65536)
        if not data:
            raise EOFError("the connection ended")
        return data

    def _leave(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def clients(address, root, totals, rate, stopping):
    """One process of them."""
    context = trusting(root)
    threads = [threading.Thread(target=Client(address, context, totals, rate).run, args=(stopping,))
               for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Load:
    """`rate`: requests a second of all together; 0: as many as they can."""

    def __init__(self, address, root, totals, rate):
        self._stopping = multiprocessing.Event()
        each = rate / (PROCESSES * THREADS)
        self._processes = [multiprocessing.Process(
            target=clients, args=(address, root, totals, each, self._stopping))
            for _ in range(PROCESSES)]

    def __enter__(self):
        for one in self._processes:
            one.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for one in self._processes:
            one.join()


class Soak:
    def __init__(self, folder, stack):
        self._folder = folder
        authority = certificates.authority()
        self._root = authority.write(folder, "root")
        leaf = authority.issue(PUBLIC_NAME).write(folder, "public")
        for file in folder.iterdir():
            file.chmod(0o644)
        self.site, port = self._start_site(stack)
        host = own_address()
        self.address = host, free_port(host)
        self.proxy = stack.enter_context(Proxy(folder / "edge", configuration.configuration(
            [listener(host, https=self.address[1], certificates=[leaf])],
            [allow(port, site=SITE, bridging="http")])))
        self.totals = {kind: multiprocessing.Value("Q", 0) for kind in (*KINDS, "wrong")}
        self.lines = 0
        self.samples = []

    def _start_site(self, stack):
        pages = self._folder / "pages"
        pages.mkdir()
        (pages / "small").write_bytes(b"x" * SMALL)
        (pages / "large").write_bytes(b"x" * LARGE)
        (self._folder / "edge").mkdir(mode=0o755)
        for path in (self._folder, pages, *pages.iterdir()):
            path.chmod(0o755)
        port = free_port("127.0.0.1")
        file = self._folder / "nginx.conf"
        file.write_text(SITE_CONFIGURATION.format(folder=self._folder, port=port))
        site = process.Process(["nginx", "-p", self._folder, "-c", file], self._folder / "nginx.log")
        stack.callback(site.kill)
        nginx.wait_for(site, ("127.0.0.1", port))
        return site, port

    def requests(self):
        return sum(total.value for total in self.totals.values())

    def peak(self):
        with Load(self.address, self._root, self.totals, 0):
            time.sleep(1)  # until all have begun
            before, begun = self.requests(), time.monotonic()
            time.sleep(CALIBRATION)
            return (self.requests() - before) / (time.monotonic() - begun)

    def rotate(self):
        """Takes the log away, has it opened anew, and counts what was in it."""
        log, old = self.proxy.access_log_path, self.proxy.access_log_path.with_suffix(".old")
        log.rename(old)
        self.proxy.process.signal(process.signal.SIGUSR1)
        until(log.exists, "the log was not opened again")
        time.sleep(1)  # a line may be on its way to the old one
        self.lines += self._count(old)
        old.unlink()

    @staticmethod
    def _count(log):
        with open(log, "rb") as lines:
            return sum(not line.startswith(b"#") for line in lines)

    def run(self, minutes):
        rate = LOAD * self.peak()
        end = time.monotonic() + minutes * 60
        with Load(self.address, self._root, self.totals, rate):
            next_reload = time.monotonic() + RELOAD_EVERY / 2
            while time.monotonic() < end:
                time.sleep(1)
                self.samples.append((time.monotonic(), self.proxy.resident_kib()))
                if time.monotonic() > next_reload:
                    next_reload += RELOAD_EVERY
                    self.proxy.reload()
                    self.rotate()
        return rate

    def log_lines(self):
        return self.lines + self._count(self.proxy.access_log_path)


def growth(samples):
    """Of what is resident, by the straight line through the samples after the first third -> KiB over
    all that time, and the mean."""
    settled = samples[len(samples) // 3:]
    times, sizes = zip(*settled)
    mean_time, mean_size = sum(times) / len(times), sum(sizes) / len(sizes)
    slope = sum((t - mean_time) * (s - mean_size) for t, s in settled) / \
        sum((t - mean_time) ** 2 for t in times)
    return slope * (times[-1] - times[0]), mean_size


def judge(soak, before):
    """-> what is wrong, a sentence each."""
    wrong = []
    if soak.totals["wrong"].value:
        wrong.append(f"{soak.totals['wrong'].value} requests had no right answer")
    grown, mean = growth(soak.samples)
    if grown > ALLOWED_GROWTH * mean:
        wrong.append(f"memory grew by {grown:.0f} KiB over {mean:.0f}")
    soak.site.kill()  # so that no idle connection to it is left
    try:
        soak.proxy.until_descriptors(before, 30)
    except AssertionError as error:
        wrong.append(str(error)[:300])
    try:  # the log is written off the data path
        until(lambda: soak.log_lines() == soak.requests(),
              lambda: f"{soak.log_lines()} lines in the log for {soak.requests()} requests")
    except AssertionError as error:
        wrong.append(str(error))
    return wrong, grown, mean


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    with folders.public_folder("ocsproxy-soak-") as folder, contextlib.ExitStack() as stack:
        soak = Soak(folder, stack)
        before = len(soak.proxy.descriptors())
        rate = soak.run(options.minutes)
        wrong, grown, mean = judge(soak, before)
        found = {"minutes": options.minutes, "requests_per_second": round(rate),
                 **{kind: soak.totals[kind].value for kind in soak.totals},
                 "log_lines": soak.log_lines(), "resident_kib": round(mean),
                 "grown_kib": round(grown), "findings": wrong}
    print(json.dumps(found, indent=2))
    if options.results:
        options.results.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
