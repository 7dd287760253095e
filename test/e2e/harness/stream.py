"""A connection, plain or TLS, of which a test controls and sees every detail of the end."""
import socket
import ssl
import struct


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
        self._run(self.tls.do_handshake)

    def _flush(self):
        if data := self._outgoing.read():
            self.socket.sendall(data)

    def _fill(self):
        """False at the end of TCP."""
        data = self.socket.recv(65536)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    def _run(self, operation, *arguments):
        while True:
            try:
                result = operation(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                try:
                    self._flush()  # the alert
                except OSError:
                    pass
                raise

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
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it wants the peer's close_notify, which may come later or never
        try:
            self._flush()
        except OSError:
            pass

    def close(self):
        if self.socket.fileno() >= 0:
            self._notify()
        self.socket.close()
