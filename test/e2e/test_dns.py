"""Sites without an address in the configuration: DNS says where they are, or does not."""
import contextlib

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client
from harness.configuration import SITE, allow, listener
from harness.nameserver import A, NameServer
from harness.origin import Origin, answering
from harness.proxy import Proxy
from harness.waiting import until

pytestmark = pytest.mark.root


class Edge:
    """One worker, which knows where the site is only from the name server."""

    def __init__(self, folder, stack, addresses):
        self.site = stack.enter_context(Origin(answering()))
        self.names = stack.enter_context(NameServer(own_address(), addresses))
        self.address = own_address(), free_port(own_address())
        host, port = self.address
        rule = allow(self.site.port, bridging="http")
        del rule["to"]["address"]
        self.proxy = stack.enter_context(Proxy(
            folder, configuration.configuration([listener(host, http=port)], [rule], workers=1),
            within=self.names.words(folder)))

    def client(self):
        return Client(self.address, timeout=60)

    def lines(self, text):
        return [line for line in self.proxy.entries() if text in line["cs-uri"]]


@pytest.fixture(name="edge")
def fixture_edge(folder):
    with contextlib.ExitStack() as stack:
        yield lambda addresses: Edge(folder, stack, addresses)


def test_a_site_without_an_address_is_found_by_its_name(edge):
    edge = edge({SITE: "127.0.0.1"})
    for _ in range(3):
        with edge.client() as client:
            assert client.get("/", fields=("Connection: close",)).status == 200
    assert (SITE, A) in edge.names.questions


def test_a_site_that_moved_is_followed_once_its_ttl_is_over(edge):
    edge = edge({SITE: "127.0.0.2"})  # where nobody listens
    with edge.client() as client:
        assert client.get("/", fields=("Connection: close",)).status == 502
    edge.names.addresses[SITE] = "127.0.0.1"

    def served():
        with edge.client() as client:
            return client.get("/", fields=("Connection: close",)).status == 200
    until(served, "the site's new address is not used")


def test_a_name_that_does_not_exist_is_a_502_and_the_log_names_it(edge):
    edge = edge({})
    with edge.client() as client:
        assert client.get("/").status == 502
    assert f"{SITE} has no address" in edge.proxy.log()


def test_a_client_that_leaves_while_a_name_server_is_silent_leaves_nothing_behind(edge):
    edge = edge({SITE: None})
    before = len(edge.proxy.descriptors())
    for number in range(8):
        client = edge.client()
        client.request(f"/left-{number}")
        until(lambda: edge.names.questions, "the name server was not asked")
        client.reset()
    until(lambda: len(edge.lines("/left-")) == 8, "no line about the clients that left")
    with edge.client() as client:  # and whoever stays is told
        assert client.get("/stayed").status in (502, 504)
    edge.names.addresses[SITE] = "127.0.0.1"

    def served():
        with edge.client() as client:
            return client.get("/", fields=("Connection: close",)).status == 200
    until(served, "the name server speaks again and nobody listens", 20)
    edge.proxy.until_descriptors(before + 4)  # the resolver's socket, the site's connection


def test_while_dns_is_gone_the_last_answer_serves(edge):
    edge = edge({SITE: "127.0.0.1"})

    def ask(number):
        with edge.client() as client:
            return client.get(f"/{number}", fields=("Connection: close",)).status
    assert ask(0) == 200
    edge.names.addresses[SITE] = None
    asked = len(edge.names.questions)
    number = 1
    while len(edge.names.questions) == asked:  # until the answer has run out
        edge.site.end_connections()  # so that a new one must be made
        assert ask(number) == 200
        number += 1
        assert number < 1000
    edge.site.end_connections()
    assert ask("stale") == 200
