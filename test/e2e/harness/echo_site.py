"""The published site of most tests: by the path, it answers in the ways that sites do."""
import hashlib
import json
import threading

from .configuration import SITE
from .origin import Origin


class EchoSite:
    """/echo tells what came, as JSON. The other paths are the methods below."""

    def __init__(self, context=None, name=SITE):
        self.name = name
        self.released = threading.Event()  # lets /poll answer
        self.origin = Origin(self._serve, context)

    @property
    def port(self):
        return self.origin.port

    def _serve(self, connection):
        while request := connection.read_head():
            path = request.target.split("?")[0]
            early = getattr(self, "early_" + path.strip("/").split("/")[-1].replace("-", "_"), None)
            if early:
                early(connection, request)
                return
            self._read_body(connection, request)
            if not request.complete:
                return
            answer = getattr(self, "answer_" + path.strip("/").split("/")[-1].replace("-", "_"),
                             self.answer_echo)
            answer(connection, request)

    @staticmethod
    def _read_body(connection, request):
        if "expect" in dict(request.fields):
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        connection.read_body(request)

    def answer_echo(self, connection, request):
        told = {"method": request.method, "target": request.target, "fields": request.fields,
                "length": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest(),
                "connection": connection.number}
        connection.respond(json.dumps(told).encode(), fields=["Content-Type: application/json"])

    def answer_chunked(self, connection, request):
        """A chunked body of three pieces, an extension and a trailer."""
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                        "5\r\nhello\r\n1;name=value\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 11\r\n\r\n")

    def answer_until_close(self, connection, request):
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nup to the end")
        connection.stream.close()

    def answer_poll(self, connection, request):
        if self.released.wait(60):
            connection.respond(b"now")

    def answer_moved(self, connection, request):
        """Internal addresses in every field that must not show them."""
        connection.respond(b"", "302 Found", [
            f"Location: https://{self.name}:{self.port}/inside/app/next?x=1",
            f"Content-Location: https://{self.name}:{self.port}/inside/app/here",
            f"Set-Cookie: a=1; Domain={self.name}; Path=/inside/app/sub; Secure",
            "Set-Cookie: b=2; Path=/elsewhere"])

    def answer_moved_away(self, connection, request):
        connection.respond(b"", "302 Found", ["Location: https://other.example/inside/app/x"])

    def answer_challenge(self, connection, request):
        connection.respond(b"who?", "401 Unauthorized", ['WWW-Authenticate: Basic realm="x"'])

    def answer_not_modified(self, connection, request):
        connection.send('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n')

    def answer_interim(self, connection, request):
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        connection.respond()

    def early_refuse(self, connection, request):
        """Answers before the body has come, then takes the rest of it."""
        connection.respond(b"too big", "413 Content Too Large")
        while connection.stream.receive():
            connection.stream.received.clear()

    def early_count(self, connection, request):
        """Takes a body of any size without keeping it; tells how long it was and its digest."""
        digest, length = hashlib.sha256(), 0

        def take(data):
            nonlocal length
            digest.update(data)
            length += len(data)
        connection.read_body(request, take)
        connection.stream.received.clear()
        if request.complete:
            connection.respond(json.dumps({"length": length, "sha256": digest.hexdigest()}).encode())
            self._serve(connection)
