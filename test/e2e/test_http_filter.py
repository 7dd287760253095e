"""HTTP filters as clients and sites meet them: what is refused is told and logged with its reason and
costs the site nothing, what passes arrives whole, and what only reports changes nothing."""
import contextlib
import json
import subprocess
import threading

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.origin import Origin
from harness.proxy import Proxy, binary
from harness.waiting import until

EXECUTABLE = b"MZ\x90" + bytes(57) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + b"x" * 2000
SCRIPT = {"signatures": [{"name": "Script", "in": "request_body", "first": 64,
                          "pattern": "<script"}]}


class Edge:
    """A listener with one rule and its filter, and a site that answers what `answer` says."""

    def __init__(self, folder, pki, stack, http_filter, tls, rule=()):
        self.answer = lambda connection, request: connection.respond(b"ok")
        self.tls, self.root = tls, pki.root
        self.site = stack.enter_context(
            Origin(self._serve, pki.pool.server_context() if tls else None))
        host = own_address()
        self.address = host, free_port(host)
        way = ({"https": self.address[1], "certificates": [pki.public]} if tls else
               {"http": self.address[1]})
        self.proxy = stack.enter_context(Proxy(
            folder, configuration.configuration(
                [listener(host, **way)],
                [allow(self.site.port, bridging="https" if tls else "http",
                       http_filter=http_filter, **dict(rule))],
                roots=[pki.root], workers=1)))

    def _serve(self, connection):
        while request := connection.read_request():
            if not request.complete:
                return
            self.answer(connection, request)

    def client(self):
        return Client(self.address, trusting(self.root) if self.tls else None, PUBLIC_NAME)

    def respond(self, body=b"ok", fields=(), status="200 OK"):
        self.answer = lambda connection, request: connection.respond(body, status, fields)

    def assert_site_was_never_asked(self):
        """It takes connections in order: what came before the last request would be seen by now."""
        with self.client() as client:
            assert client.get("/last").status == 200
        (connection,) = self.site.connections
        assert [seen.target for seen in connection.requests] == ["/last"]

    def line(self, number=0):
        until(lambda: len(self.proxy.entries()) > number, "no line in the log")
        return self.proxy.entries()[number]


@pytest.fixture(name="edge", params=["plain", "tls"])
def fixture_edge(request, folder, pki):
    with contextlib.ExitStack() as stack:
        yield lambda http_filter, **more: Edge(folder, pki, stack, http_filter,
                                               request.param == "tls", **more)


# Requests

# filter, the request's arguments, status, reason in the log
REFUSED = {
    "header": ({"max_header_length": 256}, {"fields": ["X-Long: " + "v" * 300]}, 431, None),
    "url": ({"max_url_length": 20}, {"target": "/" + "a" * 20}, 414, "URL 21 > 20"),
    "query": ({"max_query_length": 4}, {"target": "/?12345"}, 414, "query 5 > 4"),
    "method": ({"methods": {"allow": ["GET", "HEAD"]}}, {"method": "PUT"}, 405, 'method "PUT"'),
    "extension": ({"extensions": {"deny": [".exe"]}}, {"target": "/a.e%78e?b"}, 403,
                  'extension ".exe"'),
    "no extension": ({"extensions": {"deny": ["none"]}}, {"target": "/a"}, 403, "no extension"),
    "denied header": ({"request_headers": {"deny": ["X-Bad"]}}, {"fields": ["x-bad: 1"]}, 403,
                      'header "x-bad"'),
    "double encoding": ({}, {"target": "/%252e%252e/a"}, 403,
                        "a doubly encoded character in the path"),
    "high bit": ({}, {"target": "/%c3%a4"}, 403, "a character above U+007F in the path"),
    "signature in a header": (
        {"signatures": [{"name": "Shellshock", "in": "request_headers",
                         "pattern": r"\(\)\s*\{"}]},
        {"fields": ["User-Agent: () { :; }"]}, 403, 'signature "Shellshock" in request_headers'),
    "signature in the url": (
        {"signatures": [{"name": "Dots", "in": "url", "pattern": r"<script"}]},
        {"target": "/?q=%3CSCRIPT"}, 403, 'signature "Dots" in url'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_head_never_reaches_the_site_and_the_connection_lives_on(edge, name):
    http_filter, request, status, reason = REFUSED[name]
    edge = edge(http_filter)
    with edge.client() as client:
        answer = client.get(**request)
        assert answer.status == status
        assert b"12217" in answer.body
        assert (answer.get("allow") == "GET, HEAD") == (status == 405)
        assert client.get("/good.htm").status == 200
    assert [seen.target for seen in edge.site.connections[0].requests] == ["/good.htm"]
    line = edge.line()
    assert line["action"] == "Denied" and line["rule"] == "Site"
    assert line["x-result-code"] == "12217"
    assert line["error-info"].startswith("client filtered in request_head: ")
    if reason:
        assert line["error-info"] == "client filtered in request_head: " + reason
    assert edge.line(1)["action"] == "Allowed"


def test_a_request_pipelined_behind_a_refused_one_is_served(edge):
    edge = edge({"extensions": {"deny": [".exe"]}})
    with edge.client() as client:
        client.send(f"GET /a.exe HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n"
                    f"GET /b HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n"
                    f"GET /c.exe HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n")
        assert [client.response().status for _ in range(3)] == [403, 200, 403]
    assert [seen.target for seen in edge.site.connections[0].requests] == ["/b"]


def test_without_a_filter_reserved_paths_are_refused_as_malformed(edge):
    edge = edge({"verify_normalization": False, "block_high_bit": False})
    with edge.client() as client:
        for target in ("/%252e%252e/a", "/%c3%a4"):
            assert client.get(target).status == 200
    assert [seen.target for seen in edge.site.connections[0].requests] == [
        "/%252e%252e/a", "/%C3%A4"]
    settings = {**edge.proxy.settings}
    settings["rules"] = [{key: value for key, value in rule.items() if key != "http_filter"}
                         for rule in settings["rules"]]
    edge.proxy.reload(settings)
    for target in ("/%252e%252e/a", "/%c3%a4"):
        with edge.client() as client:
            assert client.get(target).status == 400
            assert client.is_closed()


def test_report_refuses_nothing_and_logs_the_same_reason(edge):
    edge = edge({"mode": "report", "max_query_length": 4, "max_payload_length": 2,
                 "response_headers": {"deny": ["X-Powered-By"]}, **SCRIPT})
    edge.respond(fields=["X-Powered-By: it"])
    with edge.client() as client:
        answer = client.get("/?12345", fields=["Cookie: a"])
        assert answer.status == 200 and answer.get("x-powered-by") == "it"
        assert client.get("/b", method="POST", body=b"x <script>").status == 200
        client.send(f"POST /c HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n0\r\n\r\n")
        assert client.response().status == 200
        assert client.get("/d").status == 200
        # What is refused without a filter stays refused.
        assert client.get("/%2541").status == 403
    told = [edge.line(number)["FilterInfo"] for number in range(4)]
    assert told == ["HTTP filter would refuse: query 5 > 4",
                    "HTTP filter would refuse: payload 10 > 2",
                    "HTTP filter would refuse: payload 3 > 2", "-"]
    assert edge.line()["error-info"] == "-" and edge.line()["action"] == "Allowed"
    assert len(edge.site.connections[0].requests) == 4


# Request bodies

def test_a_declared_payload_above_the_limit_is_refused_at_once(edge):
    edge = edge({"max_payload_length": 10})
    with edge.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 11\r\n\r\n")
        assert client.response().status == 413
        assert client.is_closed()
    edge.assert_site_was_never_asked()
    assert edge.line()["error-info"] == "client filtered in request_head: payload 11 > 10"


def test_a_chunked_payload_above_the_limit_is_cut_off_and_the_site_sees_no_clean_end(edge):
    edge = edge({"max_payload_length": 10})
    with edge.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nabcde\r\n")
        until(lambda: edge.site.connections and edge.site.connections[0].received.endswith(
            b"5\r\nabcde\r\n"), "the first chunk did not arrive")
        client.send("6\r\nfghijk\r\n0\r\n\r\n")
        answer = client.response()
        assert answer.status == 413 and b"12217" in answer.body
    until(lambda: edge.site.connections[0].peer_left, "the site was not told")
    assert b"fghijk" not in edge.site.connections[0].received
    assert not edge.site.connections[0].requests[0].complete
    assert edge.line()["error-info"] == "client filtered in request_body: payload 11 > 10"


def bodies_cut_everywhere(body, as_chunks):
    """Each form of `body` as the bytes to send, in two parts."""
    for cut in range(1, len(body)):
        if as_chunks:
            yield (b"%x\r\n%s\r\n" % (cut, body[:cut]),
                   b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - cut, body[cut:]))
        else:
            yield body[:cut], body[cut:]


@pytest.mark.parametrize("as_chunks", [False, True])
@pytest.mark.parametrize("bad", [False, True])
def test_a_body_is_judged_whole_however_it_is_split(edge, as_chunks, bad):
    edge = edge(SCRIPT)
    body = b"a <script> b" if bad else b"a <scripx> b"
    cuts = 0
    for first, second in bodies_cut_everywhere(body, as_chunks):
        cuts += 1
        framing = "Transfer-Encoding: chunked" if as_chunks else f"Content-Length: {len(body)}"
        with edge.client() as client:
            client.send(f"POST /{cuts} HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n{framing}\r\n\r\n"
                        .encode() + first)
            client.send(second)
            answer = client.response()
            assert answer.status == (403 if bad else 200), (first, second)
    requests = [seen for connection in edge.site.connections for seen in connection.requests]
    if bad:
        edge.assert_site_was_never_asked()
        assert edge.line()["error-info"] == (
            'client filtered in request_body: signature "Script" in request_body')
    else:
        assert [seen.body for seen in requests] == [body] * cuts


def test_nothing_goes_to_the_site_until_the_beginning_of_the_body_is_judged(edge):
    edge = edge(SCRIPT)
    with edge.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 200000\r\n\r\n"
                    + "x" * 40)
        assert not edge.site.connections
        client.send("y" * 24)
        until(lambda: edge.site.connections, "the body is there and the site was not asked")
        client.send("z" * (200_000 - 64))
        assert client.response().status == 200
    # What comes behind may be spliced: all of it arrived.
    assert edge.site.connections[0].requests[0].body == b"x" * 40 + b"y" * 24 + b"z" * 199_936


def test_who_waits_to_be_told_to_send_its_body_is_told(edge):
    edge = edge(SCRIPT)
    with edge.client() as client:
        for body, status in ((b"good", 200), (b"<script>", 403)):
            client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: {len(body)}\r\n"
                        "Expect: 100-continue\r\n\r\n")
            assert client.head().status == 100
            client.send(body)
            assert client.response().status == status
    (request,) = edge.site.connections[0].requests
    assert request.get("expect") is None and request.body == b"good"


def test_a_client_that_leaves_while_its_body_is_held_back_leaves_nothing(edge):
    edge = edge(SCRIPT)
    client = edge.client()
    client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 100\r\n\r\nx")
    client.reset()
    line = edge.line()
    assert line["error-info"].split(" in ")[1].startswith("request_body")
    edge.assert_site_was_never_asked()


def test_a_client_that_stops_in_the_middle_of_what_is_held_back_gets_408(edge):
    edge = edge(SCRIPT, rule={"timeouts": {"idle": "300ms"}})
    with edge.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 100\r\n\r\nx")
        assert client.response().status == 408
    edge.assert_site_was_never_asked()


def test_a_broken_chunked_body_is_refused_before_anything_of_it_goes_on(edge):
    edge = edge(SCRIPT)
    with edge.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "4;a=b\r\n<scr\r\n" * 12 + "x")
        assert client.response().status == 400
    edge.assert_site_was_never_asked()
    assert edge.line()["error-info"].startswith("client malformed in request_body: ")


def test_a_body_in_tiny_chunks_with_long_lines_is_refused_rather_than_not_looked_at(edge):
    edge = edge({"signatures": [{"name": "Deep", "in": "request_body", "first": 16384,
                                 "pattern": "evil"}]})
    with edge.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            client.send("000000000000001\r\na\r\n" * 6000)
        assert client.response().status == 403
    edge.assert_site_was_never_asked()


# Responses

def test_what_tells_of_the_software_is_kept_removed_or_replaced(edge):
    fields = ["Server: Microsoft-IIS/6.0", "X-Powered-By: ASP.NET", "Via: 1.0 inner", "X-Kept: 1"]
    edge = edge({"server_header": "strip", "via_header": "strip",
                 "response_headers": {"deny": ["x-powered-by"]}})
    edge.respond(fields=fields)
    with edge.client() as client:
        answer = client.get("/")
        for name in ("server", "via", "x-powered-by"):
            assert answer.get(name) is None
        assert answer.get("x-kept") == "1"
    settings = {**edge.proxy.settings}
    settings["rules"][0]["http_filter"] = {"server_header": {"replace": "web"},
                                           "via_header": {"replace": "edge"}}
    edge.proxy.reload(settings)
    with edge.client() as client:
        answer = client.get("/")
        assert answer.get("server") == "web" and answer.get("via") == "1.1 edge"
        assert answer.get("x-powered-by") == "ASP.NET"
    assert all(b"Via: 1.1 ocsproxy" in seen.head
               for connection in edge.site.connections for seen in connection.requests)


def chunked(body):
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"1\r\n%c\r\n" % byte for byte in body[:80])
            + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body[80:]), body[80:]))


RESPONSES = {"length": lambda body: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
             + body,
             "chunks": chunked,
             "close": lambda body: b"HTTP/1.1 200 OK\r\n\r\n" + body}


@pytest.mark.parametrize("form", RESPONSES)
def test_a_response_that_is_a_windows_executable_does_not_reach_the_client(edge, form):
    edge = edge({"block_windows_executables": True})
    message = RESPONSES[form](EXECUTABLE)

    def answer(connection, request):
        for byte in message[:160]:
            connection.send(bytes([byte]))
        connection.send(message[160:])
        if form == "close":
            connection.stream.close()
    edge.answer = answer
    with edge.client() as client:
        refused = client.get("/a")
        assert refused.status == 403 and b"12217" in refused.body and b"MZ" not in refused.body
        message = RESPONSES[form](b"MZ is a text" + b" and goes on" * 40)
        assert client.get("/b").body.startswith(b"MZ is a text and goes on")
    assert edge.line()["error-info"] == "upstream filtered in response_body: a Windows executable"
    assert edge.line(1)["action"] == "Allowed"


@pytest.mark.parametrize("form", RESPONSES)
def test_a_signature_in_a_response_body_is_found_across_reads_and_chunks(edge, form):
    edge = edge({"signatures": [{"name": "Trace", "in": "response_body", "first": 200,
                                 "pattern": "stack trace"}]})
    bodies = [b"a stack trace" + b"x" * 300, b"a stack trice" + b"x" * 300,
              b"y" * 190 + b"stack trace" + b"x" * 300]

    def answer(connection, request):
        message = RESPONSES[form](bodies[int(request.target[1:])])
        connection.send(message[:60])
        connection.send(message[60:])
        if form == "close":
            connection.stream.close()
    edge.answer = answer
    with edge.client() as client:
        assert client.get("/0").status == 403
        for number in (1, 2):
            assert client.get(f"/{number}").body == bodies[number]


def test_a_response_that_cannot_be_an_executable_is_not_held_back(edge):
    edge = edge({"block_windows_executables": True})
    release = threading.Event()

    def answer(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n")
        assert release.wait(30)
        connection.send("0\r\n\r\n")
    edge.answer = answer
    with edge.client() as client:
        client.request("/")
        assert client.head().status == 200
        until(lambda: b"data:" in client.unread or client.stream.receive() == b"" or
              b"data:" in client.stream.received, "the first event was held back")
        release.set()


def test_a_response_head_with_a_signature_is_refused(edge):
    edge = edge({"signatures": [{"name": "Leak", "in": "response_headers",
                                 "pattern": "^X-Debug:"}]})
    edge.respond(fields=["X-Debug: 1"])
    with edge.client() as client:
        assert client.get("/").status == 403
        edge.respond(fields=["X-Kept: X-Debug:"])
        assert client.get("/").status == 200
    assert edge.line()["error-info"] == (
        'upstream filtered in response_head: signature "Leak" in response_headers')


def test_a_site_that_breaks_off_in_what_is_held_back_is_a_bad_gateway(edge):
    edge = edge({"signatures": [{"name": "A", "in": "response_body", "first": 100,
                                 "pattern": "evil"}]})

    def answer(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        connection.stream.close()
    edge.answer = answer
    with edge.client() as client:
        assert client.get("/").status == 502


# What is asked of it

def test_explain_foretells_what_the_filter_does_and_shows_each_check(edge):
    edge = edge({"max_query_length": 4, "extensions": {"deny": [".exe"]}})
    scheme = "https" if edge.tls else "http"
    for target, status in (("/a?12345", 414), ("/a.exe", 403), ("/a", 200)):
        asked = subprocess.run(
            [binary(), "--explain", f"{scheme}://{PUBLIC_NAME}:{edge.address[1]}{target}",
             "--from", "127.0.0.1", "--format", "json", edge.proxy.conf],
            capture_output=True, text=True, check=True)
        told = json.loads(asked.stdout)
        with edge.client() as client:
            assert client.get(target).status == status
        assert told["outcome"] == ("forwarded" if status == 200 else "refused")
        assert told.get("status", 200) == status
        objections = [check["check"] for check in told["http_filter"]["checks"]
                      if not check["passes"]]
        assert objections == {414: ["query_length"], 403: ["extension"], 200: []}[status]
