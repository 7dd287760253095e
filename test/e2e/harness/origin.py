"""Origins: a server of which a test scripts every byte, and one that answers by a function."""
import collections
import contextlib
import dataclasses
import re
import select
import socket
import ssl
import threading
import time

from .messages import chunks, decode
from .stream import Stream, TlsStream
from .waiting import until

REQUEST_LINE = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.([01])$")


@dataclasses.dataclass
class Request:
    method: str
    target: str
    fields: list  # (lower-case name, value)
    head: bytes
    body: bytes = b""
    complete: bool = False

    def all(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default


class Connection:
    """One accepted connection: what came on it and how it ended stay readable afterwards."""

    def __init__(self, number, stream):
        self.number = number
        self.stream = stream
        self.requests = []  # complete heads, with the body as far as it came
        self._buffer = bytearray()

    @property
    def received(self):
        return bytes(self.stream.received)

    @property
    def ended(self):
        return self.stream.ended

    @property
    def peer_left(self):
        """Has the proxy ended its direction, or both? Seen without reading what it has sent."""
        number = self.stream.socket.fileno()
        if self.ended or number < 0:
            return True
        poll = select.poll()
        poll.register(number, select.POLLRDHUP)
        return bool(poll.poll(0))

    def read_head(self):
        """The next request head; None when the connection ended first."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.stream.receive()
            if not data:
                return None
            self._buffer += data
        end = self._buffer.index(b"\r\n\r\n") + 4
        head = bytes(self._buffer[:end])
        del self._buffer[:end]
        line, *rest = head[:-4].split(b"\r\n")
        found = REQUEST_LINE.match(line)
        if not found:
            raise AssertionError(f"the proxy sent the request line {line!r}")
        fields = []
        for text in rest:
            name, colon, value = text.partition(b":")
            if not colon or name != name.strip():
                raise AssertionError(f"the proxy sent the field line {text!r}")
            fields.append((name.decode("latin-1").lower(), value.strip(b" \t").decode("latin-1")))
        request = Request(found[1].decode(), found[2].decode(), fields, head)
        self.requests.append(request)
        return request

    def read_request(self):
        """The next whole request, `complete` false when the connection ended in its body."""
        request = self.read_head()
        if request is not None:
            self.read_body(request)
        return request

    def read_body(self, request, take=None):
        """`take(bytes)`: is handed the body instead of its being kept."""
        body = bytearray()
        take = take or body.extend
        if "chunked" in (request.get("transfer-encoding") or "").lower():
            request.complete = self._read_chunked(request, take)
        else:
            request.complete = self._read_length(int(request.get("content-length") or 0), take)
        request.body = bytes(body)

    def _read_length(self, left, take):
        while left:
            if not self._buffer:
                data = self.stream.receive()
                if not data:
                    return False
                self._buffer += data
                if len(self.stream.received) > 1 << 24:
                    self.stream.received.clear()  # a test that moves a gigabyte looks at digests
            part = bytes(self._buffer[:left])
            del self._buffer[:left]
            left -= len(part)
            take(part)
        return True

    def _line(self):
        while b"\r\n" not in self._buffer:
            data = self.stream.receive()
            if not data:
                return None
            self._buffer += data
        end = self._buffer.index(b"\r\n")
        line = bytes(self._buffer[:end])
        del self._buffer[:end + 2]
        return line

    def _read_chunked(self, request, take):
        while True:
            line = self._line()
            if line is None:
                return False
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            if not self._read_length(size, take) or self._line() != b"":
                return False
        while line := self._line():
            name, _, value = line.partition(b":")
            request.fields.append(("trailer:" + name.decode().lower(), value.strip().decode("latin-1")))
        return line is not None

    def send(self, data):
        self.stream.send(data if isinstance(data, bytes) else data.encode("latin-1"))

    def respond(self, body=b"ok", status="200 OK", fields=()):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self.send(head + (b"" if self.requests and self.requests[-1].method == "HEAD" else body))


class Origin:
    """Listens on loopback; each connection runs `serve(connection)` in a thread of its own.

    An exception of `serve` that is no consequence of the peer's going away is kept in `errors`;
    leaving the `with` block raises the first.
    """

    def __init__(self, serve, context=None, address="127.0.0.1", accept=True):
        self._serve = serve
        self._context = context
        self.connections = []
        self.handshake_failures = []
        self.errors = []
        self._lock = threading.Lock()
        self._stopping = False
        self._open = set()
        self._accepted = collections.deque(maxlen=64)  # who came last
        self._listener = socket.create_server((address, 0), backlog=512)
        self.address, self.port = self._listener.getsockname()
        if accept:
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
                self._accepted.append(peer)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, raw):
        try:
            try:
                stream = (TlsStream(raw, self._context, server_side=True, timeout=60)
                          if self._context else Stream(raw, timeout=60))
            except (OSError, ssl.SSLError) as error:
                with self._lock:
                    self.handshake_failures.append(error)
                raw.close()
                return
            with self._lock:
                connection = Connection(len(self.connections), stream)
                self.connections.append(connection)
            self._serve(connection)
            stream.close()
        except (OSError, ssl.SSLError):
            with contextlib.suppress(OSError):
                raw.close()
        except BaseException as error:  # shown by the test, not by the thread
            with self._lock:
                self.errors.append(error)
            raw.close()
        finally:
            with self._lock:
                self._open.discard(raw)

    @property
    def requests(self):
        return [request for connection in self.connections for request in connection.requests]

    def forget(self):
        """Begins the next case: what came is forgotten, open connections go on."""
        with self._lock:
            self.connections.clear()
            self.handshake_failures.clear()

    def end_connections(self):
        """Ends all that were made until now, those too that nobody has looked at yet."""
        with socket.create_connection((self.address, self.port)) as last:
            name = last.getsockname()
            until(lambda: name in list(self._accepted), "the origin does not accept")
            # Who is cut off may come again at once.
            until(lambda: self.close_connections() or not self._open,
                  lambda: f"{len(self._open)} connections do not end")

    def close_connections(self):
        with self._lock:
            still_open = list(self._open)
        for raw in still_open:
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is None and self.errors:
            raise self.errors[0]


def answering(answer=None):
    """For Origin: keep-alive; `answer(connection, request)` sends the response."""
    def serve(connection):
        while request := connection.read_request():
            if not request.complete:
                return
            if answer:
                answer(connection, request)
            else:
                connection.respond()
            if (request.get("connection") or "").lower() == "close":
                return
    return serve


class Script:
    """The steps of test/abuse/upstream.json, one list a connection (the last one repeats)."""

    def __init__(self, *scripts):
        self._scripts = scripts
        self._next = collections.deque(scripts)
        self._lock = threading.Lock()
        self.release = threading.Event()  # ends every long sleep of the script

    def __call__(self, connection):
        with self._lock:
            steps = self._next.popleft() if len(self._next) > 1 else self._next[0]
        for step in steps:
            if not self._step(connection, step):
                return
        # The script ends with the connection open: what comes is read, nothing is answered.
        while connection.stream.receive():
            pass

    def _step(self, connection, step):
        if "read" in step:
            read = connection.read_head if step["read"] == "headers-only" else connection.read_request
            return read() is not None
        if "send" in step:
            for data in chunks(decode(step["send"], step.get("expand", ()))):
                connection.send(data)
        elif "drip" in step:
            data = b"".join(chunks(decode(step["drip"])))
            for at in range(len(data)):
                connection.send(data[at:at + 1])
                if self.release.wait(1 / step.get("bytes_per_s", 1)):
                    return False
        elif "sleep" in step:
            if step["sleep"] > 60:
                return not self.release.wait(step["sleep"])
            time.sleep(step["sleep"])
        elif "close" in step:
            {"fin": connection.stream.close, "rst": connection.stream.reset,
             "tcp-fin-without-close_notify": connection.stream.fin}[step["close"]]()
            return False
        return True
