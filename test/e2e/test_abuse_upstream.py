"""Every fault of test/abuse/upstream.json that a published site may have, plain and over TLS.

Each case has a public name, a rule and a scripted site of its own; all run some at once, then each
is judged: what the client saw, whether the end was clean, how often the site was asked, and whether
the connection to it lived on.
"""
import concurrent.futures
import dataclasses
import json
import math
import ssl
import subprocess
import threading
import time

import pytest
from harness import configuration
from harness.addresses import free_port, own_address, refused_port
from harness.certificates import CLIENT_AUTH, Authority
from harness.client import Client, trusting
from harness.configuration import allow, listener
from harness.messages import Malformed
from harness.origin import Origin, Script
from harness.process import Process
from harness.proxy import REPOSITORY, Proxy
from harness.waiting import PATIENCE

LEFT_OUT = {
    "http2_to_h1_truncation": "HTTP/2 is not offered to clients",
    "dns_change": "needs a resolver: test/net/resolver_test.cpp has it",
    "upstream_alpn_mismatch": "needs a server that breaks TLS: test/tls has it, in memory",
    "one_slow_of_four": "needs a server farm",
}
CASES = {case["name"]: case
         for case in json.loads((REPOSITORY / "test/abuse/upstream.json").read_text())
         if case["name"] not in LEFT_OUT}
# Only the first has to do with TLS towards the site; the others' faults are the handshake's own.
TLS_ONLY = {"tls_close_without_notify_eof_framed", "tls_handshake_stall"}
TIMEOUT = math.ceil(1 * PATIENCE)  # each deadline of the rules, in seconds
MEBI = 1 << 20
AT_ONCE = 8
# Two cases that have a way of their own, below.
TWO_NAMES, RENEGOTIATION = "upstream_session_ticket_other_name", "upstream_renegotiation_flood"
FIRST_NAME = "upstream-session-ticket-other-name.example.test"


@dataclasses.dataclass
class Outcome:
    statuses: list = dataclasses.field(default_factory=list)
    bodies: list = dataclasses.field(default_factory=list)
    fields: list = dataclasses.field(default_factory=list)
    complete: bool = True  # of the last response, by its framing and by how the connection ended
    malformed: str = ""
    asked: int = 0  # requests that reached the site
    whole_requests: int = 0  # with all of their body
    connections: int = 0
    upstream_lives: bool = False


# What the client does, by the data's words for it.

def read_response(outcome, client, method="GET", on_body=None):
    try:
        response = client.response(method, on_body)
    except Malformed as error:
        outcome.malformed = str(error)
        return None
    except (OSError, ssl.SSLError) as error:
        outcome.malformed = f"no response: {error!r}"
        return None
    if response is None:
        outcome.complete = False
        return None
    outcome.statuses.append(response.status)
    outcome.bodies.append(response.body)
    outcome.fields.append(response.fields)
    outcome.complete = response.complete and not (
        response.until_close and client.stream.ended != "clean")
    return response


def one_request(method="GET", **more):
    def drive(outcome, client, name):
        client.request("/a", method=method, host=name, **more)
        return read_response(outcome, client, method)
    return drive


def upload(method, size):
    """In pieces beside the reading: the site may answer, or stop reading, before the end."""
    def drive(outcome, client, name):
        client.send(f"{method} /a HTTP/1.1\r\nHost: {name}\r\nContent-Length: {size}\r\n\r\n")

        def send():
            try:
                for _ in range(size // 65536):
                    client.send(bytes(65536))
            except (OSError, ssl.SSLError, ValueError):
                pass
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        read_response(outcome, client, method)
    return drive


def get_then(following):
    def drive(outcome, client, name):
        one_request()(outcome, client, name)
        outcome.statuses.clear()  # the first request is only the way to a connection that idles
        outcome.bodies.clear()
        following(outcome, client, name)
    return drive


def get_twice(outcome, client, name):
    one_request()(outcome, client, name)
    time.sleep(0.5)  # the script closes 0.2 s after its first answer
    one_request()(outcome, client, name)


def abort_in_body(outcome, client, name):
    client.request("/a", host=name)
    head = client.head()
    outcome.statuses.append(head.status)
    got = len(client.unread)
    while got < 100:
        got += len(client.stream.receive())
    outcome.complete = False
    client.reset()


def slow_reader(outcome, client, name):
    """Reads 1 KiB/s until the proxy gives up; then what is left is far less than was announced."""
    client.request("/a", host=name)
    head = client.head()
    outcome.statuses.append(head.status)
    got = len(client.unread)
    end = time.monotonic() + 6 * TIMEOUT
    while time.monotonic() < end:
        time.sleep(0.25)
        try:
            data = client.stream.receive(256)
        except (OSError, ssl.SSLError):
            break
        if not data:
            break
        got += len(data)
    outcome.complete = got >= int(head.get("content-length"))


DRIVERS = {
    "GET /a HTTP/1.1": one_request(),
    "HEAD /a HTTP/1.1": one_request("HEAD"),
    "GET /a If-None-Match": one_request(fields=['If-None-Match: "x"']),
    "GET with Upgrade: websocket": one_request(fields=[
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]),
    "POST 1 MiB": upload("POST", MEBI),
    "POST 1 GiB": upload("POST", 1024 * MEBI),
    "GET twice": get_twice,
    "GET then POST": get_then(one_request("POST", body=b"hello")),
    "GET then PUT 10 MiB": get_then(upload("PUT", 10 * MEBI)),
    "GET, client resets after 100 bytes": abort_in_body,
    "GET by slow reader": slow_reader,
}


# The sites.

class Site:
    """The scripted site of one case. `wanted`: the name that the rule asks for and verifies."""

    def __init__(self, case, tls, pki, folder):
        self.case, self.keeper, self.process = case, None, None
        self.wanted = f"{case['name'].replace('_', '-')}.test"
        self.script = Script(case["origin"])
        steps = case["origin"]
        context = None
        if tls:
            context = self.leaf(case, pki, folder).server_context()
        if case["name"] == "upstream_sni_required":
            context.sni_callback = lambda _, name, __: (
                None if name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        if case["class"] == "tls" and "tls" in steps[0]:
            self.script = Script([{"read": "request"}, {"send":
                                  "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"}])
        if case["name"] == "close_on_reused_idle_get":
            again = [{"read": "request"}, {"send": "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"}]
            self.script = Script(steps, again)
        if steps[0].get("listen") is False:
            self.keeper, self.port = refused_port("127.0.0.1")
            self.origin = None
            return
        if steps[0].get("accept_tcp_only") or case.get("origin_tls") == "none":
            context = None
        if case["name"] == "upstream_plain_on_tls_port":
            self.script = self.plain_answer
        self.origin = Origin(self.script, context)
        self.port = self.origin.port

    @staticmethod
    def plain_answer(connection):
        connection.stream.receive()
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n")

    def leaf(self, case, pki, folder):
        name, authority = case["name"], pki.authority
        wanted = self.wanted
        if name == "upstream_tls_ip_target_dns_cert":
            self.wanted, wanted = "127.0.0.1", "pool.test"
        if name == TWO_NAMES:
            wanted = self.wanted = "first.test"
        faults = {
            "upstream_tls_wrong_name": lambda: authority.issue("other.test"),
            "upstream_tls_wrong_eku": lambda: authority.issue(wanted, eku=CLIENT_AUTH),
            "upstream_tls_ca_as_leaf_no_san": lambda: authority.issue(cn=wanted),
            "upstream_tls_weak_sig_sha1": lambda: authority.issue(wanted, sha1=True),
            "upstream_tls_rsa_1024": lambda: authority.issue(wanted, key="rsa1024"),
            "upstream_tls_missing_intermediate": lambda: Authority(
                "Contoso Issuing CA", parent=authority).issue(wanted, with_intermediate=False),
            "upstream_tls_wildcard_partial": lambda: authority.issue("upstream*.test"),
            "upstream_tls_nul_in_san": lambda: authority.issue(f"{wanted}\0.evil.test"),
        }
        return faults.get(name, lambda: authority.issue(wanted))().write(folder, name)

    def end(self):
        if isinstance(self.script, Script):
            self.script.release.set()
        if self.origin:
            self.origin.close()
        if self.keeper:
            self.keeper.close()


def run_case(case, site, address, context):
    outcome = Outcome()
    name = public_name(case)
    with Client(address, context, name, timeout=20) as client:
        try:
            DRIVERS[case["request"]](outcome, client, name)
        except (OSError, ssl.SSLError, AttributeError, Malformed) as error:
            outcome.malformed = f"{error!r}"
        if site.origin:
            if case["upstream_conn_after"] == "reuse":
                one_request()(Outcome(), client, name)
            outcome.connections = len(site.origin.connections)
            outcome.upstream_lives = not gone(site)
            outcome.asked = len(site.origin.requests)
            outcome.whole_requests = sum(arrived_whole(connection)
                                         for connection in site.origin.connections)
    return outcome


def must_be_gone(case):
    """Where the data's general "close" is about a connection that has nothing wrong with it."""
    return case["class"] != "pool" and case["name"] not in (
        "early_200_keepalive",  # may be kept once all of the upload has arrived after all
        "upstream_sni_required")  # once the name is sent, it is a connection like any other


def gone(site):
    """Does every connection to the site end? Judged while the client's own connection lives."""
    end = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < end:
        # Of "GET twice" the second connection is the sound one.
        if all(connection.peer_left for connection in site.origin.connections[:1]):
            return True
        time.sleep(0.02)
    return False


def arrived_whole(connection):
    """Has all of the one request come, read by the script or after it?"""
    head = connection.requests[0] if connection.requests else None
    return head is not None and len(connection.received) == \
        len(head.head) + int(head.get("content-length") or 0)


def public_name(case):
    return f"{case['name'].replace('_', '-')}.example.test"


def rule_for(case, site, bridging):
    limit = f"{TIMEOUT}s"
    return allow(site.port, case["name"], site=site.wanted, public_names=[public_name(case)],
                 bridging=bridging,
                 timeouts={"connect": limit, "response_head": limit, "idle": limit})


def applies(case, scheme):
    return scheme == "https" or not (case["class"] == "tls" or case["name"] in TLS_ONLY)


class Run:
    """One proxy in front of all sites; the outcomes of all cases; the log of it all."""

    def __init__(self, scheme, pki, folder):
        https = scheme == "https"
        address = own_address()
        port = free_port(address)
        self.address = (address, port)
        public = pki.authority.issue("*.example.test").write(folder, "wildcard")
        self.context = trusting(pki.root) if https else None
        cases = {name: case for name, case in CASES.items() if applies(case, scheme)}
        sites = {name: Site(case, https, pki, folder) for name, case in cases.items()
                 if name != RENEGOTIATION}
        rules = [rule_for(cases[name], site, scheme) for name, site in sites.items()]
        if https:
            first = sites[TWO_NAMES]
            rules.append(allow(first.port, "second name", site="second.test",
                               public_names=["second.example.test"]))
            renegotiating = Renegotiating(pki, folder)
            rules.append(allow(renegotiating.port, "renegotiating", site="renegotiates.test",
                               public_names=["renegotiates.example.test"],
                               timeouts={"response_head": f"{10 * TIMEOUT}s"}))
        settings = configuration.configuration(
            [listener(address, certificates=[public], **{scheme: port})], rules, roots=[pki.root])
        with Proxy(folder, settings) as proxy:
            before = len(proxy.descriptors())
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                self.outcomes = dict(pool.map(
                    lambda name: (name, run_case(cases[name], sites[name], self.address, self.context)),
                    [name for name in sites if name != TWO_NAMES]))
            if https:
                self.other_name = self.ask(FIRST_NAME, "second.example.test")
                self.renegotiated = self.renegotiate(renegotiating)
            for site in sites.values():
                site.end()
            # Connections that may be reused stay in the pool until their site ends them.
            proxy.until_descriptors(before)
            self.log = proxy.log()
            self.entries = proxy.entries()

    def ask(self, *names):
        statuses = []
        for name in names:
            with Client(self.address, self.context, name) as client:
                statuses.append(client.get("/a", host=name).status)
        return statuses

    def renegotiate(self, site):
        with Client(self.address, self.context, "renegotiates.example.test", timeout=30) as client:
            client.request("/a", host="renegotiates.example.test")
            hellos = site.renegotiate()
            outcome = Outcome()
            read_response(outcome, client)
            return outcome.statuses, hellos


class Renegotiating:
    """openssl s_server in TLS 1.2, told to ask for a renegotiation once the request has come."""

    def __init__(self, pki, folder):
        leaf = pki.authority.issue("renegotiates.test").write(folder, "renegotiates")
        self.port = free_port("127.0.0.1")
        self.process = Process(["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-tls1_2",
                                "-cert", leaf.chain_file, "-key", leaf.key_file, "-msg"],
                               folder / "s_server.log", stdin=subprocess.PIPE)
        self.process.until_it_says("ACCEPT")

    def renegotiate(self):
        """Asks, and ends once the answer has had its time; returns how many ClientHellos came."""
        self.process.until_it_says("GET /a")
        self.process.child.stdin.write(b"r\n")
        self.process.child.stdin.flush()
        self.process.until_it_says("HelloRequest")
        time.sleep(0.5 * PATIENCE)
        self.process.kill()
        return self.process.text().count("ClientHello")


@pytest.fixture(scope="module", params=["http", "https"])
def run(request, pki, module_folder):
    folder = module_folder / request.param
    folder.mkdir()
    folder.chmod(0o755)
    return request.param, Run(request.param, pki, folder)


@pytest.mark.parametrize("name", [name for name in CASES if name not in (TWO_NAMES, RENEGOTIATION)])
def test_case(run, name):
    scheme, done = run
    case = CASES[name]
    if not applies(case, scheme):
        assert name not in done.outcomes  # has to do with TLS alone
        return
    outcome = done.outcomes[name]
    why = f"{case['why']}\n{outcome}"
    assert not outcome.malformed, why
    assert outcome.statuses, f"no response: {why}"
    assert all(status in case["client_status"] for status in outcome.statuses), why
    if outcome.statuses[-1] == 502:  # our own page always ends cleanly
        assert outcome.complete, f"our own answer was cut: {why}"
    else:
        assert outcome.complete == case["client_clean_end"], why
    assert not any(b"poison" in body or b"\0" in body for body in outcome.bodies), why

    requests = 2 if "twice" in case["request"] or "then" in case["request"] else 1
    if case["upstream_conn_after"] == "reuse":
        requests = 2
        assert outcome.connections == 1, f"not reused: {why}"
    elif case["upstream_conn_after"] == "close" and must_be_gone(case):
        assert not outcome.upstream_lives, f"the connection to the site lives on: {why}"
    elif case["name"] == "early_200_keepalive":
        assert not outcome.upstream_lives or outcome.whole_requests == 1, why
    assert outcome.asked <= requests, f"asked more often than the client did: {why}"
    if case["class"] == "tls" and case["client_status"] == [502, 503]:
        assert outcome.asked == 0, f"a request left before the site was verified: {why}"
    for field, count in case.get("must", {}).get("client_header_count", {}).items():
        if outcome.statuses[-1] != 502:
            assert [key for key, _ in outcome.fields[-1]].count(field) == count, why


def test_a_session_of_one_site_name_never_proves_another(run):
    scheme, done = run
    if scheme == "https":
        assert done.other_name == [200, 502]


def test_renegotiation_by_the_site_is_refused(run):
    scheme, done = run
    if scheme == "https":
        assert done.renegotiated == ([502], 1)


def test_each_refused_certificate_is_explained_in_the_log(run):
    scheme, done = run
    if scheme == "https":
        for name in ("upstream-tls-wrong-name.test", "upstream-tls-wrong-eku.test",
                     "upstream-tls-missing-intermediate.test"):
            assert name in done.log, f"{name} is not named in:\n{done.log}"
