"""A client that sends exact bytes and reads responses strictly."""
import socket
import ssl

from .messages import ResponseReader
from .stream import Stream, TlsStream
from .waiting import PATIENCE


def trusting(roots=None, alpn=("http/1.1",)):
    """A client's TLS context. `roots`: a PEM file; None: nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if roots:
        context.load_verify_locations(str(roots))
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class Client:
    """One connection to `address`, a (host, port). With `context` it speaks TLS to `name`.
    `receive_buffer`: bytes, for a client that is slow to take what comes."""

    def __init__(self, address, context=None, name=None, timeout=10.0, source=None, session=None,
                 receive_buffer=None):
        timeout *= PATIENCE
        connection = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer:  # before the connection stands: it is announced to the peer
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(timeout)
        if source:
            connection.bind((source, 0))
        connection.connect(address)
        self.stream = (TlsStream(connection, context, server_hostname=name, timeout=timeout,
                                 session=session)
                       if context else Stream(connection, timeout))
        self._reader = ResponseReader(self.stream.receive)

    def send(self, data):
        self.stream.send(data if isinstance(data, bytes) else data.encode("latin-1"))

    def request(self, target="/", method="GET", host="www.example.test", fields=(), body=b"",
                version="HTTP/1.1"):
        """Sends one well-formed request; a body gets its Content-Length."""
        lines = [f"{method} {target} {version}", f"Host: {host}", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def response(self, method="GET", on_body=None):
        """The next final response, or None at the end of the connection."""
        return self._reader.read(method, on_body)

    def head(self):
        """The next head, an interim one too."""
        return self._reader.read_head()

    def get(self, target="/", **more):
        self.request(target, **more)
        return self.response(more.get("method", "GET"))

    def rest(self):
        """What follows until the peer ends: what was buffered, and what comes."""
        while self.stream.receive():
            pass
        return self.stream.received

    @property
    def unread(self):
        return bytes(self._reader.buffer)

    def is_closed(self):
        """Has the peer ended, without having sent anything more?"""
        return not self.unread and self.stream.receive() == b""

    def close(self):
        self.stream.close()

    def reset(self):
        self.stream.reset()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
