"""What a client sends around the hand-over, cut here and there: all arrives, or nothing stays."""
import array
import fcntl
import hashlib
import socket
import ssl
import struct
import termios

from harness import process
from harness.configuration import PUBLIC_NAME
from harness.messages import ResponseReader
from harness.waiting import until
from kernel_tls.bench import BODY, TLS1_2, TLS1_3, Bench, scenario

UPLOAD = BODY[:70_000]  # enough to be spliced
DOWNLOAD = BODY[:200_000]
GET = b"GET /down HTTP/1.1\r\nHost: www.example.test\r\n\r\n"
REQUESTS = (b"POST /up HTTP/1.1\r\nHost: www.example.test\r\n"
            b"Content-Length: %d\r\n\r\n" % len(UPLOAD) + UPLOAD + GET)


def answer(connection, request):
    connection.respond(hashlib.sha256(request.body).hexdigest().encode()
                       if request.method == "POST" else DOWNLOAD)


class Cut:
    """A TLS client that keeps what it is to send: `wire` is the last flight of its handshake, where
    the proxy's comes before it, and the records of `requests`. With `first` that one's session is
    resumed."""

    def __init__(self, bench, first=None, requests=REQUESTS):
        self.socket = socket.create_connection(bench.address, 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._context = first._context if first else bench.client_context()
        self.tls = self._context.wrap_bio(self._in, self._out, server_hostname=PUBLIC_NAME,
                                          session=first.tls.session if first else None)
        self._until_done(self.tls.do_handshake)
        self.tls.write(requests)
        self.wire = self._out.read()

    def _until_done(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                data = self.socket.recv(65536)
                assert data, "the connection has ended"
                self._in.write(data)

    def send(self, data):
        """Returns when the other side's kernel has it."""
        self.socket.sendall(data)
        left = array.array("i", [1])

        def gone():
            fcntl.ioctl(self.socket, termios.TIOCOUTQ, left)
            return left[0] == 0
        until(gone, "what was sent is not acknowledged")

    def responses(self, *methods):
        reader = ResponseReader(lambda: self._until_done(lambda: self.tls.read(65536)))
        return tuple(reader.read(method, None).body for method in methods or ("POST", "GET"))

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def cuts(wire):
    """Close to each other in the first records and in the last one, some in between."""
    return [*range(1, 420, 3), *range(420, len(wire), 7_919), *range(len(wire) - 60, len(wire), 3)]


# A resumed handshake of TLS 1.2 ends with the client's flight, and so does each of TLS 1.3.
WAYS = (("full", TLS1_2), ("resumed", TLS1_2), ("full", TLS1_3))


def to_resume(bench, way):
    if way == "full":
        return None
    first = Cut(bench)
    first.send(first.wire)
    first.responses()
    first.socket.close()
    return first


@scenario
def what_is_cut_around_the_hand_over_arrives_whole(pki, folder):
    expected = hashlib.sha256(UPLOAD).hexdigest().encode(), DOWNLOAD
    for way, version in WAYS:
        with Bench(pki, folder / f"{way}-{version.name}", answer, client=version,
                   origin=None) as bench:
            first = to_resume(bench, way)
            for position in cuts(Cut(bench, first).wire):
                client = Cut(bench, first)
                assert client.tls.session_reused == (way == "resumed")
                client.send(client.wire[:position])
                client.send(client.wire[position:])
                assert client.responses() == expected, (way, version.name, position)
                client.socket.close()
            # The kernel has what goes to a client of TLS 1.3 from the first large body on.
            second = bench.proxy.until_entries(2)[1]["x-client-kernel-tls"]
            assert second == ("both" if version == TLS1_2 else "send"), second


@scenario
def who_asked_with_the_handshake_and_stays_stops_nobody(pki, folder):
    for way, version in WAYS:
        with Bench(pki, folder / f"{way}-{version.name}", answer, client=version,
                   origin=None) as bench:
            first = to_resume(bench, way)
            idle = Cut(bench, first, GET)  # a record that is whole before the kernel has them
            idle.send(idle.wire)
            assert idle.responses("GET") == (DOWNLOAD,)
            entry = bench.proxy.until_entries(3 if first else 1)[-1]
            assert entry["x-client-kernel-tls"] == ("both" if version == TLS1_2 else "send"), entry
            # There is one worker.
            other = Cut(bench, first)
            other.send(other.wire)
            assert other.responses()[1] == DOWNLOAD
            other.socket.close()
            idle.socket.close()


@scenario
def a_reset_around_the_hand_over_leaves_nothing(pki, folder):
    def sockets(bench):
        links = process.descriptors(bench.proxy.server_pid).values()
        return sum(link.startswith("socket:") for link in links)

    for way, version in WAYS:
        with Bench(pki, folder / f"{way}-{version.name}", answer, client=version,
                   origin=None) as bench:
            first = to_resume(bench, way)
            before = sockets(bench)
            for position in cuts(Cut(bench, first).wire):
                client = Cut(bench, first)
                client.send(client.wire[:position])
                client.reset()
            # Of the connections to the site some may be kept.
            until(lambda: sockets(bench) <= before + 4,  # pylint: disable=cell-var-from-loop
                  lambda: f"{sockets(bench)} sockets, {before} before")
            last = Cut(bench, first)
            last.send(last.wire)
            assert last.responses()[1] == DOWNLOAD
            last.socket.close()
