"""The stand-in pool as an origin of its own. LAB_POOL_BINARY selects the build."""
import contextlib
import json
import os
import pathlib
import subprocess

from .client import Client
from .configuration import SITE
from .process import Process
from .proxy import REPOSITORY


def binary():
    return pathlib.Path(os.environ.get("LAB_POOL_BINARY", REPOSITORY / "build/release/lab/lab_pool"))


class Pool:
    """`site`: its name; `port`: of its TLS endpoint; `counters()`: what it has seen."""

    def __init__(self, said):
        self._plain = (said["address"], said["http"])
        self.port = said.get("https")

    def counters(self):
        with Client(self._plain) as client:
            return json.loads(client.get("/lab/counters").body)


@contextlib.contextmanager
def serving(folder, leaf, *arguments):
    """The pool with a written `leaf` as its certificate."""
    process = Process([binary(), "--certificate", leaf.chain_file, "--key", leaf.key_file,
                       "--site", SITE, *arguments],
                      folder / "lab-pool.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = process.child.stdout.readline()
        assert line, f"the pool ended:\n{process.text()}"
        yield Pool(json.loads(line))
        process.child.stdin.close()  # the pool ends when its standard input does
        assert process.wait() == 0, process.text()
    finally:
        process.kill()
