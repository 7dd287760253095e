"""Every message of test/abuse/http1.json against the real program, plain and over TLS.

The test is the client and the site: what counts is what reached the site. All cases run first, some
at once, each on a lane of its own (a listener, a rule and a site); then each is judged by name.
"""
import concurrent.futures
import dataclasses
import json
import queue
import re
import ssl
import time

import pytest
from harness import configuration, readers
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, SITE, allow, deny, listener
from harness.messages import chunks, decode
from harness.origin import Origin
from harness.proxy import REPOSITORY, Proxy
from harness.waiting import PATIENCE

CASES = {case["name"]: case
         for case in json.loads((REPOSITORY / "test/abuse/http1.json").read_text())}
LANES = 6
SILENCE = 0.35 * PATIENCE  # after a final response, so long nothing more may come
NO_ANSWER = 1.2 * PATIENCE  # of an unfinished message, so long nothing reached the site

# The data was written for a plain listener. On a TLS listener the absolute form of the same request
# names https; and a foreign scheme is refused on either (the two sides of one rule).
FOREIGN_ON_PLAIN = "abs_https_scheme"


class RecordingSite:
    """Answers each complete request with 200 and keeps every byte of each connection."""

    def __init__(self, context):
        self.origin = Origin(self.serve, context)
        self.complete = 0

    def serve(self, connection):
        while request := connection.read_request():
            if not request.complete:
                return
            self.complete += 1
            connection.respond()

    def begin(self):
        self.origin.close_connections()  # no connection of an earlier case is reused
        self.origin.forget()
        self.origin.errors.clear()
        self.complete = 0

    def seen(self):
        """What came, a connection each."""
        return [connection.received for connection in self.origin.connections]

    def read(self):
        """The complete requests of each, as the harness reads them."""
        return [[request_read(request) for request in connection.requests if request.complete]
                for connection in self.origin.connections]


def request_read(request):
    return request.method, request.target, len(request.body)


@dataclasses.dataclass
class Outcome:
    statuses: list
    ended: str  # "open", "clean", "truncated", "reset"
    connections: list  # what came on each
    read: list  # and which complete requests that was
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


def drive(case, address, context, site):
    site.begin()
    https = context is not None
    with Client(address, context, PUBLIC_NAME) as client:
        try:
            for data in chunks(payload(case, https)):
                client.send(data)
            if case.get("client_fin"):
                client.stream.half_close()
        except (OSError, ssl.SSLError):
            pass  # refused before all was sent: what was answered counts
        received, deadline = b"", time.monotonic() + NO_ANSWER
        client.stream.socket.settimeout(SILENCE)
        while True:
            try:
                data = client.stream.receive()
            except TimeoutError:
                if final(received) or time.monotonic() > deadline:
                    break
                continue
            except (OSError, ssl.SSLError):
                break
            if not data:
                break
            received += data
        ended = client.stream.ended or "open"
    return Outcome(statuses(received), ended, site.seen(), site.read(), site.complete,
                   list(site.origin.errors))


def statuses(received):
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})[ \r]", received)]


def final(received):
    return [status for status in statuses(received) if status >= 200]


@pytest.fixture(scope="module", params=["http", "https"])
def outcomes(request, pki, module_folder):
    https = request.param == "https"
    sites = [RecordingSite(pki.pool.server_context() if https else None) for _ in range(LANES)]
    addresses = [own_address() for _ in sites]
    ports = [free_port(address) for address in addresses]
    bridging = {"bridging": request.param}
    settings = configuration.configuration(
        [listener(address, f"Lane {lane}", certificates=[pki.public], **{request.param: port})
         for lane, (address, port) in enumerate(zip(addresses, ports))],
        [deny("/admin/*", public_names=[PUBLIC_NAME]),
         *(allow(site.origin.port, f"Site {lane}", listener=f"Lane {lane}", **bridging)
           for lane, site in enumerate(sites))],
        roots=[pki.root])
    context = trusting(pki.root) if https else None
    free = queue.Queue()
    for lane in range(LANES):
        free.put(lane)

    def run(case):
        lane = free.get()
        try:
            return drive(case, (addresses[lane], ports[lane]), context, sites[lane])
        finally:
            free.put(lane)

    folder = module_folder / request.param
    folder.mkdir()
    folder.chmod(0o755)
    with Proxy(folder, settings), concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        found = dict(zip(CASES, pool.map(run, CASES.values())))
    for site in sites:
        site.origin.close()
    yield request.param, found


@pytest.mark.parametrize("name", CASES)
def test_case(outcomes, name):
    scheme, found = outcomes
    case, outcome = CASES[name], found[name]
    allowed = {case["expect"], *case.get("also_ok", ())}
    if scheme == "http" and name == FOREIGN_ON_PLAIN:
        allowed = {"reject"}
    why = f"{case['why']}\n{outcome}"

    # A head may be on its way before its body turns out to be wrong: what counts is a whole request.
    reached = outcome.complete > 0 if case.get("phase") == "body" else bool(outcome.seen)
    finals = [status for status in outcome.statuses if status >= 200]
    assert not outcome.site_errors, f"what reached the site is no HTTP/1.1: {why}"
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
        if scheme == "http" and name == "xfproto_spoof":
            continue  # the truth of a plain listener is what the client claims here
        assert text.lower().encode("latin-1") not in outcome.seen.lower(), f"let {text!r} through: {why}"
    if case.get("responses"):
        assert len(finals) <= case["responses"], f"{len(finals)} responses: {why}"


def test_a_request_that_was_accepted_reaches_the_site_by_its_internal_name(outcomes):
    _, found = outcomes
    assert f"host: {SITE}".encode() in found["cl_valid"].seen.lower()


@pytest.fixture(scope="module")
def parsers(module_folder):
    with readers.running(module_folder) as all_of_them:
        yield all_of_them


# What is refused as a whole, though everybody sees where it ends, and by whom.
REFUSED = {
    "method_lowercase": {"node", "nginx", "haproxy", "apache"},  # Node knows a list of methods; the
    "method_unknown_token": {"node", "nginx", "haproxy", "apache"},  # others pass them on to it
    "max_forwards_zero_options": {"apache"},  # being a proxy it answers itself
    "max_forwards_bad": {"apache"},
}


@pytest.mark.parametrize("name", CASES)
def test_every_parser_finds_the_same_requests_in_what_reached_the_site(outcomes, parsers, name):
    _, found = outcomes
    for data, expected in zip(found[name].connections, found[name].read):
        for parser in parsers:
            wanted = [] if parser.name in REFUSED.get(name, ()) else expected
            requests, given = parser.read(data, len(wanted))
            assert requests == wanted, f"{parser.name} answered {given} to {data[:4000]!r}"


GOOD = b"GET /one HTTP/1.1\r\nHost: www.example.test\r\n\r\n"


def test_the_parsers_count_and_would_disagree_about_an_ambiguous_message(parsers):
    """Else nothing would be proven by their finding the same."""
    ambiguous = (b"POST /a HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 50\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD)
    opinions = set()
    for parser in parsers:
        assert parser.read(GOOD * 2, 2)[0] == [("GET", "/one", 0)] * 2, parser.name
        assert parser.read(GOOD[:-2], 0)[0] == [], parser.name
        opinions.add(len(parser.read(ambiguous, 0)[0]))
    assert len(opinions) > 1
