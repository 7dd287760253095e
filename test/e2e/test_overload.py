"""Too few descriptors, connections or too little memory: what there is goes on being served."""
import contextlib
import threading

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.origin import Origin, answering
from harness.process import without_free_descriptors
from harness.proxy import SANITIZED, Proxy
from harness.waiting import until

pytestmark = pytest.mark.concurrency


class Edge:
    """One worker, and a site that answers while it is released."""

    def __init__(self, folder, stack, limits=None, within=(), certificates=()):
        self.release = threading.Event()
        self.site = stack.enter_context(Origin(answering(self._answer)))
        host = own_address()
        self.address = host, free_port(host)
        self.certificates = certificates
        self.proxy = stack.enter_context(Proxy(folder, self.settings(limits), within=within))

    def _answer(self, connection, request):
        assert self.release.wait(60)
        connection.respond()

    def settings(self, limits=None):
        host, port = self.address
        way = ({"https": port, "certificates": self.certificates} if self.certificates
               else {"http": port})
        return configuration.configuration(
            [listener(host, **way)], [allow(self.site.port, bridging="http")],
            workers=1, **({"limits": limits} if limits else {}))

    def connect(self):
        return Client(self.address, trusting() if self.certificates else None, PUBLIC_NAME)

    def arrived(self, count, seconds=1):
        """Do so many requests reach the site?"""
        try:
            return until(lambda: len(self.site.requests) >= count, "", seconds)
        except AssertionError:
            return False

    def busy(self):
        """A client whose request is with the site."""
        before = len(self.site.requests)
        client = self.connect()
        client.request("/busy")
        until(lambda: len(self.site.requests) > before, "the request did not reach the site")
        return client

    def served(self):
        """A client that has been answered, with the answer; None when there is no room for it."""
        client = None
        try:
            client = self.connect()
            client.request("/")
            answer = client.response()
        except OSError:
            answer = None
        if answer is None or answer.status == 503:
            if client:
                client.close()
            return None
        assert answer.status == 200
        return client, answer

    def until_said(self, text):
        return until(lambda: [line for line in self.proxy.log().splitlines()
                              if "overload: " in line and text in line],
                     lambda: f"the log does not say: {text}\n{self.proxy.log()}", 20)[0]


@pytest.fixture(name="edge")
def fixture_edge(folder):
    with contextlib.ExitStack() as stack:
        yield lambda **more: Edge(folder, stack, **more)


def test_connections_close_after_their_response_when_they_run_short(edge):
    edge = edge(limits={"connections": 20})
    edge.release.set()
    clients, kept = [], 0
    for _ in range(18):
        client, answer = edge.served()
        clients.append(client)
        kept += answer.get("Connection") != "close"
    assert kept == 16, "from four fifths on they are not kept"
    for client in clients:
        client.close()
    assert edge.until_said("connections close after their response")


def test_idle_connections_are_closed_the_one_first_that_is_idle_for_longest(edge):
    edge = edge(limits={"connections": 20})
    edge.release.set()
    clients = [edge.served()[0] for _ in range(15)]
    assert clients[0].get().status == 200, "it is not the oldest any more"
    edge.release.clear()
    busy = [edge.busy() for _ in range(3)]
    assert edge.until_said("idle connections are closed")
    assert all(client.is_closed() for client in clients[1:3])
    edge.release.set()
    assert [client.response().status for client in busy] == [200] * 3
    assert clients[0].get().status == 200
    assert clients[-1].get().status == 200
    for client in (*clients, *busy):
        client.close()


def test_when_nothing_is_left_to_close_new_clients_get_503_until_there_is_room_again(edge):
    edge = edge(limits={"connections": 20})
    busy = [edge.busy() for _ in range(20)]
    with edge.connect() as late:
        late.request("/late")
        answer = late.response()
        assert (answer.status, answer.get("Retry-After")) == (503, "5")
    said = edge.until_said("new connections are not taken")
    assert "limits.connections at the top of the configuration" in said
    edge.release.set()
    for client in busy:
        assert client.response().status == 200
        client.close()
    until(edge.served, "there is room again, and it is not given")[0].close()


def test_without_room_over_tls_new_connections_are_reset_before_the_handshake(edge, pki):
    edge = edge(limits={"connections": 10}, certificates=[pki.public])
    busy = [edge.busy() for _ in range(10)]
    with pytest.raises(OSError):
        edge.connect()
    edge.release.set()
    for client in busy:
        assert client.response().status == 200
        client.close()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is not the program's")
def test_without_memory_requests_get_503_and_are_served_when_there_is_some_again(edge):
    edge = edge()
    edge.release.set()
    half = edge.connect()
    half.send("GET /half HTTP/1.1\r\n")
    edge.served()[0].close()  # behind which that has been read
    edge.proxy.reload(edge.settings({"memory": 16 << 20}))
    assert "limits.memory" in edge.until_said("new connections are not taken")
    assert edge.served() is None
    half.send(f"Host: {PUBLIC_NAME}\r\n\r\n")
    answer = half.response()
    assert (answer.status, answer.get("Retry-After")) == (503, "5")
    edge.proxy.reload(edge.settings({"memory": 10 << 30}))
    until(edge.served, "it is refused in spite of the limit")[0].close()
    half.close()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own descriptors and threads want more")
def test_with_few_descriptors_new_clients_are_told_so_before_the_last_is_taken(edge):
    edge = edge(within=["prlimit", "--nofile=96:96"])
    busy = []
    while True:
        client = edge.connect()
        client.request("/")
        busy.append(client)
        if not edge.arrived(len(busy)):
            break
        assert len(busy) < 60
    assert busy.pop().response().status == 503
    assert len(busy) >= 15
    assert "LimitNOFILE" in edge.until_said("new connections are not taken")
    assert "cannot accept connections" not in edge.proxy.log()
    edge.release.set()
    for client in busy:
        assert client.response().status == 200
        client.close()
    until(edge.served, "there is room again, and it is not given")[0].close()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own descriptors and threads want more")
def test_without_any_descriptor_what_stands_is_served_and_nobody_waits_in_the_queue(edge):
    edge = edge()
    busy = [edge.busy() for _ in range(5)]
    with without_free_descriptors(edge.proxy.server_pid):
        late = [edge.connect() for _ in range(10)]  # the kernel accepts them into the queue
        for client in late:
            with pytest.raises(ConnectionResetError):
                client.request("/late")
                if client.response() is None:
                    raise ConnectionResetError
        assert "cannot accept connections" in edge.proxy.log()
        edge.release.set()
        for client in busy:
            assert client.response().status == 200
            client.close()
        until(edge.served, "what became free is not used")[0].close()
