"""Messages made from those of test/abuse/http1.json by a change that may not change the verdict.

Each kind is a function: case -> the case it becomes, or None where the change would mean something.
"""
import re
import zlib

from .abuse import payload
from .messages import chunks

FIRST = b"GET /before HTTP/1.1\r\nHost: www.example.test\r\n\r\n"
AFTER = b"GET /after HTTP/1.1\r\nHost: www.example.test\r\n\r\n"
LONGEST = 20_000  # of what is sent in many portions
TOKEN_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
OTHER_METHODS = {b"GET": b"PROPFIND", b"POST": b"PUT"}


class Message:
    """A case's bytes, taken apart where that is possible without an opinion about them."""

    def __init__(self, case, https):
        self.data = b"".join(chunks(payload(case, https)))
        head, self.blank, self.body = self.data.partition(b"\r\n\r\n")
        self.line, *self.fields = head.split(b"\r\n")
        self.regular = bool(self.blank) and all(map(TOKEN_LINE.match, self.fields))

    def joined(self):
        return b"\r\n".join([self.line, *self.fields]) + self.blank + self.body


# The kinds. Each takes (case, message) and returns the bytes; None: it does not apply.

def fields_reversed(case, message):
    """The order of fields of different names means nothing, and of those of one name nothing that
    would make a bad message good. Not where a line is none, and goes with the one before it."""
    if not message.regular or case["name"].startswith("hdr_dup"):
        return None
    message.fields.reverse()
    return message.joined()


def names_in_other_case(case, message):
    if not message.regular:
        return None
    message.fields = [name.swapcase() + colon + value for name, colon, value in
                      (field.partition(b":") for field in message.fields)]
    return message.joined()


def behind_other_fields(case, message):
    """A kilobyte of what browsers send stands between the request line and the fields."""
    if not message.regular or not message.fields:
        return None
    message.fields[:0] = [b"User-Agent: " + b"Mozilla/5.0 " * 40, b"Accept: */*",
                          b"Cookie: " + b"; ".join(b"c%d=%d" % (i, i) for i in range(60))]
    return message.joined()


def with_another_method(case, message):
    """Framing and names do not depend on it, but for HEAD, CONNECT, TRACE and OPTIONS."""
    if case["class"] in ("request-line", "expect-upgrade-trace") or case["name"] == "pipeline_flood":
        return None
    method, space, rest = message.data.partition(b" ")
    if method not in OTHER_METHODS or not space:
        return None
    return OTHER_METHODS[method] + space + rest


def pipelined(case, message):
    """Behind a good request in the same packet."""
    if case["name"] in ("empty_fin", "pipeline_flood"):
        return None
    return FIRST + message.data


def dripped(case, message):
    if len(message.data) > 600:
        return None
    return [message.data[at:at + 1] for at in range(len(message.data))]


def cut(number):
    """In two, at a byte that depends on the case and on `number`."""
    def at_one_byte(case, message):
        if not 1 < len(message.data) < LONGEST:
            return None
        place = 1 + zlib.crc32(f"{case['name']} {number}".encode()) % (len(message.data) - 1)
        return [message.data[:place], message.data[place:]]
    return at_one_byte


def followed(case, message):
    """A good request follows at once. (What is not complete takes it for its own.)"""
    if case["expect"] != "reject" or case.get("also_ok") or case.get("client_fin"):
        return None
    return message.data + AFTER


KINDS = {"fields_reversed": fields_reversed, "names_in_other_case": names_in_other_case,
         "behind_other_fields": behind_other_fields, "with_another_method": with_another_method,
         "pipelined": pipelined, "followed": followed, "dripped": dripped}
CUTS = {f"cut_{number}": cut(number) for number in range(12)}


def as_response(case, https):
    """The same fault in what a site answers; None where a response cannot have it."""
    message = Message(case, https)
    if case["class"] not in ("field-syntax", "content-length", "transfer-encoding", "chunked-body") \
            or case["expect"] != "reject" or case.get("also_ok") or case.get("client_fin") \
            or not message.blank or b"HTTP/1.1" not in message.line:
        return None
    message.fields = [field for field in message.fields if not field.startswith(b"Host:")]
    message.line = b"HTTP/1.1 200 OK"
    return message.joined() if message.fields else None


def make(kind, case, https):
    """-> the portions to send, or None."""
    made = {**KINDS, **CUTS}[kind](case, Message(case, https))
    if isinstance(made, bytes):
        return [made[at:at + 65536] for at in range(0, len(made), 65536)] or None
    return made


def in_sample(kind, case, one_in):
    return zlib.crc32(f"{kind} of {case['name']}".encode()) % one_in == 0
