"""Hostile messages put to the real program, on lanes: each a listener, a rule and a site of its own.

The test is the client and the site: what counts is what reached the site.
"""
import concurrent.futures
import contextlib
import dataclasses
import json
import queue
import re
import ssl
import time

from . import configuration
from .addresses import free_port, own_address
from .client import Client, trusting
from .configuration import PUBLIC_NAME, allow, deny, listener
from .messages import chunks, decode
from .origin import Origin
from .proxy import REPOSITORY, Proxy
from .waiting import PATIENCE

CASES = {case["name"]: case
         for case in json.loads((REPOSITORY / "test/abuse/http1.json").read_text())}
SILENCE = 0.35 * PATIENCE  # after a final response, so long nothing more may come
NO_ANSWER = 1.2 * PATIENCE  # of an unfinished message, so long nothing reached the site
ANSWER = 15 * PATIENCE  # so long one that must come may take

# The data was written for a plain listener. On a TLS listener the absolute form of the same request
# names https; and a foreign scheme is refused on either (the two sides of one rule).
FOREIGN_ON_PLAIN = "abs_https_scheme"


class RecordingSite:
    """Answers each complete request with 200, or `answer`, and keeps every byte of each connection."""

    def __init__(self, context):
        self.origin = Origin(self.serve, context)
        self.complete = 0
        self.answer = None

    def serve(self, connection):
        while request := connection.read_request():
            if not request.complete:
                return
            self.complete += 1
            if self.answer:
                connection.send(self.answer)
            else:
                connection.respond()

    def begin(self, answer=None):
        self.origin.end_connections()  # none of an earlier case is reused, or seen late
        self.origin.forget()
        self.origin.errors.clear()
        self.complete = 0
        self.answer = answer

    def seen(self):
        """What came, a connection each."""
        return [connection.received for connection in self.origin.connections]

    def begun(self):
        """How many requests that was, the last perhaps without all of its body."""
        return len(self.origin.requests)

    def read(self):
        """The complete requests of each, as the harness reads them."""
        return [[request_read(request) for request in connection.requests if request.complete]
                for connection in self.origin.connections]


def request_read(request):
    return request.method, request.target, len(request.body)


@dataclasses.dataclass
class Outcome:
    received: bytes
    statuses: list
    ended: str  # "open", "clean", "truncated", "reset"
    connections: list  # what came on each
    read: list  # and which complete requests that was
    begun: int
    complete: int
    site_errors: list

    @property
    def seen(self):
        return b"".join(self.connections)


def payload(case, https):
    pieces = decode(case["bytes"], case.get("expand", ()))
    if https and case["name"] != FOREIGN_ON_PLAIN:
        pieces = [re.sub(rb"^(\S+ )http://", rb"\1https://", piece, flags=re.IGNORECASE)
                  if isinstance(piece, bytes) else piece for piece in pieces]
    return pieces


def drive(address, context, site, case, portions=None, answer=None, awaited=1):
    """`portions`: what is sent in place of the case's own bytes, each in a packet of its own as far
    as anybody can see to that. `answer`: what the site says to a complete request. `awaited`: how
    many answers there should be; where there may be none, they are not waited for as long."""
    site.begin(answer)
    https = context is not None
    with Client(address, context, PUBLIC_NAME) as client:
        try:
            for data in portions or chunks(payload(case, https)):
                client.send(data)
                if portions:
                    time.sleep(0.0005)  # what follows at once is read together
            if case.get("client_fin"):
                client.stream.half_close()
        except (OSError, ssl.SSLError):
            pass  # refused before all was sent: what was answered counts
        unsure = "reject" in {case.get("expect", "reject"), *case.get("also_ok", ())}
        received, deadline = b"", time.monotonic() + (NO_ANSWER if unsure else ANSWER)
        client.stream.socket.settimeout(SILENCE)
        while True:
            try:
                data = client.stream.receive()
            except TimeoutError:
                if len(final(received)) >= awaited or time.monotonic() > deadline:
                    break
                continue
            except (OSError, ssl.SSLError):
                break
            if not data:
                break
            received += data
        ended = client.stream.ended or "open"
    return Outcome(received, statuses(received), ended, site.seen(), site.read(), site.begun(), site.complete,
                   list(site.origin.errors))


def statuses(received):
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})[ \r]", received)]


def final(received):
    return [status for status in statuses(received) if status >= 200]


@contextlib.contextmanager
def lanes(count, pki, folder, https):
    """Yields `run(items)` -> their outcomes, in order; an item is what `drive` takes from `case` on."""
    sites = [RecordingSite(pki.pool.server_context() if https else None) for _ in range(count)]
    addresses = [own_address() for _ in sites]
    ports = [free_port(address) for address in addresses]
    scheme = "https" if https else "http"
    settings = configuration.configuration(
        [listener(address, f"Lane {lane}", certificates=[pki.public], **{scheme: port})
         for lane, (address, port) in enumerate(zip(addresses, ports))],
        [deny("/admin/*", public_names=[PUBLIC_NAME]),
         *(allow(site.origin.port, f"Site {lane}", listener=f"Lane {lane}", bridging=scheme)
           for lane, site in enumerate(sites))],
        roots=[pki.root])
    context = trusting(pki.root) if https else None
    free = queue.Queue()
    for lane in range(count):
        free.put(lane)

    def run(item):
        lane = free.get()
        try:
            return drive((addresses[lane], ports[lane]), context, sites[lane], *item)
        finally:
            free.put(lane)

    folder.mkdir()
    folder.chmod(0o755)
    with Proxy(folder, settings), concurrent.futures.ThreadPoolExecutor(count) as pool:
        yield lambda items: list(pool.map(run, items))
    for site in sites:
        site.origin.close()


def judge(case, outcome, scheme, before=0):
    """Raises AssertionError unless the outcome is one that the case allows. `before`: good requests
    that came in front of it, each of which must have been answered."""
    allowed = {case["expect"], *case.get("also_ok", ())}
    if scheme == "http" and case["name"] == FOREIGN_ON_PLAIN:
        allowed = {"reject"}
    why = f"{case['why']}\n{outcome}"
    assert not outcome.site_errors, f"what reached the site is no HTTP/1.1: {why}"
    finals = [status for status in outcome.statuses if status >= 200]
    assert finals[:before] == [200] * before, f"a good request was not answered: {why}"
    finals = finals[before:]

    # A head may be on its way before its body turns out to be wrong: what counts is a whole request.
    if case.get("phase") == "body":
        reached = outcome.complete > before
    else:
        reached = outcome.begun > before if before else bool(outcome.seen)
    if reached:
        assert allowed != {"reject"}, f"forwarded: {why}"
        for text in case.get("origin_must", ()):
            assert text.lower().encode("latin-1") in outcome.seen.lower(), f"lost {text!r}: {why}"
    else:
        assert "reject" in allowed, f"refused: {why}"
        assert not [status for status in finals if status < 300], f"success without a site: {why}"
        if case.get("status") and finals and finals[-1] >= 400:
            assert finals[-1] in case["status"], why
    for text in case.get("origin_must_not", ()):
        if scheme == "http" and case["name"] == "xfproto_spoof":
            continue  # the truth of a plain listener is what the client claims here
        assert text.lower().encode("latin-1") not in outcome.seen.lower(), f"let {text!r} through: {why}"
    if case.get("responses"):
        assert len(finals) <= case["responses"], f"{len(finals)} responses: {why}"
