"""HTTP/1.1 messages as bytes: the abuse data's notation, and a strict reader of responses."""
import dataclasses
import re


def decode(text, expand=()):
    """The notation of test/abuse: escapes as in Python, then tokens repeated.

    Returns a list of pieces; a piece is bytes, or (unit, count) when it would be large or endless.
    """
    pieces = [text.encode("ascii").decode("unicode_escape").encode("latin-1")]
    for token, unit, count in expand:
        mark, unit = token.encode(), unit.encode("latin-1")
        for at, piece in enumerate(pieces):
            if isinstance(piece, bytes) and mark in piece:
                before, _, after = piece.partition(mark)
                pieces[at:at + 1] = [before, (unit, count), after]
                break
    return [piece for piece in pieces if piece != b""]


def chunks(pieces, size=65536):
    """The bytes of `pieces` in bounded portions; a count of -1 never ends."""
    for piece in pieces:
        if isinstance(piece, bytes):
            for at in range(0, len(piece), size):
                yield piece[at:at + size]
            continue
        unit, count = piece
        at_once = max(1, size // len(unit))
        while count:
            now = at_once if count < 0 else min(at_once, count)
            yield unit * now
            count -= now if count > 0 else 0


class Malformed(Exception):
    """What came is no HTTP/1.1 response."""


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    version: str
    fields: list  # (lower-case name, value) in the order they came
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    complete: bool = False  # the framing says that all of it has come
    until_close: bool = False  # only the connection's end says so
    interim: list = dataclasses.field(default_factory=list)  # 1xx before this one

    def all(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default


STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) (\d{3})(?: ([^\r\n\x00-\x08\x0a-\x1f\x7f]*))?$")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$")


def parse_fields(lines):
    fields = []
    for line in lines:
        found = FIELD.match(line)
        if not found:
            raise Malformed(f"field line {line!r}")
        fields.append((found[1].decode().lower(), found[2].decode("latin-1")))
    return fields


def parse_head(data):
    """`data` without the empty line -> Response without a body."""
    first, *rest = data.split(b"\r\n")
    found = STATUS_LINE.match(first)
    if not found:
        raise Malformed(f"status line {first[:80]!r}")
    return Response(int(found[2]), (found[3] or b"").decode("latin-1"), found[1].decode(),
                    parse_fields(rest))


class ResponseReader:
    """Reads responses from a `receive()` that returns b"" at the end of the connection."""

    def __init__(self, receive):
        self._receive = receive
        self.buffer = bytearray()
        self.ended = False

    def _more(self):
        if not self.ended:
            data = self._receive()
            self.ended = not data
            self.buffer += data
        return not self.ended

    def _take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def _line(self):
        """One line without its CRLF, or None when the connection ended in it."""
        while b"\r\n" not in self.buffer:
            if not self._more():
                return None
        return self._take(self.buffer.index(b"\r\n") + 2)[:-2]

    def read_head(self):
        """The next head; None when the connection ended before its first byte."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                if self.buffer:
                    raise Malformed(f"the head ended early: {bytes(self.buffer[:200])!r}")
                return None
        return parse_head(self._take(self.buffer.index(b"\r\n\r\n") + 4)[:-4])

    def read(self, method="GET", on_body=None):
        """The next final response with its body, or None. `on_body(bytes)`: hand on, keep nothing."""
        interim = []
        while True:
            response = self.read_head()
            if response is None or response.status == 101 or response.status >= 200:
                break
            interim.append(response)
        if response is None:
            if interim:
                raise Malformed("only interim responses came")
            return None
        response.interim = interim
        self._read_body(response, method, on_body)
        return response

    def _read_body(self, response, method, on_body):
        keep = bytearray()
        sink = on_body or keep.extend
        coding, lengths = response.all("transfer-encoding"), response.all("content-length")
        if coding and lengths or len(lengths) > 1 or len(coding) > 1:
            raise Malformed(f"ambiguous framing: {response.fields}")
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            response.complete = True
        elif coding:
            if coding[0].lower() != "chunked":
                raise Malformed(f"transfer coding {coding[0]!r}")
            response.complete = self._read_chunked(response, sink)
        elif lengths:
            if not re.fullmatch(r"\d{1,19}", lengths[0]):
                raise Malformed(f"length {lengths[0]!r}")
            response.complete = self._read_length(int(lengths[0]), sink)
        else:
            response.until_close = response.complete = True
            while self.buffer or self._more():
                sink(self._take(len(self.buffer)))
        response.body = bytes(keep)

    def _read_length(self, left, sink):
        while left:
            if not self.buffer and not self._more():
                return False
            data = self._take(min(left, len(self.buffer)))
            left -= len(data)
            sink(data)
        return True

    def _read_chunked(self, response, sink):
        while True:
            line = self._line()
            if line is None:
                return False
            size = line.split(b";")[0]
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
                raise Malformed(f"chunk size {line[:80]!r}")
            if int(size, 16) == 0:
                break
            if not self._read_length(int(size, 16), sink):
                return False
            end = self._line()
            if end is None:
                return False
            if end:
                raise Malformed(f"after a chunk: {end[:80]!r}")
        lines = []
        while line := self._line():
            lines.append(line)
        response.trailers = parse_fields(lines)
        return line is not None
