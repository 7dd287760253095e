"""The main job: a site published over TLS, as a client and an administrator see it."""
import contextlib
import hashlib
import json
import os
import re
import subprocess
import threading

import pytest
from harness import configuration, nginx, websocket
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, SITE, allow, deny, listener
from harness.curl import Curl
from harness.echo_site import EchoSite
from harness.proxy import Proxy
from harness.waiting import until

KIBI, MEBI = 1 << 10, 1 << 20


class Published:
    """One proxy with a plain listener that redirects, a TLS listener, and the sites behind it."""

    def __init__(self, folder, pki, privileged, stack):
        self.address = own_address()
        self.http, self.https = free_port(self.address), free_port(self.address)
        self.site = EchoSite(pki.pool.server_context())
        stack.callback(self.site.origin.close)
        (folder / "files").mkdir()
        files = stack.enter_context(nginx.serving(folder, pki.pool))
        self.files = folder / "files"
        self.socket_site = stack.enter_context(websocket.server(folder, leaf=pki.pool))
        self.settings = configuration.configuration(
            [listener(self.address, http={"port": self.http, "redirect": "https"}, https=self.https,
                      certificates=[pki.public])],
            [deny("/closed/*", public_names=[PUBLIC_NAME]),
             deny("/old/*", name="Old", redirect="https://new.example.test/", listener="Edge",
                  public_names=[PUBLIC_NAME]),
             allow(files, "Files", paths=[{"external": "/files/*", "internal": "/*"}]),
             allow(self.socket_site.port, "Sockets", paths=["/ws/*"]),
             allow(self.site.port, "Mapped",
                   paths=[{"external": "/public/*", "internal": "/inside/app/*"}]),
             allow(self.https, "Loop", paths=["/loop/*"], site=PUBLIC_NAME, address=self.address),
             allow(self.site.port, "Nobody authenticates", paths=["/anonymous/*"],
                   delegation="none"),
             allow(self.site.port, "Original host", paths=["/host/*"],
                   to={"original_host": True}),
             allow(self.site.port)],
            roots=[pki.root])
        self.root = pki.root
        self.context = trusting(pki.root)
        self.curl = Curl((self.address, self.https), pki.root)
        self.plain_curl = Curl((self.address, self.http), https=False)
        self.proxy = stack.enter_context(Proxy(folder, self.settings, privileged=privileged))

    def client(self):
        return Client((self.address, self.https), self.context, PUBLIC_NAME)

    def echo(self, *words, **more):
        """What the site was asked, by curl."""
        answer = self.curl(*words, **more)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def logged(self, marker):
        """The one log line about the request whose target holds `marker`."""
        def found():
            return [entry for entry in self.proxy.entries() if marker in entry["cs-uri"]]
        lines = until(found, f"no line about {marker} in the access log")
        assert len(lines) == 1, lines
        return lines[0]


@pytest.fixture(scope="module", params=[
    pytest.param(True, id="two_processes", marks=pytest.mark.root),
    pytest.param(False, id="one_process")])
def published(request, pki, module_folder):
    folder = module_folder / ("two_processes" if request.param else "one_process")
    folder.mkdir()
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        yield Published(folder, pki, request.param, stack)


# What the policy says


def test_an_allowed_request_reaches_the_site_under_its_internal_name(published):
    told = published.echo("/some/page?x=1&y=%2F")
    assert (told["method"], told["target"]) == ("GET", "/some/page?x=1&y=%2F")
    host = dict(told["fields"])["host"]
    assert host in (SITE, f"{SITE}:{published.site.port}")


def test_a_denied_path_gets_403_with_the_code_that_administrators_know(published):
    for target in ("/closed/x", "/CLOSED/x", "/closed", "/%63losed/x", "/a/../closed/x"):
        answer = published.curl(target)
        assert answer.status == 403, target
        assert b"12202" in answer.body
        for secret in (b"Closed", b"Edge", SITE.encode(), b"127.0.0.1"):
            assert secret not in answer.body, "the page tells what is behind the proxy"
        assert answer.get("x-request-id") and answer.get("x-request-id").encode() in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1", "nobody.example.test", SITE, "[::1]"])
def test_a_host_that_nobody_published_is_denied(published, host):
    answer = published.curl("-H", f"Host: {host}", "/")
    assert answer.status == 403
    assert b"12202" in answer.body


def test_a_deny_may_redirect(published):
    answer = published.curl("/old/page")
    assert (answer.status, answer.get("location")) == (302, "https://new.example.test/")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_turn_a_proxy_into_a_tunnel_get_405(published, method):
    with published.client() as client:
        assert client.get("/x", method=method).status == 405


def test_options_for_the_whole_server_gets_405(published):
    with published.client() as client:
        assert client.get("*", method="OPTIONS").status == 405


@pytest.mark.parametrize("method", ["PROPFIND", "RPC_IN_DATA", "OPTIONS", "DELETE"])
def test_other_methods_go_through(published, method):
    assert published.echo("-X", method, "/x")["method"] == method


# The plain listener


def test_plain_http_is_redirected_to_the_configured_name_and_port(published):
    for method in ("GET", "HEAD"):
        answer = published.plain_curl("-X" if method == "GET" else "-I",
                                      *(["GET"] if method == "GET" else []), "/some/page?x=1")
        assert answer.status == 302
        assert answer.get("location") == f"https://{PUBLIC_NAME}:{published.https}/some/page?x=1"


def test_plain_http_with_a_body_or_an_unpublished_name_is_refused(published):
    assert published.plain_curl("-d", "secret", "/").status == 403
    assert published.plain_curl("-H", "Host: nobody.example.test", "/").status == 403


# Messages


def test_head_has_the_length_of_get_and_no_body(published):
    (published.files / "head.txt").write_bytes(b"x" * 1234)
    answer = published.curl("--head", "/files/head.txt")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "1234", b"")


def test_ranges_are_the_sites_own(published):
    (published.files / "range.txt").write_bytes(bytes(range(256)))
    answer = published.curl("-r", "10-19", "/files/range.txt")
    assert (answer.status, answer.body) == (206, bytes(range(10, 20)))
    assert answer.get("content-range") == "bytes 10-19/256"


@pytest.mark.parametrize("size", [0, 1, 16 * KIBI, 100 * KIBI, 3 * MEBI + 7])
def test_an_upload_arrives_byte_for_byte(published, size):
    body = os.urandom(size)
    told = published.echo("--data-binary", "@-", "-H", "Expect:", "/upload", stdin=body)
    assert (told["length"], told["sha256"]) == (size, hashlib.sha256(body).hexdigest())


def test_a_chunked_upload_arrives_byte_for_byte(published):
    body = os.urandom(300 * KIBI)
    told = published.echo("-T", "-", "-X", "POST", "-H", "Expect:", "/upload", stdin=body)
    assert (told["length"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert dict(told["fields"])["transfer-encoding"] == "chunked"


def test_a_download_arrives_byte_for_byte(published):
    for size in (0, 1, 16 * KIBI, MEBI + 3):
        content = os.urandom(size)
        (published.files / f"{size}.bin").write_bytes(content)
        assert published.curl(f"/files/{size}.bin").body == content


def test_a_chunked_response_keeps_its_trailer(published):
    with published.client() as client:
        response = client.get("/chunked")
    assert (response.body, response.complete) == (b"hello world", True)
    assert response.trailers in ([], [("x-sum", "11")])  # a trailer may be dropped, never changed


def test_a_response_that_ends_with_the_connection_goes_on_as_chunked(published):
    with published.client() as client:
        response = client.get("/until-close")
        assert (response.body, response.get("transfer-encoding")) == (b"up to the end", "chunked")
        assert client.get("/echo").status == 200  # the client's connection lives on


def test_a_304_has_no_body_whatever_its_length_says(published):
    with published.client() as client:
        assert client.get("/not-modified").status == 304
        assert client.get("/echo").status == 200


def test_an_interim_response_is_passed_on(published):
    with published.client() as client:
        response = client.get("/interim")
    assert [interim.status for interim in response.interim] == [103]


def test_a_connection_serves_many_requests(published):
    with published.client() as client:
        for number in range(20):
            assert json.loads(client.get(f"/echo?n={number}").body)["target"] == f"/echo?n={number}"


def test_pipelined_requests_are_answered_in_order(published):
    with published.client() as client:
        client.send("".join(f"GET /echo?n={number} HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n"
                            for number in range(10)))
        targets = [json.loads(client.response().body)["target"] for _ in range(10)]
    assert targets == [f"/echo?n={number}" for number in range(10)]


def test_connections_to_the_site_are_reused_for_anonymous_requests(published):
    numbers = set()
    for _ in range(12):
        with published.client() as client:
            numbers.add(json.loads(client.get("/echo").body)["connection"])
    assert len(numbers) < 12


def test_expect_100_continue_is_answered_before_the_body_is_sent(published):
    with published.client() as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n")
        assert client.head().status == 100
        client.send("hello")
        assert json.loads(client.response().body)["length"] == 5


def test_an_unknown_expectation_gets_417(published):
    with published.client() as client:
        assert client.get("/echo", fields=["Expect: the-unexpected"]).status == 417


def test_an_http_1_0_client_gets_no_chunks(published):
    with published.client() as client:
        response = client.get("/chunked", version="HTTP/1.0")
        assert response.get("transfer-encoding") is None
        assert response.body == b"hello world"
        assert client.is_closed() and client.stream.ended == "clean"


def test_an_http_1_0_client_may_keep_its_connection(published):
    with published.client() as client:
        keep = ["Connection: keep-alive"]
        assert client.get("/echo", version="HTTP/1.0", fields=keep).get("connection").lower() \
            == "keep-alive"
        assert client.get("/echo", version="HTTP/1.0", fields=keep).status == 200


def test_connection_close_is_honoured(published):
    with published.client() as client:
        assert client.get("/echo", fields=["Connection: close"]).get("connection") == "close"
        assert client.is_closed() and client.stream.ended == "clean"


def test_an_early_answer_reaches_a_client_that_is_still_sending(published):
    with published.client() as client:
        client.send(f"POST /refuse HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n"
                    f"Content-Length: {64 * MEBI}\r\n\r\n")
        client.send(bytes(64 * KIBI))
        response = client.response("POST")  # far from all of the body has been sent
    assert (response.status, response.body) == (413, b"too big")


def test_a_client_that_has_ended_its_direction_still_gets_its_answer(published):
    published.site.released.clear()
    with published.client() as client:
        client.request("/poll")
        client.stream.half_close()
        until(lambda: any(r.target == "/poll" for r in published.site.origin.requests),
              "the request did not reach the site")
        published.site.released.set()
        assert client.response().body == b"now"


def test_a_client_that_vanishes_ends_the_connection_to_the_site(published):
    published.site.released.clear()
    client = published.client()
    client.request("/poll?vanishing")
    connection = until(
        lambda: next((c for c in published.site.origin.connections
                      if any(r.target == "/poll?vanishing" for r in c.requests)), None),
        "the request did not reach the site")
    client.stream.fin()  # over TLS: no close_notify, so no orderly half-close
    until(lambda: connection.peer_left, "the proxy keeps the connection to the site")
    published.site.released.set()


# Fields


def test_the_site_learns_who_asked_and_how(published):
    fields = dict(published.echo("/echo")["fields"])
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "https"
    assert fields["x-forwarded-host"].split(":")[0] == PUBLIC_NAME
    assert fields["front-end-https"].lower() == "on"
    assert re.search(r"\bocsproxy", fields["via"])
    assert fields["x-request-id"]


@pytest.mark.parametrize("field", [
    "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6",
    "X-Forwarded-Server: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "X-Original-URL: /6.6.6.6",
    "Proxy: http://6.6.6.6/", "X-SSL-Client-Verify: 6.6.6.6", "Keep-Alive: 6.6.6.6",
    "Proxy-Authorization: Basic 6.6.6.6", "X-Request-Id: 6.6.6.6"])
def test_what_a_client_claims_about_itself_does_not_reach_the_site(published, field):
    told = published.echo("-H", field, "/echo")
    assert not [value for _, value in told["fields"] if "6.6.6.6" in value]


def test_fields_that_connection_names_go_no_further(published):
    told = published.echo("-H", "Connection: x-one, close", "-H", "X-One: 1", "-H", "X-Two: 2", "/echo")
    names = [name for name, _ in told["fields"]]
    assert "x-one" not in names and "x-two" in names


def test_the_original_host_is_sent_where_the_rule_says_so(published):
    told = published.echo("/host/x")
    assert dict(told["fields"])["host"] == f"{PUBLIC_NAME}:{published.https}"


def test_a_mapped_path_is_what_the_site_sees(published):
    assert published.echo("/public/a/b?c=d")["target"] == "/inside/app/a/b?c=d"
    assert published.echo("/PUBLIC/A")["target"] == "/inside/app/A"


def test_internal_addresses_in_an_answer_are_mapped_back(published):
    answer = published.curl("/public/moved")
    public = f"https://{PUBLIC_NAME}:{published.https}"
    assert answer.get("location") == f"{public}/public/next?x=1"
    assert answer.get("content-location") == f"{public}/public/here"
    cookies = answer.responses[-1].all("set-cookie")
    assert not any(SITE in cookie for cookie in cookies)
    assert any("path=/public/sub" in cookie.lower() for cookie in cookies), cookies


def test_an_address_elsewhere_is_left_alone(published):
    assert published.curl("/public/moved-away").get("location") == \
        "https://other.example/inside/app/x"


def test_a_request_that_comes_back_is_stopped(published):
    answer = published.curl("/loop/x")
    assert answer.status == 508


def test_without_delegation_no_credentials_pass_in_either_direction(published):
    told = published.echo("-u", "alice:secret", "/anonymous/echo")
    assert "authorization" not in dict(told["fields"])
    answer = published.curl("/anonymous/challenge")
    assert answer.status == 403
    assert answer.get("www-authenticate") is None


def test_basic_credentials_pass_where_the_client_may_authenticate(published):
    told = published.echo("-u", "alice:secret", "/echo")
    assert dict(told["fields"])["authorization"].startswith("Basic ")
    answer = published.curl("/challenge")
    assert (answer.status, answer.get("www-authenticate")) == (401, 'Basic realm="x"')


# WebSocket


def test_a_websocket_carries_text_bytes_and_pings_both_ways(published, folder):
    url = f"wss://{PUBLIC_NAME}:{published.https}/ws/room?x=1"
    with websocket.client(folder, url, published.address, published.root) as client:
        client.expect(open="chat")
        client.echo("hello")
        for size in (100 * KIBI, 5 * MEBI):
            client.tell(send_bytes=size)
            sent = client.expect(sending=size)
            client.expect(received=size, sha256=sent["sha256"])
        client.tell(ping="still there?")
        client.expect(pong="still there?")
        client.tell(close=1000)
        client.expect(closed=1000)


def test_a_websocket_is_denied_like_any_request(published, folder):
    url = f"wss://{PUBLIC_NAME}:{published.https}/closed/room"
    with websocket.client(folder, url, published.address, published.root) as client:
        client.expect(refused=403)


# The log


def test_the_log_has_one_right_line_for_each_request(published):
    published.curl("-A", "A browser", "-e", "https://referrer.example/x", "/echo?logged-1")
    line = published.logged("logged-1")
    assert line["c-ip"] == "127.0.0.1"
    assert line["sc-status"] == "200"
    assert line["s-operation"] == "GET"
    assert line["rule"].replace("+", " ") == "Site"
    assert line["action"] == "Allowed"
    assert line["r-ip"] == "127.0.0.1" and line["r-port"] == str(published.site.port)
    assert line["c-agent"].replace("+", " ") == "A browser"
    assert int(line["time-taken"]) >= 0 and int(line["sc-bytes"]) > 0

    published.curl("/closed/logged-2")
    line = published.logged("logged-2")
    assert (line["sc-status"], line["rule"], line["action"]) == ("12202", "Closed", "Denied") or \
        (line["sc-status"], line["rule"], line["action"]) == ("403", "Closed", "Denied")


def test_what_a_client_sends_cannot_forge_a_log_line(published):
    with published.client() as client:
        client.get("/echo?logged-3", fields=["User-Agent: x\tForged\x80\xff", "Referer: \"\\'\t"])
    line = published.logged("logged-3")  # reading it checks the number of its values
    assert "Forged\t" not in line["c-agent"]


# Large bodies


@pytest.mark.slow
@pytest.mark.optimised
def test_a_gigabyte_goes_up_in_constant_memory(published):
    published.echo("-d", "warm", "/echo")
    before = published.proxy.resident_kib()
    peak, done = [before], threading.Event()

    def watch():
        while not done.wait(0.05):
            peak.append(published.proxy.resident_kib())
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with subprocess.Popen(["head", "-c", "1G", "/dev/zero"], stdout=subprocess.PIPE) as source:
            command = published.curl.command("-T", "-", "-X", "POST", "-H", "Expect:",
                                             "--max-time", "120", "/count")
            told = json.loads(subprocess.run(command, stdin=source.stdout, capture_output=True,
                                             check=True).stdout)
    finally:
        done.set()
        watcher.join()
    assert told["length"] == 1 << 30
    assert max(peak) - before < 8 * KIBI, "KiB more than before the upload"


@pytest.mark.slow
@pytest.mark.optimised
def test_a_gigabyte_comes_down_in_constant_memory(published):
    with open(published.files / "large.bin", "wb") as file:
        file.truncate(1 << 30)
    published.curl("/files/range.txt")
    before = published.proxy.resident_kib()
    command = published.curl.command("--max-time", "120", "/files/large.bin", "-o/dev/null",
                                     "-w", "%{size_download}")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        peak = before
        while client.poll() is None:
            peak = max(peak, published.proxy.resident_kib())
        assert client.stdout.read() == str(1 << 30).encode()
    (published.files / "large.bin").unlink()
    assert peak - before < 8 * KIBI, "KiB more than before the download"
