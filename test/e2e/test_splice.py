"""Bodies that go from socket to socket through a pipe: between plain sides they do on every kernel.
(Under TLS: test_kernel_tls.py.)"""
import contextlib
import hashlib
import random
import threading

import pytest
from harness.addresses import free_port
from harness.client import Client
from harness.configuration import allow, configuration, listener
from harness.origin import Origin, answering
from harness.process import without_free_descriptors
from harness.proxy import Proxy
from harness.waiting import until

BODY = random.Random(2).randbytes(5_000_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
PART = 1_000_000


class Bench:
    """The proxy between plain sides. What has a pipe is spliced."""

    def __init__(self, folder, serve, timeouts=None):
        self.origin = Origin(serve)
        self.address = ("127.0.0.1", free_port("127.0.0.1"))
        more = {"timeouts": timeouts} if timeouts else {}
        self.proxy = Proxy(folder, configuration(
            [listener("127.0.0.1", http=self.address[1])],
            [allow(self.origin.port, bridging="http", **more)], workers=1))

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.origin)
            stack.enter_context(self.proxy)
            self._before = self.proxy.pipe_ends()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *what):
        return self._stack.__exit__(*what)

    def pipes(self):
        return (self.proxy.pipe_ends() - self._before) / 2

    def until_pipes(self, number):
        until(lambda: self.pipes() == number, lambda: f"{self.pipes()} pipes, not {number}")


def answer(connection, request):
    if request.method == "POST":
        connection.respond(hashlib.sha256(request.body).hexdigest().encode())
    else:
        connection.respond(BODY if request.target == "/" else b"small")


def in_two_parts(goes_on, then):
    """An origin that sends a part, waits, and does `then` with the connection."""
    def serve(connection):
        connection.read_request()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n")
        connection.send(BODY[:PART])
        goes_on.wait(60)
        then(connection)
    return serve


def body_of(client):
    return bytes(client.stream.received).partition(b"\r\n\r\n")[2]


def digest(body):
    return hashlib.sha256(body).hexdigest()


def test_large_bodies_arrive_whole_in_both_directions_and_pipes_are_used_again(folder):
    with Bench(folder, answering(answer)) as bench, Client(bench.address) as client:
        for _ in range(5):
            assert digest(client.get("/").body) == DIGEST
            client.request("/", "POST", body=BODY)
            assert client.response("POST").body.decode() == DIGEST
        assert bench.pipes() == 1  # one direction at a time


def test_each_body_that_is_under_way_has_a_pipe_of_its_own(folder):
    goes_on = threading.Event()
    serve = in_two_parts(goes_on, lambda connection: connection.send(BODY[PART:]))
    with Bench(folder, serve) as bench, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(bench.address)) for _ in range(3)]
        for number, client in enumerate(clients, 1):
            client.request("/")
            bench.until_pipes(number)
        goes_on.set()
        for client in clients:
            assert digest(client.response().body) == DIGEST
        bench.until_pipes(3)  # kept


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_body_that_the_site_cuts_is_cut_for_the_client(folder, end):
    goes_on = threading.Event()
    serve = in_two_parts(goes_on, lambda connection: getattr(connection.stream, end)())
    with Bench(folder, serve) as bench, Client(bench.address) as client:
        client.request("/")
        bench.until_pipes(1)
        goes_on.set()
        client.rest()
        body = body_of(client)
        assert len(body) < len(BODY) and BODY.startswith(body)
        if end == "close":
            assert len(body) == PART
        [line] = bench.proxy.until_entries(1)
        assert line["action"] == "Failed" and "response_body" in line["error-info"]


def test_a_pipe_with_bytes_of_a_client_that_reset_serves_nobody_else(folder):
    with Bench(folder, answering(answer)) as bench:
        client = Client(bench.address, receive_buffer=8192)
        client.request("/")
        client.stream.receive(1)
        # The client takes nothing more, the pipe is full.
        bench.until_pipes(1)
        client.reset()
        until(lambda: bench.origin.connections[0].peer_left, "the upstream connection stays")
        bench.until_pipes(0)
        with Client(bench.address) as other:
            assert digest(other.get("/").body) == DIGEST
        bench.until_pipes(1)
        assert bench.proxy.until_entries(2)[0]["action"] == "Failed"


def test_a_site_that_stalls_in_the_body_meets_the_idle_deadline(folder):
    serve = in_two_parts(threading.Event(), lambda connection: None)
    with Bench(folder, serve, {"idle": "2s"}) as bench, Client(bench.address) as client:
        client.request("/")
        bench.until_pipes(1)
        client.rest()
        [line] = bench.proxy.until_entries(1)
        assert line["error-info"].startswith("upstream timeout (idle) in response_body"), line


def test_a_client_that_does_not_read_meets_the_idle_deadline(folder):
    def serve(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.send(BODY)
    with Bench(folder, serve, {"idle": "2s"}) as bench, Client(bench.address) as client:
        client.request("/")
        bench.until_pipes(1)
        [line] = bench.proxy.until_entries(1, seconds=20)
        assert line["error-info"].startswith("client timeout (idle) in response_body"), line


def test_what_follows_a_spliced_body_is_the_next_request(folder):
    with Bench(folder, answering(answer)) as bench, Client(bench.address) as client:
        head = f"POST /up HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: {len(BODY)}\r\n\r\n"
        client.send(head.encode() + BODY + b"GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n")
        assert client.response("POST").body.decode() == DIGEST
        assert digest(client.response().body) == DIGEST
        assert [request.target for request in bench.origin.requests] == ["/up", "/"]
        assert bench.pipes() == 1


def test_a_response_that_ends_with_the_connection_is_whole_and_has_no_pipe(folder):
    def serve(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\n\r\n")
        connection.send(BODY)
    with Bench(folder, serve) as bench, Client(bench.address) as client:
        client.request("/", version="HTTP/1.0")
        client.rest()
        assert digest(body_of(client)) == DIGEST
        assert bench.pipes() == 0


def test_without_a_descriptor_for_a_pipe_bodies_are_copied(folder):
    with Bench(folder, answering(answer)) as bench, Client(bench.address) as client:
        assert client.get("/small").body == b"small"  # both connections stand
        with without_free_descriptors(bench.proxy.server_pid):
            assert digest(client.get("/").body) == DIGEST
            client.request("/", "POST", body=BODY)
            assert client.response("POST").body.decode() == DIGEST
            assert bench.pipes() == 0
        assert digest(client.get("/").body) == DIGEST
        assert bench.pipes() == 1
