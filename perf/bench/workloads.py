"""What is measured: each function drives one proxy for `seconds` and returns figures.

`cost` is the proxy's CPU time for one `unit`; the other figures are as they are called.
"""
import json
import re
import subprocess
import time

from harness.configuration import PUBLIC_NAME

from . import usage
from .peers import LOAD_CORE

WARM_UP = 0.7  # seconds: connections are made, the pool is filled
UPLOAD_LUA = """
wrk.method = "POST"
wrk.body = string.rep("x", 102400)
wrk.headers["Content-Type"] = "application/octet-stream"
"""


class Failed(Exception):
    """The load did not go through, so that nothing was measured."""


def _wrk(peer, path, connections, seconds, *more):
    return subprocess.Popen(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
         "--latency", "--timeout", "60s", "-H", f"Host: {PUBLIC_NAME}", *map(str, more),
         f"https://127.0.0.1:{peer.port}/{path}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finished(load, peer):
    said, _ = load.communicate(timeout=600)
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s|m), ([\d.]+)([KMGT]?B) read", said)
    if load.returncode or not found or "Non-2xx" in said:
        raise Failed(said)
    if _socket_errors(said) > int(found[1]) * peer.may_lose or found[1] == "0":
        raise Failed(said)
    scale = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[found[5]]
    return {"requests": int(found[1]), "bytes": float(found[4]) * scale,
            **{key: _microseconds(said, key) for key in ("50%", "99%")}}


def _socket_errors(said):
    found = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return sum(map(int, found.groups())) if found else 0


def _microseconds(said, key):
    found = re.search(rf"^ +{key} +([\d.]+)(us|ms|s|m)\s*$", said, re.M)
    if not found:
        raise Failed(said)
    return float(found[1]) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[found[2]]


class Window:
    """From here on: what the proxy uses, and what reaches the origin."""

    def __init__(self, peer, origin):
        self._peer, self._origin, self._pids = peer, origin, peer.pids()
        self._begin = self._now()

    def _now(self):
        return time.monotonic(), usage.cpu_microseconds(self._pids), self._origin.requests()

    def figures(self):
        seconds, cpu, requests = (now - then for now, then in zip(self._now(), self._begin))
        requests -= 1  # the question itself
        if requests < 10:
            raise Failed(f"{requests} requests reached the origin")
        return {"cost": cpu / requests, "unit": "request", "per_second": requests / seconds}


def keep_alive(path, connections=64, lua=None):
    def run(peer, origin, seconds):
        more = ["-s", peer.write("load.lua", lua)] if lua else []
        load = _wrk(peer, path, connections, seconds + 2, *more)
        time.sleep(WARM_UP)
        window = Window(peer, origin)
        time.sleep(seconds)
        figures = window.figures()
        said = _finished(load, peer)
        return {**figures, "p50_us": said["50%"], "p99_us": said["99%"]}
    return run


def download(path, connections):
    """Counted in bytes: at the end some downloads are half done."""
    def run(peer, _origin, seconds):
        pids = peer.pids()
        cpu = usage.cpu_microseconds(pids)
        said = _finished(_wrk(peer, path, connections, seconds), peer)
        cpu = usage.cpu_microseconds(pids) - cpu
        return {"cost": cpu / (said["bytes"] / (1 << 20)), "unit": "MiB",
                "per_second": said["bytes"] / (1 << 20) / seconds,
                "bytes_per_cpu_second": said["bytes"] / (cpu / 1e6)}
    return run


def _loader(peer, mode, *more, stdin=subprocess.DEVNULL):
    return subprocess.Popen(
        ["taskset", "-c", LOAD_CORE, Loader.binary, mode, "127.0.0.1", str(peer.port), PUBLIC_NAME,
         "/1k", *map(str, more)],
        stdin=stdin, stdout=subprocess.PIPE, text=True)


class Loader:
    binary = None  # set by whoever runs the benchmark


def _loaded(load, errors_at_most=0):
    said, _ = load.communicate(timeout=600)
    answer = json.loads(said)
    if answer["errors"] > errors_at_most:
        raise Failed(said)
    return answer


def handshakes(resume):
    def run(peer, _origin, seconds):
        pids = peer.pids()
        cpu = usage.cpu_microseconds(pids)
        said = _loaded(_loader(peer, "handshakes", "--seconds", seconds, "--threads", 4,
                               *(["--resume"] if resume else [])))
        cpu = usage.cpu_microseconds(pids) - cpu
        part = said["resumed"] / said["requests"]
        if part < 0.98 if resume else part > 0:
            raise Failed(f"{said['resumed']} of {said['requests']} handshakes were resumed")
        return {"cost": cpu / said["requests"], "unit": "connection",
                "per_second": said["requests"] / said["seconds"]}
    return run


def fixed_rate(per_second):
    def run(peer, _origin, seconds):
        pids = peer.pids()
        cpu = usage.cpu_microseconds(pids)
        said = _loaded(_loader(peer, "rate", "--seconds", seconds, "--threads", 16,
                               "--per-second", per_second))
        cpu = usage.cpu_microseconds(pids) - cpu
        return {"cost": cpu / said["requests"], "unit": "request",
                "per_second": said["requests"] / said["seconds"],
                "p50_us": said["p50_us"], "p99_us": said["p99_us"]}
    return run


class IdleClients:
    count = 10_000


def idle_clients(peer, _origin, seconds):
    pids = peer.pids()
    before = usage.memory_kib(pids)
    load = _loader(peer, "idle", "--threads", 4, "--connections", IdleClients.count,
                   stdin=subprocess.PIPE)
    opened = json.loads(load.stdout.readline())
    if opened["errors"]:
        load.communicate("")
        raise Failed(str(opened))
    time.sleep(1)
    cpu = usage.cpu_microseconds(pids)
    memory = usage.memory_kib(pids) - before
    time.sleep(seconds)
    cpu = usage.cpu_microseconds(pids) - cpu
    load.communicate("")
    return {"cost": memory / opened["open"], "unit": "KiB per idle client",
            "cpu_us_per_second": cpu / seconds}


WORKLOADS = {
    "1 KiB": keep_alive("1k"),
    "16 KiB": keep_alive("16k"),
    "1 MiB": download("1m", 16),
    "100 MiB": download("100m", 4),
    "100 KiB upload": keep_alive("upload", 16, UPLOAD_LUA),
    "new connection": handshakes(resume=False),
    "resumed connection": handshakes(resume=True),
    "1000 requests/s": fixed_rate(1000),
    "idle clients": idle_clients,
}
