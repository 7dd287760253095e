"""Memory that is refused in the middle of anything ends the connection that asked, and no other."""
import concurrent.futures
import contextlib
import mmap
import os
import pathlib
import ssl
import struct

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.messages import Malformed
from harness.origin import Origin, answering
from harness.proxy import Proxy
from harness.waiting import until

# A sanitizer brings an allocator of its own.
pytestmark = pytest.mark.optimised
BUILT = pathlib.Path(os.environ.get("OCSPROXY_BINARY", ""))
PRELOADED = BUILT.parents[1] / "test/preload/libfail_allocations.so"
BODY = b"x" * 50_000


class Edge:
    def __init__(self, folder, pki, stack, secure):
        def answer(connection, request):
            connection.respond(BODY + request.body)
        self.site = stack.enter_context(
            Origin(answering(answer), pki.pool.server_context() if secure else None))
        host = own_address()
        self.address = host, free_port(host)
        self.context = trusting(pki.root) if secure else None
        path = folder / "control"
        path.write_bytes(bytes(16))
        path.chmod(0o666)
        file = stack.enter_context(open(path, "r+b"))
        self._control = stack.enter_context(mmap.mmap(file.fileno(), 16))
        library = folder / PRELOADED.name
        library.write_bytes(PRELOADED.read_bytes())
        library.chmod(0o755)
        way = ({"https": self.address[1], "certificates": [pki.public]} if secure
               else {"http": self.address[1]})
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(host, timeouts={"handshake": "2s", "idle": "2s"}, **way)],
            [allow(self.site.port, bridging="https" if secure else "http",
                   timeouts={"connect": "2s", "response_head": "3s", "idle": "3s"})],
            roots=[pki.root], workers=2),
            environment={"LD_PRELOAD": str(library), "FAIL_ALLOCATIONS": str(path)}))

    def fail_each(self, number):
        self._control[:8] = struct.pack("Q", number)

    def failed(self):
        return struct.unpack("Q", self._control[8:])[0]

    def ask(self, number):
        """True: it was served as it should be; False: its connection was ended or refused. There is
        no third."""
        body = b"y" * (number % 3 * 7000)
        try:
            with Client(self.address, self.context, PUBLIC_NAME if self.context else None) as client:
                for _ in range(3):
                    client.request(f"/{number}", "POST" if body else "GET", body=body)
                    answer = client.response()
                    if answer is None or not answer.complete or answer.status in (502, 503, 504):
                        return False
                    assert (answer.status, answer.body) == (200, BODY + body)
                return True
        except (OSError, ssl.SSLError, Malformed):
            return False


@pytest.fixture(name="edge", params=["plain", "tls"])
def fixture_edge(folder, pki, request):
    with contextlib.ExitStack() as stack:
        yield Edge(folder, pki, stack, request.param == "tls")


def test_each_nth_allocation_that_fails_costs_its_connection_and_nothing_else(edge):
    assert all(edge.ask(number) for number in range(8))
    before = len(edge.proxy.descriptors())
    served = 0
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        for every in (1009, 211, 53, 17, 7, 3, 2):
            edge.fail_each(every)
            served += sum(clients.map(edge.ask, range(60)))
            edge.fail_each(0)
            assert edge.proxy.process.running, f"it ended:\n{edge.proxy.log()[-4000:]}"
    assert edge.failed() > 100, "nothing failed"
    assert served > 60, "most that met no failure are served"
    assert all(edge.ask(number) for number in range(60)), "what has failed leaves a trace"
    edge.site.end_connections()
    edge.proxy.until_descriptors(before)
    until(lambda: edge.proxy.process.running, "it ended")
