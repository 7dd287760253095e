"""Attacks while real clients are served. What is judged is counted: every real request has its answer,
every hostile connection is gone in the end, and what they held is given back.

OCSPROXY_ATTACK=full is the long form, with as many connections as an attacker on one machine can have.
"""
import concurrent.futures
import contextlib
import os
import socket
import ssl
import struct

import pytest
from harness import configuration
from harness.addresses import established, free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.load import Load
from harness.origin import Origin, answering
from harness.process import Process
from harness.proxy import SANITIZED, Proxy
from harness.waiting import PATIENCE, until

pytestmark = [pytest.mark.slow, pytest.mark.optimised]
FULL = os.environ.get("OCSPROXY_ATTACK") == "full"
CLIENTS = 6
KIBI = 1024
TIMEOUTS = {"handshake": "3s", "request_head": "3s", "idle": "3s"}
PAGE = b"x" * (1024 * KIBI)


class Edge:
    def __init__(self, folder, pki, stack, tls=True):
        self.folder = folder
        # It may be anybody's name that a tool asks for.
        self.site = stack.enter_context(Origin(answering(self._answer)))
        self.address = own_address(), free_port(own_address())
        host, port = self.address
        self.context = trusting(pki.root) if tls else None
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(host, certificates=[pki.public], timeouts=TIMEOUTS,
                      **{"https" if tls else "http": port})],
            [allow(self.site.port, bridging="http", public_names=["*"],
                   timeouts={"idle": "4s", "response_head": "6s"})],
            roots=[pki.root])))
        self.scheme = "https" if tls else "http"
        with self.load(), self.load():  # so that nothing is new any more
            until(lambda: len(self.site.requests) > 50, "no client is served")
        self.at_rest()
        self.descriptors = len(self.proxy.descriptors())
        self.resident = self.proxy.resident_kib()

    @staticmethod
    def _answer(connection, request):
        if request.target.startswith("/echo"):
            connection.respond()
        else:
            connection.respond(PAGE)

    def load(self):
        return Load(lambda: Client(self.address, self.context, PUBLIC_NAME, timeout=60),
                    clients=CLIENTS, pause=0.01)

    def at_rest(self):
        self.site.end_connections()
        least = [len(self.proxy.descriptors())]

        def quiet():
            before, least[0] = least[0], len(self.proxy.descriptors())
            return least[0] >= before
        until(quiet, "connections go on ending", interval=1)

    @contextlib.contextmanager
    def under_attack(self, growth_kib):
        """Real clients around it. Afterwards nothing of it remains but, of memory, `growth_kib`."""
        load = self.load()
        with load:
            until(lambda: len(load.sent) > CLIENTS, "no client is served")
            before = len(load.sent)
            yield load
            served = len(load.sent) - before
            # And they still are.
            until(lambda: len(load.sent) > before + served + CLIENTS, "nobody is served any more")
        assert not load.failures, f"{len(load.failures)} of {len(load.sent)}: {load.failures[:5]}"
        self.site.end_connections()
        self.proxy.until_descriptors(self.descriptors, 30)
        if not SANITIZED:  # what was kept for the next ones goes after seconds without them
            until(lambda: self.grown_kib() < growth_kib,
                  lambda: f"{self.grown_kib()} KiB more than before remain", 30, interval=0.5)

    def grown_kib(self):
        return self.proxy.resident_kib() - self.resident


@pytest.fixture(name="edge")
def fixture_edge(folder, pki):
    with contextlib.ExitStack() as stack:
        yield lambda **more: Edge(folder, pki, stack, **more)


# What a slow connection may cost, in KiB: a buffer and a spill at most, TLS. What it gave back is kept
# for the next.
SLOW = {
    "headers": ("-H", 5000 if FULL else 600, 100, ["-i", "1", "-t", "GET"]),
    "body": ("-B", 500 if FULL else 200, 200, ["-i", "10", "-t", "POST", "-s", "100000"]),
    "read": ("-X", 500 if FULL else 200, 600, ["-w", "512", "-y", "1024", "-n", "30", "-z", "32"]),
}


@pytest.mark.parametrize("kind", SLOW)
def test_slow_connections_take_nothing_from_real_clients_and_end_by_their_deadlines(edge, kind):
    edge = edge()
    how, count, each_kib, more = SLOW[kind]
    with edge.under_attack(count * each_kib):
        attack = Process(
            ["slowhttptest", "-c", count, how, "-r", count, "-x", "10", "-p", "5",
             "-l", int(40 * PATIENCE), *more, "-u", f"{edge.scheme}://{edge.address[0]}:"
             f"{edge.address[1]}/page"], edge.folder / f"slow-{kind}.log")
        try:
            until(lambda: len(edge.proxy.descriptors()) > edge.descriptors + count / 2
                  or not attack.running, "they do not come", 40)
            if not SANITIZED:
                assert edge.proxy.resident_kib() < edge.resident + count * each_kib
            # What is left is of real clients.
            until(lambda: established(edge.address) <= CLIENTS,
                  lambda: f"{established(edge.address)} clients are connected", 60)
        finally:
            attack.kill()


SOURCES = [f"127.201.{number // 200}.{1 + number % 200}" for number in range(400)]


def connect(address, source):
    connection = socket.socket()
    connection.settimeout(60)
    connection.bind((source, 0))
    connection.connect(address)
    return connection


def drop(connection):
    """With a reset, so that the port is free again."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def client_hello():
    """The first flight of a handshake that is never gone on with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = trusting().wrap_bio(incoming, outgoing, server_hostname=PUBLIC_NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def in_parallel(work, count):
    """work(number) for each, by a few threads; raises what one raises."""
    def some(first):
        for number in range(first, count, CLIENTS):
            work(number)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(some, range(CLIENTS)))


def test_connections_that_are_opened_and_dropped_leave_nothing(edge):
    edge = edge()
    hello = client_hello()
    begun = {0: b"", 1: b"GET / HT", 2: hello, 3: hello[:40]}

    def one(number):
        connection = connect(edge.address, SOURCES[number % len(SOURCES)])
        with contextlib.suppress(ConnectionError):
            connection.sendall(begun[number % len(begun)])
        drop(connection)

    # As many as may be open together below, so that what is kept for the next ones is there already.
    held = [connect(edge.address, source) for source in SOURCES * 4]
    for connection in held:
        connection.sendall(hello)
    until(lambda: len(edge.proxy.descriptors()) > edge.descriptors + 1000, "they do not come")
    for connection in held:
        drop(connection)
    edge.proxy.until_descriptors(edge.descriptors, 30)
    edge.resident = edge.proxy.resident_kib()
    with edge.under_attack(16 * KIBI):
        for _ in range(200 if FULL else 16):
            in_parallel(one, 500)
            edge.proxy.until_descriptors(edge.descriptors + 300, 30)


def test_handshakes_that_stand_still_end_by_their_deadline(edge):
    edge = edge()
    hello = client_hello()
    with edge.under_attack(32 * KIBI), contextlib.ExitStack() as held:
        connections = []
        for number in range(4000 if FULL else 500):
            connection = connect(edge.address, SOURCES[number % len(SOURCES)])
            connections.append(held.enter_context(contextlib.closing(connection)))
            connection.sendall(hello)
        for connection in connections:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass


def test_a_flood_of_whole_handshakes_takes_nothing_from_real_clients(edge):
    edge = edge()

    def one(number):
        source = SOURCES[number % len(SOURCES)]
        with Client(edge.address, edge.context, PUBLIC_NAME, timeout=60, source=source) as client:
            client.reset()
    with edge.under_attack(16 * KIBI):
        in_parallel(one, 20_000 if FULL else 1_500)
