"""Every system call of the data path made to fail while requests run, one in so many.

What a client sees is the right answer or one that says that there is none; afterwards all is as it
was: no descriptor more, a line for each request, and every request is served again.
"""
import collections
import concurrent.futures
import contextlib
import hashlib
import ssl

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.failing_calls import FailingCalls
from harness.messages import Malformed
from harness.origin import Origin
from harness.proxy import Proxy

pytestmark = pytest.mark.optimised  # what is preloaded gets along with no sanitizer
CLIENTS, REQUESTS = 6, 20
# What a fault may cost a connection, which then ends by its deadline and not by the test's.
SHORT = {"handshake": "1s", "request_head": "1s", "idle": "1s"}


def body_of(target):
    """Nobody's but this request's."""
    seed = hashlib.sha256(target.encode()).digest()
    return seed * (1 + seed[0] * 64)  # up to 512 KiB, so that some are worth a pipe


class Edge:
    def __init__(self, folder, pki, stack, scheme):
        https = scheme == "https"
        self.calls = FailingCalls(folder)
        stack.callback(self.calls.close)
        self.site = stack.enter_context(
            Origin(self._serve, pki.pool.server_context() if https else None))
        self.address = own_address(), free_port(own_address())
        host, port = self.address
        self.context = trusting(pki.root) if https else None
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(host, certificates=[pki.public], timeouts=SHORT, **{scheme: port})],
            [allow(self.site.port, bridging=scheme, timeouts={"connect": "1s"})],
            roots=[pki.root]), environment=self.calls.environment))
        # Nobody has asked yet, but who looked whether it listens may not have been seen off.
        self.before = min(len(self.proxy.descriptors()) for _ in range(100))

    @staticmethod
    def _serve(connection):
        with contextlib.suppress(OSError, ssl.SSLError):  # a fault may end any connection
            while (request := connection.read_request()) and request.complete:
                assert not request.body or request.body == body_of(request.target)
                if len(connection.requests) == 4:  # so that there are always some to be made
                    connection.respond(body_of(request.target), fields=["Connection: close"])
                    return
                connection.respond(body_of(request.target))

    def ask(self, client, target, upload):
        if upload:
            client.request(target, method="POST", body=body_of(target))
        else:
            client.request(target)
        response = client.response("POST" if upload else "GET")
        if response is None or not response.complete:
            return "cut"
        if response.status == 200:
            assert response.body == body_of(target), f"a wrong body for {target}"
        return response.status

    def client(self, name):
        """Asks, on connections that it renews now and then -> what it saw, counted."""
        seen = collections.Counter()
        left = list(range(REQUESTS))
        while left:
            try:
                with Client(self.address, self.context, PUBLIC_NAME) as client:
                    for number in left[:10]:
                        left.remove(number)
                        seen[self.ask(client, f"/{name}/{number}", number % 3 == 0)] += 1
            except TimeoutError:
                raise AssertionError(f"{name} was left to wait") from None
            except (OSError, ssl.SSLError, Malformed):
                # No answer; where the connection did not even stand, no request either.
                seen["cut"] += 1
        return seen

    def load(self, name):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            return sum(pool.map(self.client, [f"{name}-{n}" for n in range(CLIENTS)]),
                       collections.Counter())

    def settle(self):
        """All connections have ended, those to the site too."""
        self.site.end_connections()
        self.proxy.until_descriptors(self.before)

    def served_again(self):
        assert set(self.load("after")) == {200}
        self.settle()


@pytest.fixture(name="edge", params=["http", "https"])
def fixture_edge(request, folder, pki):
    with contextlib.ExitStack() as stack:
        yield Edge(folder, pki, stack, request.param)


# What nobody outside can tell: the call is made again, another way is taken, or it comes later.
UNSEEN = [("pipe2", "EMFILE", 1),  # while there are none yet
          ("accept4", "ENOBUFS", 2), ("accept4", "ENOMEM", 2), ("accept4", "ECONNABORTED", 2),
          ("accept4", "EINTR", 2),
          ("recv", "EINTR", 3), ("send", "EINTR", 3), ("sendmsg", "EINTR", 3),
          ("splice", "EINTR", 3),
          ("writev", "EINTR", 2)]
ONLY_PLAIN = {"pipe2", "splice", "sendmsg"}  # TLS moves no body past the program


def test_calls_that_can_be_made_again_cost_no_request(edge):
    for call, error, one_in in UNSEEN:
        if edge.context and call in ONLY_PLAIN:
            continue
        with edge.calls.failing(call, error, one_in):
            seen = edge.load(f"{call}-{error}")
        assert set(seen) == {200}, f"{call} {error}: {seen}"
    edge.served_again()
    if not edge.context:
        assert "cannot accept connections on" in edge.proxy.log()


# Where descriptors are short, clients between two requests are let go for those who wait.
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE"])
def test_who_waits_for_a_descriptor_is_let_in_for_one_who_idles(edge, error):
    with edge.calls.failing("accept4", error, 2):
        seen = edge.load(error)
    assert set(seen) <= {200, "cut"}, seen
    assert seen[200] > sum(seen.values()) / 2, seen
    edge.served_again()
    assert "cannot accept connections on" in edge.proxy.log()


# Where the kernel has no memory or no port for a connection, that connection is lost.
COSTLY = [("recv", "ENOMEM", 40), ("recv", "ENOBUFS", 40), ("recv", "ECONNRESET", 40),
          ("send", "ENOBUFS", 40), ("send", "ENOMEM", 40),
          ("socket", "EMFILE", 2), ("socket", "ENFILE", 2), ("socket", "ENOBUFS", 2),
          ("connect", "ENOBUFS", 2), ("connect", "EADDRNOTAVAIL", 2), ("connect", "ENETUNREACH", 2),
          ("epoll_add", "ENOMEM", 10), ("epoll_add", "ENOSPC", 10)]


def test_calls_that_fail_for_good_cost_their_own_connection_and_nothing_else(edge):
    for call, error, one_in in COSTLY:
        with edge.calls.failing(call, error, one_in):
            seen = edge.load(f"{call}-{error}")
        what = f"{call} {error}: {seen}"
        assert set(seen) <= {200, 502, 503, 504, "cut"}, what
        assert seen[200] > sum(seen.values()) / 4, what
    edge.served_again()


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_a_log_that_cannot_be_written_costs_no_request_and_no_line(edge, error):
    with edge.calls.failing("writev", error, 1):
        assert set(edge.load(error)) == {200}
        assert not edge.proxy.entries()
    # Lines wait in memory until the disk takes them.
    edge.proxy.until_entries(CLIENTS * REQUESTS)
    assert len(edge.proxy.entries()) == CLIENTS * REQUESTS
    assert "access log: cannot write" in edge.proxy.log()
    edge.proxy.process.until_it_says("access log: it can be written again")
    edge.settle()
