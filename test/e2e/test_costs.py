"""What a warm connection costs: the system's allocator is asked for nothing, since what a request
needs comes back from the free lists, coroutine frames and OpenSSL's own objects included; and a body
byte is copied as often as ARCHITECTURE.md section 6 says."""
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
from harness.origin import Origin
from harness.proxy import Proxy, binary

pytestmark = pytest.mark.optimised
BUILT = pathlib.Path(os.environ.get("OCSPROXY_BINARY", ""))
PRELOADED = BUILT.parents[1] / "test/preload/libcount_costs.so"
KIBI = 1 << 10

# (name, request, response): what one keep-alive connection repeats.
EXCHANGES = {
    "small": (b"GET /a?b=c HTTP/1.1\r\nHost: %s\r\nUser-Agent: test\r\nCookie: a=b\r\n\r\n",
              b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"
              + b"x" * KIBI),
    "chunked response": (b"GET /a HTTP/1.1\r\nHost: %s\r\n\r\n",
                         b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         + b"400\r\n" + b"x" * KIBI + b"\r\n0\r\n\r\n"),
    "upload": (b"POST /a HTTP/1.1\r\nHost: %s\r\nContent-Length: 102400\r\n\r\n" + b"x" * 102400,
               b"HTTP/1.1 204 No Content\r\n\r\n"),
    "large response": (b"GET /a HTTP/1.1\r\nHost: %s\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + b"x" * 1048576),
    "location and cookie": (b"GET /a HTTP/1.1\r\nHost: %s\r\n\r\n",
                            b"HTTP/1.1 302 Found\r\nLocation: https://pool.example.internal/b\r\n"
                            b"Set-Cookie: a=b; Path=/; Domain=pool.example.internal\r\n"
                            b"Content-Length: 0\r\n\r\n"),
    "through a filter": (b"GET /filtered/a.htm?b=%20c HTTP/1.1\r\nHost: %s\r\nUser-Agent: test\r\n\r\n",
                         b"HTTP/1.1 200 OK\r\nServer: it\r\nContent-Length: 1024\r\n\r\n"
                         + b"x" * KIBI),
    "upload through a filter": (
        b"POST /filtered/a.htm HTTP/1.1\r\nHost: %s\r\nContent-Length: 4096\r\n\r\n" + b"x" * 4096,
        b"HTTP/1.1 204 No Content\r\n\r\n"),
    "denied": (b"GET /closed/x HTTP/1.1\r\nHost: %s\r\n\r\n", None),
}

FILTER = {"methods": {"allow": ["GET", "POST"]}, "extensions": {"deny": [".exe"]},
          "request_headers": {"deny": ["X-Bad"]}, "block_windows_executables": True,
          "server_header": {"replace": "web"},
          "signatures": [{"name": place, "in": place, "pattern": "evil[0-9]"} for place in (
              "url", "request_headers", "response_headers", "request_body", "response_body")]}


class Counted:
    """`plain`: neither the client nor the site speaks TLS."""

    def __init__(self, folder, pki, stack, plain=False):
        self.response = b""
        self.plain = plain
        self.site = stack.enter_context(
            Origin(self._serve, None if plain else pki.pool.server_context()))
        self.address = own_address()
        self.port = free_port(self.address)
        self.root = pki.root
        path = folder / "costs"
        path.write_bytes(bytes(16))
        path.chmod(0o666)
        file = stack.enter_context(open(path, "rb"))
        self._memory = stack.enter_context(mmap.mmap(file.fileno(), 16, prot=mmap.PROT_READ))
        preloaded = folder / PRELOADED.name
        preloaded.write_bytes(PRELOADED.read_bytes())
        preloaded.chmod(0o755)
        self.proxy = stack.enter_context(Proxy(
            folder, configuration.configuration(
                [listener(self.address, http=self.port) if plain else
                 listener(self.address, https=self.port, certificates=[pki.public])],
                [configuration.deny("/closed/*", public_names=[PUBLIC_NAME]),
                 allow(self.site.port, "Filtered", paths=["/filtered/*"], http_filter=FILTER,
                       bridging="http" if plain else "https"),
                 allow(self.site.port, bridging="http" if plain else "https")],
                # What addresses do is counted here, as it is in production.
                roots=[pki.root], workers=1, flood_mitigation={
                    "requests_per_minute": 10_000_000, "denied_per_minute": 10_000_000}),
            environment={"LD_PRELOAD": str(preloaded), "COUNT_COSTS": str(path)}))

    def _serve(self, connection):
        while connection.read_request():
            connection.send(self.response)
            connection.requests.clear()

    def allocations(self):
        return struct.unpack("Q", self._memory[:8])[0]

    def copied(self):
        return struct.unpack("Q", self._memory[8:])[0]

    def client(self, version=None):
        if self.plain:
            return Client((self.address, self.port), name=PUBLIC_NAME)
        context = trusting(self.root)
        if version:
            context.maximum_version = version
        return Client((self.address, self.port), context, PUBLIC_NAME)


@pytest.fixture(name="counted")
def fixture_counted(folder, pki):
    assert PRELOADED.is_file(), f"{PRELOADED} is not built"
    with contextlib.ExitStack() as stack:
        yield lambda **more: Counted(folder, pki, stack, **more)


def test_the_counter_counts(counted):
    """Else the others would pass for nothing."""
    counted = counted()
    assert counted.allocations() > 1000
    assert counted.copied() > 1000
    before = counted.allocations()
    with counted.client() as client:
        client.get("/closed/x")
        assert counted.allocations() > before, "a new connection allocates"


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_request_on_a_warm_connection_allocates_nothing(counted, name):
    counted = counted()
    request, counted.response = EXCHANGES[name]
    request = request.replace(b"%s", PUBLIC_NAME.encode())
    asked = 60 if len(request) + len(counted.response or b"") > 10_000 else 300
    counted.response = counted.response or b""
    with counted.client() as client:
        def ask(times):
            for _ in range(times):
                client.send(request)
                assert client.response() is not None
        # How a message is cut on its way is the kernel's choice, and a piece of a size that has not
        # been before is asked for once. What each request allocated would show in every round.
        rounds = []
        while len(rounds) < 6 and 0 not in rounds[1:]:
            before = counted.allocations()
            ask(asked)
            rounds.append(counted.allocations() - before)
        assert 0 in rounds[1:], rounds


# (name, plain, the client's TLS version, how often a byte of a download is copied)
COPIES = [
    ("TLS 1.3 to TLS 1.3", False, None, 0),
    ("TLS 1.3 to TLS 1.2", False, ssl.TLSVersion.TLSv1_2, 2),  # libssl's one, and the BIO's
    ("plain to plain", True, None, 0),
]


@pytest.mark.parametrize("plain,version,copies", [row[1:] for row in COPIES],
                         ids=[row[0] for row in COPIES])
def test_a_body_byte_is_copied_as_often_as_is_written(counted, plain, version, copies):
    counted = counted(plain=plain)
    size, times = 4 << 20, 8
    counted.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with counted.client(version) as client:
        def ask():
            assert len(client.get("/a").body) == size
        ask()
        before = counted.copied()
        for _ in range(times):
            ask()
        each = (counted.copied() - before) / (size * times)
    # Halves of records that a read ended with are moved once.
    assert copies <= each < copies + 0.3
