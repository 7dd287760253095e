"""The stand-in pool as an origin of its own. LAB_POOL_BINARY selects the build."""
import contextlib
import json
import os
import pathlib
import subprocess

from .process import Process
from .proxy import REPOSITORY


def binary():
    return pathlib.Path(os.environ.get("LAB_POOL_BINARY", REPOSITORY / "build/release/lab/lab_pool"))


@contextlib.contextmanager
def serving(folder, *arguments):
    """Yields what the pool says of itself: one JSON object with its ports."""
    process = Process([binary(), *arguments], folder / "lab-pool.log", stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE)
    try:
        line = process.child.stdout.readline()
        assert line, f"the pool ended:\n{process.text()}"
        yield json.loads(line)
        process.child.stdin.close()  # the pool ends when its standard input does
        assert process.wait() == 0, process.text()
    finally:
        process.kill()
