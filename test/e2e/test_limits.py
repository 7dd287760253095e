"""What a site and a listener may have at a time, and what happens to the one too many."""
import concurrent.futures
import contextlib
import threading

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client
from harness.configuration import allow, listener
from harness.origin import Origin, answering
from harness.proxy import Proxy
from harness.waiting import until

def two(**more):
    return {"limits": {"connections": 2, **more}}


class Edge:
    """One worker, so that all clients meet in it, and a site that answers when it is released."""

    def __init__(self, folder, stack, wait="30s", to=None, **more):
        self.release = threading.Event()
        self.site = stack.enter_context(Origin(answering(self._answer)))
        self.address = own_address(), free_port(own_address())
        host, port = self.address
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(host, http=port, **more)],
            [allow(self.site.port, bridging="http", to=to or two(), timeouts={"queue": wait})],
            workers=1)))

    def _answer(self, connection, request):
        assert self.release.wait(30)
        connection.respond()

    def get(self, number):
        with Client(self.address) as client:
            return client.get(f"/{number}", fields=("Connection: close",)).status


@pytest.fixture(name="edge")
def fixture_edge(folder):
    with contextlib.ExitStack() as stack:
        yield lambda **more: Edge(folder, stack, **more)


def test_requests_above_the_limit_of_a_target_wait_and_are_served_in_turn(edge):
    edge = edge()
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(edge.get, number) for number in range(8)]
        until(lambda: len(edge.site.requests) == 2, "two requests did not reach the site")
        edge.release.set()
        assert [one.result() for one in asked] == [200] * 8
    assert len(edge.site.connections) <= 2
    assert len(edge.site.requests) == 8


def test_a_request_that_waits_longer_than_the_queue_deadline_gets_503_and_the_log_says_why(edge):
    edge = edge(wait="200ms")
    with concurrent.futures.ThreadPoolExecutor(2) as clients:
        served = [clients.submit(edge.get, number) for number in range(2)]
        until(lambda: len(edge.site.requests) == 2, "two requests did not reach the site")
        with Client(edge.address) as client:
            late = client.get("/late")
            assert (late.status, late.get("Retry-After")) == (503, "5")
        edge.release.set()
        assert [one.result() for one in served] == [200] * 2
    assert ("all connections to pool.example.internal are in use: to.limits.connections permits 2, "
            "of which 2 to each worker; none became free within 200ms (timeouts.queue)"
            ) in edge.proxy.log()


def test_a_request_that_finds_the_queue_full_gets_503_at_once_and_the_log_says_why(edge):
    edge = edge(to=two(queue=3))
    with concurrent.futures.ThreadPoolExecutor(5) as clients:
        served = [clients.submit(edge.get, number) for number in range(2)]
        until(lambda: len(edge.site.requests) == 2, "two requests did not reach the site")
        waiting = []
        for number in range(3):
            waiting.append(Client(edge.address))
            waiting[-1].request(f"/waiting/{number}")
        # On loopback they are with the proxy by now, in front of this one.
        assert edge.get("surplus") == 503
        edge.release.set()
        assert [one.result() for one in served] == [200] * 2
        assert [client.response().status for client in waiting] == [200] * 3
        for client in waiting:
            client.close()
    assert "as many requests wait as may (to.limits.queue: 3)" in edge.proxy.log()


def test_with_a_queue_of_none_a_request_is_served_or_refused_at_once(edge):
    edge = edge(to=two(queue=0))
    with concurrent.futures.ThreadPoolExecutor(2) as clients:
        served = [clients.submit(edge.get, number) for number in range(2)]
        until(lambda: len(edge.site.requests) == 2, "two requests did not reach the site")
        assert edge.get("third") == 503
        edge.release.set()
        assert [one.result() for one in served] == [200] * 2
    assert edge.get("later") == 200


def test_a_client_that_leaves_while_it_waits_leaves_its_place_to_the_next(edge):
    edge = edge()
    with concurrent.futures.ThreadPoolExecutor(3) as clients:
        served = [clients.submit(edge.get, number) for number in range(2)]
        until(lambda: len(edge.site.requests) == 2, "two requests did not reach the site")
        leaving = Client(edge.address)
        leaving.request("/leaving")
        patient = clients.submit(edge.get, "patient")
        leaving.reset()
        until(lambda: [line for line in edge.proxy.entries() if "leaving" in line["cs-uri"]],
              "no line about the client that left")
        edge.release.set()
        assert [one.result() for one in (*served, patient)] == [200] * 3
    assert sorted(request.target for request in edge.site.requests) == ["/0", "/1", "/patient"]


def test_a_connection_above_the_limit_of_a_listener_is_closed_and_the_log_names_the_setting(edge):
    edge = edge(limits={"connections": 3})
    edge.release.set()

    def served():
        client = Client(edge.address)
        client.request("/")
        answer = client.response()
        if answer is None:
            client.close()
            return None
        assert answer.status == 200
        return client

    # The one that waited for the proxy to listen may not have been forgotten yet.
    clients = [until(served, "there is room and it is not given") for _ in range(3)]
    with Client(edge.address) as late:
        assert late.is_closed()
    assert "(limits.connections)" in edge.proxy.log()
    clients.pop().close()
    clients.append(until(served, "a place that became free was not given to the next"))
    for client in clients:
        client.close()
