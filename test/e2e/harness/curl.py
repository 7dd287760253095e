"""curl, the everyday client, with the public name resolved to a listener on loopback."""
import dataclasses
import subprocess

from .configuration import PUBLIC_NAME
from .messages import parse_head
from .waiting import PATIENCE


@dataclasses.dataclass
class Answer:
    exit_status: int
    responses: list  # every head that came, in order; the last is the final one
    body: bytes
    error: str

    @property
    def status(self):
        return self.responses[-1].status if self.responses else 0

    def get(self, name):
        return self.responses[-1].get(name)


class Curl:
    """`address`: (host, port) of the listener."""

    def __init__(self, address, roots=None, name=PUBLIC_NAME, https=True):
        self.address, self.name = address, name
        self.scheme = "https" if https else "http"
        self._words = ["curl", "--silent", "--show-error", "--http1.1", "--path-as-is",
                       "--noproxy", "*",
                       "--resolve", f"{name}:{address[1]}:{address[0]}"]
        if roots:
            self._words += ["--cacert", str(roots)]

    def url(self, path):
        return f"{self.scheme}://{self.name}:{self.address[1]}{path}"

    def command(self, *words):
        """Words that begin with "/" are paths of the site."""
        return [*self._words,
                *(self.url(word) if str(word).startswith("/") else str(word) for word in words)]

    def __call__(self, *words, seconds=60, stdin=None):
        command = self.command("--include", "--max-time", str(seconds * PATIENCE), *words)
        done = subprocess.run(command, capture_output=True, input=stdin, check=False,
                              timeout=seconds * PATIENCE + 10)
        responses, body = split_heads(done.stdout)
        return Answer(done.returncode, responses, body, done.stderr.decode(errors="replace"))


def split_heads(data):
    """What --include printed -> (heads in order, the body of the last one that printed any).

    curl leaves out the bodies of answers that it follows up (a 401 that it answers, a redirect).
    """
    heads, body = [], b""
    while data.startswith(b"HTTP/1.") and b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        heads.append(parse_head(head))
        if not data.startswith(b"HTTP/1."):
            size = int(heads[-1].get("content-length") or len(data))
            body, data = data[:size], data[size:]
    return heads, body
