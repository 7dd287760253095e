"""What the running proxy counts: each reason moves its own counters, and no other."""
import contextlib
import os
import socket
import threading

import pytest
from harness import configuration, process
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, deny, listener
from harness.folders import give_to_unprivileged
from harness.origin import Origin
from harness.prometheus import Malformed, parse
from harness.proxy import Proxy
from harness.waiting import until
from test_command_line import run

OTHER = "other.example.test"
INTERNAL = "127.201.0.1"
NTLM = "Authorization: NTLM TlRMTVNTUAAB"
SHORT = "300ms"


class Edge:
    """One listener for each thing that a listener can refuse, one rule for each that can fail."""

    def __init__(self, folder, pki, stack):
        self.address = own_address()
        self.release = threading.Event()
        self.answers = {}
        self.site = stack.enter_context(Origin(self._serve))
        closed = free_port("127.0.0.1")
        other = pki.authority.issue(OTHER).write(folder, "other")
        self.ports = {name: free_port(self.address)
                      for name in ("plain", "tls", "hasty", "hasty tls", "one")}
        quick = {"handshake": SHORT, "request_head": SHORT, "idle": SHORT}
        tls = {"certificates": [pki.public, other]}
        self.socket = folder / "run" / "socket"
        self.socket.parent.mkdir()
        give_to_unprivileged(self.socket.parent)
        rules = [deny("/closed/*", public_names=[PUBLIC_NAME])]
        for name in ("Plain", "Edge", "Hasty", "One"):
            def to(path, more_name, port=None, name=name, **more):
                return allow(port or self.site.port, f"{name} {more_name}", listener=name,
                             bridging="http", paths=[path], **more)
            rules += [
                to("/refused", "refused", closed),
                to("/slow", "slow", timeouts={"response_head": SHORT}),
                to("/stalls", "stalls", timeouts={"idle": SHORT}),
                to("/busy", "busy", timeouts={"queue": SHORT},
                   to={"limits": {"connections": 1}}),
                to("/filtered", "filtered", http_filter={"max_query_length": 10}),
                to("/*", "site")]
        self.settings = configuration.configuration(
            [listener(self.address, "Plain", http=self.ports["plain"]),
             listener(self.address, "Edge", https=self.ports["tls"], **tls),
             listener(self.address, "Hasty", http=self.ports["hasty"],
                      https=self.ports["hasty tls"], timeouts=quick, **tls),
             listener(self.address, "One", http=self.ports["one"], limits={"connections": 1})],
            rules, workers=1,
            networks={"External": ["127.0.0.0/9", "127.200.0.0/16"], "Internal": ["127.201.0.0/16"]})
        self.proxy = stack.enter_context(
            Proxy(folder, self.settings, arguments=["--socket", self.socket]))

    def _serve(self, connection):
        while request := connection.read_request():
            answer = self.answers.get(request.target.split("?")[0])
            if answer is None:
                connection.respond()
            elif answer(connection) is False:
                return

    def stats(self):
        status, out, err = run("--stats", "--socket", self.socket)
        assert (status, err) == (0, "")
        return parse(out)

    def client(self, port="plain", name=PUBLIC_NAME, tls=False, **more):
        return Client((self.address, self.ports[port]), trusting() if tls else None, name, **more)

    def ask(self, target, *fields, port="plain"):
        with self.client(port) as client:
            answer = client.get(target, fields=("Connection: close", *fields))
            return None if answer is None else answer.status


@pytest.fixture(name="edge")
def fixture_edge(folder, pki):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack)
        stack.callback(edge.release.set)
        yield edge


def series(name, **labels):
    return f"ocsproxy_{name}_total", tuple(sorted(labels.items()))


@contextlib.contextmanager
def moves(edge, expected, already_open=0):
    """Within, exactly these counters move, by so much."""
    # What a probe for the listening ports began has ended, and is counted.
    until(lambda: edge.stats().value("ocsproxy_client_connections") == already_open,
          "connections remain")
    before = edge.stats().counters()
    yield

    def moved():
        now = edge.stats().counters()
        return {one: now[one] - before.get(one, 0) for one in now if now[one] != before.get(one, 0)}
    until(lambda: moved() == expected,
          lambda: f"moved:\n{moved()}\ninstead of:\n{expected}")


ONE = {series("client_connections"): 1, series("requests"): 1}


def judged(answer, status_class, rule=None):
    return {**ONE, series("judged_requests", answer=answer): 1,
            series("responses", **{"class": status_class}): 1,
            **({series("rule_requests", rule=rule): 1} if rule else {})}


def forwarded(status_class, rule="Plain site"):
    return {**judged("forward", status_class, rule),
            series("upstream_connections_opened"): 1}


def replied(status):
    return {series("replies", status=str(status)): 1}


def refused(status, reason):
    return {**ONE, **replied(status),
            series("refused_requests", status=str(status), reason=reason): 1,
            series("responses", **{"class": f"{status // 100}xx"}): 1,
            **error("client", "request_head", "malformed")}


def error(side, phase, kind):
    return {series("errors", side=side, phase=phase, kind=kind): 1}


def deadline(name):
    return {series("deadlines", deadline=name): 1}


def test_a_forwarded_request(edge):
    with moves(edge, forwarded("2xx")):
        assert edge.ask("/") == 200


def test_400(edge):
    with moves(edge, refused(400, "more than one Host")):
        assert edge.ask("/", "Host: a") == 400


def test_403_by_a_rule(edge):
    with moves(edge, {**judged("deny", "4xx", "Closed"), **replied(403)}):
        assert edge.ask("/closed/x") == 403


def test_403_because_no_rule_matches(edge):
    with moves(edge, {**judged("deny", "4xx"), **replied(403), series("default_denials"): 1}):
        with edge.client() as client:
            answer = client.get("/", host="unknown.example.test", fields=("Connection: close",))
            assert answer.status == 403


def test_405(edge):
    with moves(edge, refused(405, "the method is not forwarded")):
        with edge.client() as client:
            assert client.get("/", method="TRACE").status == 405


def test_408(edge):
    with moves(edge, {**refused(408, "the request head did not arrive within the deadline "
                                     "request_head"), **deadline("request_head")}):
        with edge.client("hasty") as client:
            client.send("GET / HTTP/1.1\r\nHost: ")
            assert client.response().status == 408


def test_421(edge):
    with moves(edge, {**refused(421, "the name belongs to another certificate than the one that "
                                     "was asked for"),
                      series("client_handshakes", type="full"): 1}):
        with edge.client("tls", tls=True) as client:
            client.send(f"GET / HTTP/1.1\r\nHost: {OTHER}\r\n\r\n")
            assert client.response().status == 421


def test_502_of_a_site_that_nobody_is_at(edge):
    with moves(edge, {**judged("forward", "5xx", "Plain refused"), **replied(502),
                      series("upstream_connection_failures", kind="refused"): 1,
                      **error("upstream", "connect", "refused")}):
        assert edge.ask("/refused") == 502


def test_502_of_an_answer_that_is_none(edge):
    edge.answers["/bad"] = lambda connection: connection.send(b"nonsense\r\n\r\n")
    with moves(edge, {**forwarded("5xx"), **replied(502),
                      **error("upstream", "response_head", "malformed")}):
        assert edge.ask("/bad") == 502


def test_503_of_a_site_whose_connections_are_in_use(edge):
    edge.answers["/busy"] = lambda connection: edge.release.wait(30) and connection.respond()
    with edge.client() as first:
        first.request("/busy")
        until(lambda: edge.site.requests, "the first request does not reach the site")
        with moves(edge, {**judged("forward", "5xx", "Plain busy"), **replied(503),
                          series("upstream_waits"): 1, **deadline("queue"),
                          **error("upstream", "connect", "overloaded")}, already_open=1):
            assert edge.ask("/busy") == 503
        edge.release.set()
        assert first.response().status == 200


def test_what_an_http_filter_refuses(edge):
    with moves(edge, {**judged("forward", "4xx", "Plain filtered"), **replied(414),
                      series("filter_refusals", check="query_length"): 1,
                      **error("client", "request_head", "filtered")}):
        assert edge.ask("/filtered?" + "x" * 11) == 414


def test_504(edge):
    edge.answers["/slow"] = lambda connection: edge.release.wait(30)
    with moves(edge, {**forwarded("5xx", "Plain slow"), **replied(504), **deadline("response_head"),
                      **error("upstream", "response_head", "timeout")}):
        assert edge.ask("/slow") == 504


def test_a_body_that_stalls(edge):
    def stall(connection):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        edge.release.wait(30)
    edge.answers["/stalls"] = stall
    with moves(edge, {**forwarded("2xx", "Plain stalls"), **deadline("idle"),
                      **error("upstream", "response_body", "timeout")}):
        with edge.client() as client:
            client.request("/stalls")
            assert not client.response().complete


def test_a_client_that_leaves(edge):
    edge.answers["/left"] = lambda connection: edge.release.wait(30)
    with moves(edge, {**forwarded("none"), **error("client", "response_head", "reset")}):
        client = edge.client()
        client.request("/left")
        until(lambda: edge.site.requests, "the request does not reach the site")
        client.reset()


def test_a_client_of_a_network_that_the_listener_is_not_for(edge):
    with moves(edge, {series("client_connections"): 1,
                      series("refused_connections", reason="network"): 1}):
        with edge.client(source=INTERNAL) as client:
            assert client.is_closed()


def test_a_connection_above_the_limit_of_its_listener(edge):
    until(lambda: edge.stats().value("ocsproxy_client_connections") == 0, "connections remain")
    with edge.client("one") as first:
        assert first.get("/").status == 200
        with moves(edge, {series("refused_connections", reason="listener_limit"): 1},
                   already_open=1):
            with edge.client("one") as late:
                assert late.is_closed()


@pytest.mark.parametrize("what, kind", [(b"GET / HTTP/1.1\r\n\r\n", "tls"), (None, "timeout")])
def test_a_handshake_that_fails(edge, what, kind):
    more = deadline("handshake") if kind == "timeout" else {}
    with moves(edge, {series("client_connections"): 1, **error("client", "handshake", kind),
                      **more}):
        with socket.create_connection((edge.address, edge.ports["hasty tls"])) as raw:
            raw.settimeout(20)
            if what:
                raw.sendall(what)
            while raw.recv(1000):
                pass


def test_a_client_that_idles(edge):
    with moves(edge, {**forwarded("2xx", "Hasty site"),
                      series("idle_client_connections_closed"): 1}):
        with edge.client("hasty") as client:
            assert client.get("/").status == 200
            assert client.is_closed()


def test_a_request_that_is_sent_again(edge):
    assert edge.ask("/") == 200  # leaves a connection in the pool

    def end_once(connection):
        if len(connection.requests) > 1:
            return False
        connection.respond()
        return None
    edge.answers["/again"] = end_once
    with moves(edge, {**forwarded("2xx"), series("retries"): 1}):
        assert edge.ask("/again") == 200


def test_connections_that_authenticate(edge):
    until(lambda: edge.stats().value("ocsproxy_client_connections") == 0, "connections remain")
    gauge = "ocsproxy_upstream_connections"
    with edge.client() as client:
        assert client.get("/", fields=(NTLM,)).status == 200
        now = edge.stats()
        assert now.value("ocsproxy_pinned_connections_total") == 1
        assert now.value(gauge, state="pinned") == 1
        assert now.value("ocsproxy_listener_connections", listener="Plain") == 1
        assert now.value("ocsproxy_identity_violations_total") == 0
    until(lambda: edge.stats().value(gauge, state="pinned") == 0, "the pin outlives its client")


def test_connections_in_the_pool_are_seen_there(edge):
    assert edge.ask("/") == 200
    until(lambda: edge.stats().value("ocsproxy_upstream_connections", state="idle") == 1,
          "no idle connection")
    edge.site.close_connections()
    until(lambda: edge.stats().value("ocsproxy_upstream_connections", state="idle") == 0,
          "a connection that ended is still counted")


def test_a_reload_keeps_the_counts_of_rules_that_stay(edge):
    for _ in range(3):
        assert edge.ask("/closed/x") == 403
    assert edge.stats().value("ocsproxy_configuration_generation") == 1
    settings = {**edge.settings, "rules": [
        deny("/new/*", name="New", public_names=[PUBLIC_NAME]),
        *[rule for rule in edge.settings["rules"] if rule["name"] != "Plain busy"]]}
    edge.proxy.reload(settings)
    assert edge.ask("/closed/x") == 403
    now = edge.stats()
    assert now.value("ocsproxy_rule_requests_total", rule="Closed") == 4
    assert now.value("ocsproxy_rule_requests_total", rule="New") == 0
    assert ("ocsproxy_rule_requests_total", (("rule", "Plain busy"),)) not in now.series
    assert now.value("ocsproxy_configuration_generation") == 2


def test_the_process_and_its_configuration(edge):
    now = edge.stats()
    assert now.value("ocsproxy_workers") == 1
    assert now.value("ocsproxy_access_log_lost_lines_total") == 0
    assert len(edge.proxy.descriptors()) <= now.value("process_open_fds") <= 1000
    resident = process.resident_kib(edge.proxy.server_pid) << 10
    assert resident / 2 < now.value("process_resident_memory_bytes") < resident * 2
    begun, loaded = (now.value(f"{name}_seconds") for name in
                     ("process_start_time", "ocsproxy_configuration_loaded_timestamp"))
    assert os.stat(edge.proxy.folder).st_mtime - 60 < begun <= loaded + 1 < begun + 120


@pytest.mark.parametrize("words, says", [
    (("--stats",), "--stats asks the running proxy: add  --socket PATH"),
    (("--stats", "--socket", "/nonexistent"), "the socket /nonexistent: there is none"),
    (("--stats", "--socket", "/s", "conf"), "which knows its configuration"),
    (("--stats", "--check", "conf"), "give one of"),
])
def test_a_wrong_question_is_status_2(words, says):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert says in err


GOOD = "# HELP a_total Text.\n# TYPE a_total counter\na_total{b=\"c\\\"\\n\"} 1\n"


def test_the_reader_takes_what_is_right():
    assert parse(GOOD).value("a_total", b='c"\n') == 1


@pytest.mark.parametrize("old, new", [
    ("# HELP a_total Text.\n", ""),
    ("# TYPE a_total counter\n", ""),
    ("counter", "gauge"),
    ("a_total{", "a{"),
    ("\\n", "\\t"),
    ('b="', 'b="'"\n"),
    (" 1\n", "\n"),
    (" 1\n", " x\n"),
    (" 1\n", " 1"),
    (" 1\n", " 1\n\n"),
    ('a_total{b="c\\"\\n"} 1\n', ""),
    ('"}', '",}'),
    ('"}', '",b="d"}'),
    (" 1\n", ' 1\na_total{b="c\\"\\n"} 1\n'),
    (" 1\n", " 1\n# HELP d Text.\n# TYPE d gauge\nd 1\na_total 2\n"),
    (" 1\n", " 1\n# HELP a_total Text.\n# TYPE a_total counter\na_total 2\n"),
])
def test_the_reader_refuses_what_is_not(old, new):
    with pytest.raises(Malformed):
        parse(GOOD.replace(old, new))
