"""The independent WebSocket peer (npm's ws under Node.js) as client and as origin."""
import contextlib
import json
import pathlib
import queue
import subprocess
import threading

from .process import Process
from .waiting import PATIENCE

SCRIPT = pathlib.Path(__file__).with_name("websocket_peer.js")


class Peer:
    def __init__(self, log, *words):
        self.process = Process(["node", SCRIPT, *words], log, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=SCRIPT.parent.parent)
        self._said = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.child.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def tell(self, **order):
        self.process.child.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.child.stdin.flush()

    def next(self, seconds=10):
        """The next thing it says; None when it has ended."""
        try:
            return self._said.get(timeout=seconds * PATIENCE)
        except queue.Empty:
            raise AssertionError(f"the WebSocket peer says nothing:\n{self.process.text()}") from None

    def expect(self, seconds=10, **expected):
        said = self.next(seconds)
        assert said is not None, f"the WebSocket peer ended:\n{self.process.text()}"
        assert {key: said.get(key) for key in expected} == expected, said
        return said

    def echo(self, text, seconds=10):
        self.tell(send=text)
        return self.expect(seconds, received=text)

    def end(self):
        self.process.kill()


@contextlib.contextmanager
def server(folder, address="127.0.0.1", leaf=None):
    files = [leaf.chain_file, leaf.key_file] if leaf else []
    peer = Peer(folder / "websocket-server.log", "serve", address, 0, *files)
    try:
        peer.port = peer.next()["listening"]
        yield peer
    finally:
        peer.end()


@contextlib.contextmanager
def client(folder, url, address, root=None):
    peer = Peer(folder / "websocket-client.log", "connect", url, address, *([root] if root else []))
    try:
        yield peer
    finally:
        peer.end()
