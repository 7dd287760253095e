"""Flood mitigation: what one address may do, what it is told, and that others do not notice."""
import concurrent.futures
import contextlib
import itertools
import time

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, deny, listener
from harness.origin import Origin, answering
from harness.proxy import SANITIZED, Proxy
from harness.waiting import until

pytestmark = pytest.mark.concurrency

EVENT = "flood mitigation: "
# The harness itself asks from 127.0.0.1 whether the program listens.
HARNESS = {"from": ["127.0.0.1"], "unlimited": True}
_crowd = itertools.count()


def stranger():
    """An address that no other client of this run has."""
    number = next(_crowd)
    return f"127.{220 + number // 60000}.{number // 250 % 240}.{number % 250 + 1}"


def limits(*exceptions, **more):
    return {**more, "exceptions": [HARNESS, *exceptions]}


def minute(late=0):
    """The proxy's: both count the kernel's monotonic clock. A worker reads it once in a round, so
    it may be a little `late`."""
    return int((time.monotonic() - late) // 60)


def in_one_minute(ask):
    """What `ask` says when it began and ended in the same minute; else it is asked again, and must
    take new addresses each time."""
    for _ in range(5):
        until(lambda: minute(late=1) == minute(), "a minute is never a second old")
        before = minute()
        answer = ask()
        if minute() == before:
            return answer
    raise AssertionError("it takes longer than a minute")


class Edge:
    def __init__(self, folder, stack, flood, certificates=(), rules=(), workers=2):
        self.site = stack.enter_context(
            Origin(answering(lambda connection, _: connection.respond())))
        host = own_address()
        self.address = host, free_port(host)
        self.certificates, self._workers = certificates, workers
        self._rules = [*rules, allow(self.site.port, bridging="http")]
        self.proxy = stack.enter_context(Proxy(folder, self.settings(flood)))

    def settings(self, flood):
        host, port = self.address
        way = ({"https": port, "certificates": self.certificates} if self.certificates
               else {"http": port})
        return configuration.configuration([listener(host, **way)], self._rules,
                                           workers=self._workers, flood_mitigation=flood)

    def client(self, source, **more):
        return Client(self.address, source=source, **more)

    def served(self, source):
        """A client that has been answered, or None when its connection was dropped."""
        client = None
        try:
            client = self.client(source)
            client.request("/")
            answer = client.response()
        except OSError:
            answer = None
        if answer is None:
            if client:
                client.close()
            return None
        assert answer.status == 200
        return client

    def statuses(self, source, count, target="/"):
        """Of `count` requests on one connection."""
        with self.client(source) as client:
            return [client.get(target).status for _ in range(count)]

    def events(self, of=""):
        return [line for line in self.proxy.log().splitlines() if EVENT + of in line]


@pytest.fixture(name="edge")
def fixture_edge(folder):
    with contextlib.ExitStack() as stack:
        yield lambda flood, **more: Edge(folder, stack, flood, **more)


# Requests


def test_requests_above_the_limit_get_429_on_the_same_connection_and_never_reach_the_site(edge):
    edge = edge(limits(requests_per_minute=60))

    def ask():
        edge.site.forget()
        source = stranger()
        with edge.client(source) as client:
            answers = [client.get(f"/{number}") for number in range(70)]
        return source, answers
    source, answers = in_one_minute(ask)
    assert [answer.status for answer in answers] == [200] * 60 + [429] * 10
    assert len(edge.site.requests) == 60
    for refused in answers[60:]:
        assert 1 <= int(refused.get("Retry-After")) <= 60
        assert refused.get("Connection") == "keep-alive"
    assert "Retry-After" not in dict(answers[0].fields)
    line = until(lambda: [one for one in edge.proxy.entries() if one["c-ip"] == source
                          and one["sc-status"] == "429"], "no line of it in the access log")[0]
    assert "flood_mitigation.requests_per_minute" in line["error-info"]


def test_connections_of_an_address_share_its_requests_and_another_address_has_its_own(edge):
    edge = edge(limits(requests_per_minute=60))

    def ask():
        alice, bob = stranger(), stranger()
        return [edge.statuses(source, count)
                for source, count in ((alice, 30), (alice, 30), (alice, 2), (bob, 2))]
    assert in_one_minute(ask) == [[200] * 30, [200] * 30, [429] * 2, [200] * 2]


def test_an_address_that_is_over_a_limit_is_logged_once_with_the_exception_to_add(edge):
    edge = edge(limits(requests_per_minute=60))

    def ask():
        source = stranger()
        for _ in range(3):
            edge.statuses(source, 30)
        return source
    source = in_one_minute(ask)
    (event,) = edge.events(source)
    assert f"{source} sent more than 60 requests in a minute (requests_per_minute)" in event
    assert f'add  exceptions: [{{from: ["{source}"], requests_per_minute: 600}}]' in event


def test_the_exception_that_the_log_names_can_be_added_and_counts_after_a_reload(edge):
    edge = edge(limits(requests_per_minute=60))

    def ask():
        source = stranger()
        with edge.client(source) as client:
            before = [client.get().status for _ in range(61)]
            edge.proxy.reload(edge.settings(limits({"from": [source], "requests_per_minute": 80},
                                                   requests_per_minute=60)))
            after = [client.get().status for _ in range(21)]
        edge.proxy.reload(edge.settings(limits(requests_per_minute=60)))
        return before, after
    before, after = in_one_minute(ask)
    assert before == [200] * 60 + [429]
    assert after == [200] * 20 + [429], "what was counted before the reload still counts"


def test_denied_requests_have_a_limit_of_their_own(edge):
    edge = edge(limits(denied_per_minute=10, requests_per_minute=1000),
                rules=[deny("/closed/*")])

    def ask():
        source = stranger()
        denied = edge.statuses(source, 10, "/closed/door")
        return source, denied, edge.statuses(source, 2)
    source, denied, then = in_one_minute(ask)
    assert denied == [403] * 10
    assert then == [429] * 2
    assert "that were denied (denied_per_minute)" in edge.events(source)[0]


@pytest.mark.slow
def test_after_as_long_as_the_answer_says_the_address_is_served_again(edge):
    edge = edge(limits(requests_per_minute=60))
    source = stranger()

    def ask():
        edge.statuses(source, 60)
        with edge.client(source) as client:
            return client.get()
    refused = ask()
    if refused.status == 200:  # the minute ended meanwhile
        refused = ask()
    assert refused.status == 429
    served_from = time.monotonic() + int(refused.get("Retry-After"))
    with edge.client(source) as client:
        until(lambda: client.get().status == 200, "it is refused for ever", 70, interval=0.5)
    assert minute() >= int(served_from // 60)


# Connections


def test_connections_above_the_limit_are_dropped_and_those_that_stand_live_on(edge):
    edge = edge(limits(connections_per_minute=30))

    def ask():
        source = stranger()
        with edge.client(source) as first:
            first.get()
            others = [edge.served(source) for _ in range(31)]
            still = first.get().status
        for client in others:
            if client:
                client.close()
        return source, [bool(client) for client in others], still
    source, others, still = in_one_minute(ask)
    assert others == [True] * 29 + [False] * 2
    assert still == 200
    (event,) = edge.events(source)
    assert "opened more than 30 connections in a minute (connections_per_minute)" in event


def test_as_many_connections_as_the_limit_are_open_at_a_time_and_each_that_ends_makes_room(edge):
    edge = edge(limits(concurrent_connections=10))
    source = stranger()
    clients = [edge.served(source) for _ in range(10)]
    assert all(clients)
    assert edge.served(source) is None
    other = edge.served(stranger())
    assert other, "another address is not served"
    other.close()
    clients.pop().close()
    clients.append(until(lambda: edge.served(source), "the room that it made is not given"))
    for client in clients:
        assert client.get().status == 200
        client.close()
    assert f"{source} has 10 connections open (concurrent_connections)" in edge.events(source)[0]


def test_handshakes_that_do_not_end_are_bounded_and_established_connections_do_not_count(edge, pki):
    edge = edge(limits(concurrent_connections=100, half_open=5, connections_per_minute=100_000),
                certificates=[pki.public], workers=1)  # which accepts in the order of arrival
    source, tls = stranger(), trusting()
    established = []
    for _ in range(8):
        established.append(edge.client(source, context=tls, name=PUBLIC_NAME))
        # With an answer the handshake has ended on the proxy's side too.
        assert established[-1].get().status == 200
    silent = [edge.client(source) for _ in range(5)]
    until(lambda: _is_dropped(edge, source, tls), "more handshakes are let in than may be")
    assert [client.get().status for client in established] == [200] * 8
    silent.pop().close()
    until(lambda: not _is_dropped(edge, source, tls), "a handshake that ended is still counted")
    for client in (*established, *silent):
        client.close()
    assert f"{source} has 5 TLS handshakes under way (half_open)" in edge.events(source)[0]


def _is_dropped(edge, source, context):
    try:
        with edge.client(source, context=context, name=PUBLIC_NAME) as client:
            return client.get() is None
    except OSError:
        return True


# Exceptions


def test_of_several_exceptions_the_first_that_an_address_is_in_counts(edge):
    alice, bob = stranger(), stranger()
    edge = edge(limits({"from": [alice], "unlimited": True},
                       {"from": ["External"], "concurrent_connections": 12}))
    for source, most in ((alice, 20), (bob, 12)):
        clients = [edge.served(source) for _ in range(20)]
        assert sum(map(bool, clients)) == most
        for client in filter(None, clients):
            client.close()
    event = edge.events(bob)[0]
    assert "write  concurrent_connections: 30  in their exception in" in event
    assert "ocsproxy.yaml:" in event
    assert not edge.events(alice)


def test_what_is_not_limited_is_counted_once_a_reload_limits_it(edge):
    edge = edge({"enabled": False})
    source = stranger()
    clients = [edge.served(source) for _ in range(12)]
    assert all(clients)
    edge.proxy.reload(edge.settings(limits(concurrent_connections=10)))
    assert [client.get().status for client in clients] == [200] * 12, "established ones live on"
    assert edge.served(source) is None
    for client in clients:
        client.close()
    until(lambda: edge.served(source), "those that ended are still counted").close()


# Many addresses


def test_events_are_bounded_however_many_addresses_there_are(edge):
    edge = edge(limits(requests_per_minute=60))

    def ask():
        before = len(edge.events())
        crowd = [stranger() for _ in range(30)]
        for source in crowd:
            with edge.client(source) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n" * 61)
                assert [client.response().status for _ in range(61)] == [200] * 60 + [429]
        return before
    before = in_one_minute(ask)
    events = edge.events()[before:]
    assert len(events) == 21
    assert "more addresses than 20 are over a limit in this minute" in events[-1]


def _burst(edge, source, count):
    """`count` denied requests at once -> how many answers were 403, how many 429."""
    request = b"GET /closed/door HTTP/1.1\r\nHost: www.example.test\r\n"
    with edge.client(source) as client:
        client.send((request + b"\r\n") * (count - 1) + request + b"Connection: close\r\n\r\n")
        came = client.rest()
    return came.count(b"HTTP/1.1 403 "), came.count(b"HTTP/1.1 429 ")


@pytest.mark.slow
def test_a_flood_from_thousands_of_addresses_is_held_to_the_limit_of_each_in_bounded_memory(edge):
    crowd = [stranger() for _ in range(1_000 if SANITIZED else 10_000)]
    edge = edge(limits(requests_per_minute=60), rules=[deny("/closed/*")])
    begun = minute()
    _burst(edge, stranger(), 62)
    resident = edge.proxy.resident_kib()

    def some(mine):
        for source in mine:
            before = minute(late=1)
            seen = _burst(edge, source, 62)
            assert sum(seen) == 62
            assert seen == (60, 2) if minute() == before else seen[0] >= 60

    with edge.client(stranger()) as friend, concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in pool.map(some, [crowd[part::20] for part in range(20)]):
            assert friend.get().status == 200
    minutes = minute() - begun + 1
    assert len(edge.site.requests) == 20, "what is refused reached the site"
    assert 1 <= len(edge.events()) <= 21 * minutes
    if not SANITIZED:
        # The table is 9 MiB, of which only what was looked at is in memory.
        assert edge.proxy.resident_kib() - resident < 16 * 1024
