"""A connection, plain or TLS, of which a test controls and sees every detail of the end."""
import collections
import contextlib
import socket
import ssl
import struct
import threading


class Stream:
    """TCP. `ended` tells how the peer ended its direction: None (it has not), "clean", "truncated"
    (TLS: a FIN without close_notify), or "reset"."""

    def __init__(self, connection, timeout=10.0):
        self.socket = connection
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ended = None
        self.received = bytearray()  # everything that ever came, decrypted

    def receive(self, size=65536):
        """The next bytes; b"" once the peer has ended. Raises TimeoutError."""
        if self.ended:
            return b""
        try:
            data = self._receive(size)
        except (ConnectionResetError, BrokenPipeError):
            self.ended, data = "reset", b""
        self.received += data
        return data

    def _receive(self, size):
        data = self.socket.recv(size)
        if not data:
            self.ended = "clean"
        return data

    def receive_until_end(self):
        while self.receive():
            pass
        return bytes(self.received)

    def send(self, data):
        self.socket.sendall(data)

    def half_close(self):
        """Nothing more will be sent; what the peer sends is still read."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        """The orderly end."""
        self.socket.close()

    def fin(self):
        """A FIN, over TLS without close_notify."""
        self.socket.close()

    def reset(self):
        """A RST: what was not yet sent is thrown away."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class TlsStream(Stream):
    """TLS over memory BIOs, since ssl.SSLSocket can neither half-close nor tell a truncation."""

    def __init__(self, connection, context, server_side=False, server_hostname=None, timeout=10.0,
                 session=None):
        super().__init__(connection, timeout)
        # Python asks OpenSSL to take a FIN for a close_notify; here the difference is the point.
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side,
                                    server_hostname=server_hostname, session=session)
        # One thread may send while another receives: OpenSSL sees one at a time, the socket too.
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._unsent = collections.deque()
        self._run(self.tls.do_handshake)

    def _flush(self):
        while self._unsent:
            with self._sending:
                if self._unsent:
                    self.socket.sendall(self._unsent.popleft())

    def _fill(self):
        data = self.socket.recv(65536)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _run(self, operation, *arguments):
        while True:
            try:
                with self._lock:
                    try:
                        result, wants_more = operation(*arguments), False
                    except ssl.SSLWantReadError:
                        result, wants_more = None, True
                    finally:
                        if data := self._outgoing.read():
                            self._unsent.append(data)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert
                raise
            self._flush()
            if not wants_more:
                return result
            self._fill()

    def _receive(self, size):
        try:
            data = self._run(self.tls.read, size)
        except ssl.SSLZeroReturnError:
            data = b""
        except (ssl.SSLEOFError, ssl.SSLSyscallError):
            self.ended = "truncated"
            return b""
        except ssl.SSLError as error:
            if "EOF" not in str(error).upper():
                raise
            self.ended = "truncated"
            return b""
        if not data:
            self.ended = "clean"
        return data

    def send(self, data):
        view = memoryview(data)
        while view:
            written = self._run(self.tls.write, view[:65536])
            view = view[written:]

    def half_close(self):
        """close_notify, then FIN: the clean end of our direction."""
        self._notify()
        self.socket.shutdown(socket.SHUT_WR)

    def _notify(self):
        # unwrap() sends close_notify at once; the peer's own may come later or never.
        with self._lock, contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        if data := self._outgoing.read():
            self._unsent.append(data)
        with contextlib.suppress(OSError):
            self._flush()

    def close(self):
        if self.socket.fileno() >= 0:
            self._notify()
        self.socket.close()
