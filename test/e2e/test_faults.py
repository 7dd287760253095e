"""Every message split at every byte, every connection ended at every byte.

Each time the client gets the right answer or can tell that it did not, the access log has the right
line, and in the end no descriptor remains.
"""
import concurrent.futures
import contextlib
import itertools
import queue
import re
import ssl
import time

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.messages import Malformed
from harness.origin import Origin
from harness.proxy import Proxy
from harness.relay import CuttingRelay
from harness.waiting import PATIENCE


AT_ONCE = 8
BREATH = 0.002  # between two pieces, so that they come apart

FIRST_NUMBER = 1000  # and less than 9000 follow, so that all requests have the same length
NUMBER = re.compile(r"number=([0-9]+)\.")

BODY = b"4\r\nbody\r\n3;x=y\r\nend\r\n0\r\nX-Trailer: 1\r\n\r\n"


def request(number):
    return (f"POST /case?number={number}. HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nX-Field: value\r\n"
            "Transfer-Encoding: chunked\r\n\r\n").encode() + BODY


RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Field: v\r\n\r\nresponse",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8;x=y\r\nresponse\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nresponse",
}


class Site:
    """Answers with RESPONSES[kind] as the request's target asks: ?number=N.&split=K or &cut=K-fin."""

    def __init__(self, context=None):
        self.origin = Origin(self.serve, context)
        self.bodies = {}  # number -> the body, once a request came whole

    def serve(self, connection):
        while asked := connection.read_request():
            words = dict(word.split("=") for word in asked.target.split("?")[1].split("&"))
            if asked.complete:
                self.bodies[words["number"]] = asked.body
            response = RESPONSES[words.get("kind", "length")]
            if "split" in words:
                at = int(words["split"])
                connection.send(response[:at])
                time.sleep(BREATH)
                connection.send(response[at:])
            elif "cut" in words:
                at, how = words["cut"].split("-")
                connection.send(response[:int(at)])
                if how == "rst":
                    time.sleep(10 * BREATH)  # a reset takes what is still on its way with it
                    connection.stream.reset()
                else:
                    connection.stream.close()
                return
            else:
                connection.send(response)


class Edge:
    def __init__(self, folder, pki, stack, scheme):
        self.scheme, self.address = scheme, own_address()
        self.port = free_port(self.address)
        https = scheme == "https"
        self.context = trusting(pki.root) if https else None
        self.site = Site(pki.pool.server_context() if https else None)
        stack.callback(self.site.origin.close)
        # Between the proxy and the site stands a wire that tests cut; uncut unless they say so.
        self.wire_plans = queue.Queue()
        self.wire = stack.enter_context(CuttingRelay(
            ("127.0.0.1", self.site.origin.port), lambda: next_plan(self.wire_plans)))
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            # No deadline ends what a cut left behind, and none cuts in on a busy machine.
            [listener(self.address, certificates=[pki.public], **{scheme: self.port},
                      timeouts={"handshake": "60s", "request_head": "60s"})],
            [allow(self.wire.port, "Wire", paths=["/wire"], bridging=scheme),
             allow(self.site.origin.port, bridging=scheme)], roots=[pki.root])))
        self.baseline = len(self.proxy.descriptors())
        self._numbers = itertools.count(FIRST_NUMBER)

    def number(self):
        return next(self._numbers)

    def client(self):
        return Client((self.address, self.port), self.context, PUBLIC_NAME, timeout=10)

    def settle(self):
        """All connections are gone, the pool's too once the site has ended them."""
        self.site.origin.close_connections()
        self.proxy.until_descriptors(self.baseline)

    def lines(self, numbers, due):
        """{number: the log lines about it}, once each that is due has come and nothing is open.

        A client that has gone is not proof that its request is over: the site stays until then, or
        its end would be what the log tells of.
        """
        give_up = time.monotonic() + 10 * PATIENCE
        while not all(map(self._lines(due).get, due)) and time.monotonic() < give_up:
            time.sleep(0.1)
        self.settle()
        return self._lines(numbers)

    def _lines(self, numbers):
        found = {number: [] for number in numbers}
        for entry in self.proxy.entries():
            asked = NUMBER.search(entry["cs-uri"])
            if asked and int(asked[1]) in found:
                found[int(asked[1])].append(entry)
        return found


def next_plan(plans):
    try:
        return plans.get_nowait()
    except queue.Empty:
        return None


@pytest.fixture(scope="module", params=["http", "https"])
def edge(request, pki, module_folder):
    folder = module_folder / request.param
    folder.mkdir()
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        yield Edge(folder, pki, stack, request.param)


def everywhere(act, cases):
    """Runs act(case) for all, some at once; returns {case: what it gave}."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cases, pool.map(act, cases)))


def wrong(found, judge):
    """What is wrong, by case: short enough to read."""
    bad = {case: fault for case, value in found.items() if (fault := judge(case, value))}
    return dict(itertools.islice(bad.items(), 5)), len(bad)


NOTHING = ({}, 0)


# Split


def test_a_request_that_comes_in_two_pieces_arrives_whole(edge):
    numbers = {}

    def split(at):
        number = numbers[at] = edge.number()
        with edge.client() as client:
            client.send(request(number)[:at])
            time.sleep(BREATH)
            client.send(request(number)[at:])
            return client.response("POST")
    found = everywhere(split, range(1, len(request(FIRST_NUMBER))))
    assert wrong(found, lambda at, response: response is None or response.status != 200 or
                 edge.site.bodies.get(f"{numbers[at]}.") != b"bodyend") == NOTHING


def test_a_request_that_comes_byte_by_byte_arrives_whole(edge):
    number = edge.number()
    with edge.client() as client:
        for byte in request(number):
            client.send(bytes([byte]))
        assert client.response("POST").status == 200
    assert edge.site.bodies[f"{number}."] == b"bodyend"


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_that_comes_in_two_pieces_arrives_whole(edge, kind):
    def split(at):
        with edge.client() as client:
            return client.get(f"/case?number={edge.number()}.&kind={kind}&split={at}")
    found = everywhere(split, range(1, len(RESPONSES[kind])))
    assert wrong(found, lambda _, response: response is None or
                 (response.status, response.body, response.complete) != (200, b"response", True)) \
        == NOTHING


# Cut


def is_client_fault(line):
    return line["action"] in ("Failed", "Denied") and line["sc-status"] in ("-", "0", "400", "408")


@pytest.mark.parametrize("how", ["fin", "rst", "silent"])
def test_a_client_that_ends_anywhere_leaves_nothing_behind(edge, how):
    """`silent`: over TLS a FIN without close_notify; over TCP the same as `fin`."""
    numbers = {}

    def cut(at):
        number = numbers[at] = edge.number()
        client = edge.client()
        client.send(request(number)[:at])
        if how == "rst":
            time.sleep(BREATH)
            client.reset()
            return None
        if how == "silent":
            client.stream.fin()
            return None
        with client:
            client.stream.half_close()
            with contextlib.suppress(OSError, ssl.SSLError, Malformed):
                return client.response("POST")
        return None
    cuts = range(len(request(FIRST_NUMBER)))
    found = everywhere(cut, cuts)
    assert wrong(found, lambda _, response: response is not None and response.status != 400) == NOTHING
    # A head that was sent has its one line in the log, however the client ended: the kernel keeps
    # for the proxy what came before a reset. And no site takes a part for the whole.
    head = request(FIRST_NUMBER).index(b"\r\n\r\n") + 4
    lines = edge.lines(numbers.values(), due=[numbers[at] for at in cuts if at >= head])
    assert not [at for at in cuts if f"{numbers[at]}." in edge.site.bodies]

    def judge(at, number):
        got = lines[number]
        if at < head and not got:
            return None
        return None if len(got) == 1 and is_client_fault(got[0]) else got or "no line"
    assert wrong({at: numbers[at] for at in cuts}, judge) == NOTHING


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("kind", RESPONSES)
def test_a_site_that_ends_anywhere_is_never_taken_for_a_whole_answer(edge, kind, how):
    numbers = {}

    def cut(at):
        number = numbers[at] = edge.number()
        with edge.client() as client:
            # A POST, since a GET might be asked again.
            client.request(f"/case?number={number}.&kind={kind}&cut={at}-{how}", method="POST",
                           body=b"x")
            try:
                response = client.response("POST")
            except Malformed:
                return None  # an interim response, then the end
            return response
    cuts = range(len(RESPONSES[kind]))
    found = everywhere(cut, cuts)

    def judge(_, response):
        if response is None:
            return "no final response"
        if response.status == 502:
            return not response.complete
        # What of the body had come went on; its end did not, and the client can tell.
        return response.status != 200 or response.complete
    assert wrong(found, judge) == NOTHING
    lines = edge.lines(numbers.values(), due=numbers.values())

    def judge_line(at, _):
        got = lines[numbers[at]]
        return len(got) != 1 or got[0]["action"] != "Failed" or \
            got[0]["sc-status"] not in ("200", "502") or "upstream" not in str(got[0].values())
    assert wrong(found, judge_line) == NOTHING


def raw_cuts(edge):
    """Where to cut a wire that carries handshake and message: everywhere it is cheap enough."""
    return range(0, 200, 1) if edge.scheme == "http" else range(0, 2600, 13)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("direction", ["forth", "back"])
def test_a_wire_to_the_site_may_be_cut_anywhere(edge, direction, how):
    """Raw bytes, so in the TLS handshake and inside records as well."""
    complete = 0
    for at in raw_cuts(edge):
        edge.wire_plans.put((direction, at, how))
        with edge.client() as client:
            client.request(f"/wire?number={edge.number()}.", method="POST", body=b"x")
            response = client.response("POST")
            assert response is not None, at
            if response.status == 200 and response.complete:
                assert response.body == b"response"
                complete += 1
            else:
                assert response.status in (200, 502, 504), (at, response)
        # A connection that was not cut to the end must not serve the next plan.
        edge.site.origin.close_connections()
        with contextlib.suppress(queue.Empty):
            edge.wire_plans.get_nowait()
    edge.settle()
    assert complete < len(raw_cuts(edge))


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("direction", ["forth", "back"])
def test_a_wire_to_the_client_may_be_cut_anywhere(edge, direction, how):
    plans = queue.Queue()
    with CuttingRelay((edge.address, edge.port), lambda: next_plan(plans)) as wire:
        for at in raw_cuts(edge):
            plans.put((direction, at, how))
            try:
                with Client(("127.0.0.1", wire.port), edge.context, PUBLIC_NAME,
                            timeout=5) as client:
                    client.request(f"/case?number={edge.number()}.", method="POST", body=b"x")
                    response = client.response("POST")
                    # Complete means that all of it came through the wire before the cut.
                    assert response is None or not response.complete or response.body == b"response"
            except (OSError, ssl.SSLError, Malformed):
                pass  # the cut, as the client sees it
    edge.settle()


def test_after_all_of_it_the_proxy_serves_as_before(edge):
    with edge.client() as client:
        assert client.get(f"/case?number={edge.number()}.").status == 200
    assert edge.proxy.process.running
