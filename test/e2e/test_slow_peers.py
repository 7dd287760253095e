"""Clients that send or take slowly: cut when only they are waited for, and left alone when not."""
import contextlib
import threading
import time

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.origin import Origin, answering
from harness.proxy import Proxy
from harness.waiting import until

# For clients that are to be cut.
STRICT = {"minimum_rate": 1000, "grace": "1s"}
# For those that are not: longer than a busy machine keeps a client of a test from running.
GRACE = 2.0
LENIENT = {"minimum_rate": 100, "grace": "2s"}
BULK = 64 << 20


class Edge:
    def __init__(self, folder, stack, serve, limits, certificates=()):
        self.site = stack.enter_context(Origin(serve))
        host = own_address()
        self.address = host, free_port(host)
        self.context = trusting() if certificates else None
        way = ({"https": self.address[1], "certificates": certificates} if certificates
               else {"http": self.address[1]})
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(host, limits=limits, **way)], [allow(self.site.port, bridging="http")])))

    def client(self, **more):
        return Client(self.address, context=self.context,
                      name=PUBLIC_NAME if self.context else None, **more)

    def until_cut(self):
        """The line of the exchange that was ended for being slow."""
        return until(lambda: [line for line in self.proxy.entries()
                              if "minimum_rate" in line["error-info"]],
                     lambda: f"nobody was cut: {self.proxy.entries()}", 30)[0]


@pytest.fixture(name="edge", params=["plain", "tls"])
def fixture_edge(folder, request, pki):
    certificates = [pki.public] if request.param == "tls" else ()
    with contextlib.ExitStack() as stack:
        yield lambda serve, limits=STRICT: Edge(folder, stack, serve, limits, certificates)


def late(connection, say=b""):
    """A site that lets a request wait for long, may say something then, and takes the body."""
    request = connection.read_head()
    if request is None:
        return
    time.sleep(3 * GRACE)
    connection.send(say)
    size = 0

    def count(piece):
        nonlocal size
        size += len(piece)
    connection.read_body(request, take=count)
    connection.respond(str(size).encode())


@answering
def in_bulk(connection, _request):
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {BULK}\r\n\r\n".encode())
    piece = bytes(1 << 20)
    for _ in range(BULK >> 20):
        connection.send(piece)


def test_a_client_that_stops_in_its_body_is_told_408_and_its_site_is_free_again(edge):
    edge = edge(answering())
    with edge.client() as client:
        client.send(f"POST /stuck HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 1000\r\n\r\nx")
        assert client.response().status == 408
        assert client.is_closed()
    assert edge.until_cut()["sc-status"] == "408"
    until(lambda: all(one.ended for one in edge.site.connections), "the site still waits for it")


def test_a_client_that_sends_a_byte_now_and_then_is_cut_as_well(edge):
    edge = edge(answering())
    with edge.client() as client:
        client.send(f"POST /drip HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 9000\r\n\r\n")

        def drip():
            with contextlib.suppress(OSError):  # it has been ended
                client.send(b"x")
            return [one for one in edge.proxy.entries() if "minimum_rate" in one["error-info"]]
        line = until(drip, "a byte now and then is enough", 30, interval=0.05)[0]
    assert line["sc-status"] == "408"


def test_a_client_that_does_not_take_its_response_is_cut_and_its_site_is_free_again(edge):
    edge = edge(in_bulk)
    with edge.client(receive_buffer=4096) as client:
        client.request("/slow")
        edge.until_cut()
        until(lambda: all(one.peer_left for one in edge.site.connections), "the site still sends")
        with pytest.raises(OSError):  # a reset, or over TLS an end without close_notify
            while client.stream.receive():
                pass
            raise OSError


def test_a_client_that_takes_slowly_but_fast_enough_gets_all_of_it(edge):
    edge = edge(answering(lambda connection, _: connection.respond(bytes(400_000))), LENIENT)
    begun = time.monotonic()
    with edge.client(receive_buffer=4096) as client:
        client.request("/steady")
        taken = []

        def slowly(piece):
            taken.append(len(piece))
            time.sleep(len(piece) * 3 * GRACE / 400_000)
        client.response(on_body=slowly)
    assert sum(taken) == 400_000
    assert time.monotonic() - begun > 3 * GRACE


def test_a_long_poll_and_a_site_that_answers_drop_by_drop_do_not_make_a_client_slow(edge):
    @answering
    def drops(connection, _request):
        time.sleep(3 * GRACE)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            connection.send(b"x")
            time.sleep(GRACE / 2)
    edge = edge(drops, LENIENT)
    with edge.client() as client:
        assert client.get("/poll").body == b"x" * 8


def test_a_body_that_the_site_does_not_take_does_not_make_its_client_slow(edge):
    edge = edge(late, LENIENT)
    body = bytes(12 << 20)  # more than lies in buffers between
    with edge.client(timeout=60) as client:
        sender = threading.Thread(target=client.request, args=("/upload",),
                                  kwargs={"method": "POST", "body": body})
        sender.start()
        answer = client.response()
        sender.join()
    assert answer.body == str(len(body)).encode()


def test_a_client_that_waits_to_be_called_for_its_body_is_not_slow(edge):
    edge = edge(lambda connection: late(connection, b"HTTP/1.1 100 Continue\r\n\r\n"), LENIENT)
    with edge.client() as client:
        client.send(f"POST /polite HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n")
        assert client.head().status == 100
        client.send(b"hello")
        assert client.response("POST").body == b"5"
