"""--explain foretells what the running proxy does: same verdict, same certificate, same bytes to the
internal site. And the running proxy, when it is asked itself, says the same."""
import contextlib
import json
import os
import signal
import ssl
import subprocess

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, SITE, allow, deny, listener
from harness.folders import give_to_unprivileged
from harness.origin import Origin, answering
from harness.proxy import UNPRIVILEGED, Proxy, binary
from test_command_line import run

OTHER = "other.example.test"
CLIENT, EXCEPTED, INTERNAL = "127.200.0.7", "127.200.0.66", "127.201.0.1"
# Different each time, and different for each proxy.
VARYING = ("x-request-id:", "via:")


class Edge:
    def __init__(self, folder, pki, stack):
        self.root = pki.root
        self.address = own_address()
        self.http, self.https = free_port(self.address), free_port(self.address)
        other = pki.authority.issue(OTHER).write(folder, "other")
        self.origin = stack.enter_context(Origin(answering(), pki.pool.server_context()))
        port = self.origin.port
        rules = [
            deny("/private/*", except_from=[EXCEPTED]),
            deny("/old", name="Moved", listener="Edge", redirect="https://elsewhere.test/new"),
            allow(port, "Mapped", paths=[{"external": "/app/*", "internal": "/application/*"}],
                  delegation="none", methods=["GET", "POST"]),
            allow(port, "Own host", paths=["/host/*"], to={"original_host": True}),
            allow(port, "Site", public_names=[PUBLIC_NAME], except_from=[EXCEPTED],
                  methods=["GET", "HEAD", "POST", "MOVE"]),
            allow(port, "Other", public_names=[OTHER])]
        self.socket = folder / "run" / "socket"
        self.socket.parent.mkdir()
        give_to_unprivileged(self.socket.parent)
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(self.address, http={"port": self.http, "redirect": "https"},
                      https=self.https, certificates=[pki.public, other])],
            rules, roots=[pki.root],
            networks={"External": ["127.0.0.0/9", "127.200.0.0/16"],
                      "Internal": ["127.201.0.0/16"]}), arguments=["--socket", self.socket]))

    def url(self, target, name=PUBLIC_NAME, https=True):
        port = self.https if https else self.http
        return f"http{'s' if https else ''}://{name}:{port}{target}"

    def ask(self, url, source, *words, method="GET", fields=()):
        """(exit status, stdout, stderr); the last words say who is asked."""
        headers = [word for field in fields for word in ("--header", field)]
        return run("--explain", url, "--from", source, "--method", method, *headers, *words)

    def explain(self, url, source, method="GET", fields=()):
        status, out, err = self.ask(url, source, "--format", "json", self.proxy.conf,
                                    method=method, fields=fields)
        assert (status, err) == (0, "")
        return json.loads(out)

    def connect(self, source, name=PUBLIC_NAME, https=True):
        context = trusting() if https else None
        return Client((self.address, self.https if https else self.http), context, name,
                      source=source)


@pytest.fixture(scope="module", name="edge")
def fixture_edge(pki, module_folder):
    with contextlib.ExitStack() as stack:
        yield Edge(module_folder, pki, stack)


def lines(head):
    return [line for line in head.split("\r\n") if not line.lower().startswith(VARYING)]


QUESTIONS = [
    ("/", {}),
    ("/a/./b/../%41%7e;p=1?q=%2f&r", {}),
    ("/app/x?y", {"fields": ("Authorization: NTLM TlRMTVNTUAAB", "Cookie: a=b")}),
    ("/APP", {"method": "POST"}),
    ("/app/x", {"method": "HEAD"}),
    ("/host/x", {"fields": ("Referer: https://www.example.test/host/y", "X-Forwarded-For: 1.2.3.4")}),
    ("/x", {"fields": ("Connection: close, x-mine", "X-Mine: 1", "TE: trailers")}),
    ("/x", {"method": "MOVE", "fields": ("Destination: /y%41",)}),
    ("/x", {"method": "MOVE", "fields": ("Destination: /private/y",)}),
    ("/x", {"method": "PATCH"}),
    ("/x", {"method": "TRACE"}),
    ("/private/x", {}),
    ("/private;v=1/x", {}),
    ("/private/x", {"source": EXCEPTED}),
    ("/host/x", {"source": EXCEPTED}),
    ("/old", {}),
    ("/a%2Fb", {}),
    ("/%c0%af", {}),
    ("/x", {"fields": ("Content-Length: 1", "Transfer-Encoding: chunked")}),
    ("/x", {"fields": ("Host: " + OTHER,)}),
    ("/x", {"name": OTHER}),
    ("/x", {"name": "unknown.example.test"}),
    ("/a?b", {"https": False}),
    ("/a", {"https": False, "method": "POST"}),
    ("/a", {"https": False, "name": "unknown.example.test"}),
]


@pytest.mark.parametrize("target, how", QUESTIONS)
def test_the_running_proxy_does_what_was_explained(edge, target, how):
    name, https = how.get("name", PUBLIC_NAME), how.get("https", True)
    source, method = how.get("source", CLIENT), how.get("method", "GET")
    fields = how.get("fields", ())
    explained = edge.explain(edge.url(target, name, https), source, method, fields)
    before = edge.origin.requests

    client = edge.connect(source, name, https)
    port = edge.https if https else edge.http
    host = () if any(field.startswith("Host:") for field in fields) else (f"Host: {name}:{port}",)
    client.send("\r\n".join([f"{method} {target} HTTP/1.1", *host, *fields, "", ""]))
    response = client.response(method)

    reached = [request for request in edge.origin.requests if request not in before]
    if explained["outcome"] == "forwarded":
        assert response.status == 200
        assert len(reached) == 1
        assert lines(reached[0].head.decode()) == lines(explained["upstream"]["head"])
        assert explained["upstream"]["site"] == SITE
    else:
        assert response.status == explained["status"], explained
        assert (response.get("location") or "") == explained.get("location", "")
        assert not reached, "nothing of it reaches the site"
    client.stream.close()


@pytest.mark.parametrize("format_name", ["text", "json"])
@pytest.mark.parametrize("target, how", [*QUESTIONS, ("/x", {"source": INTERNAL})])
def test_the_running_proxy_explains_what_its_configuration_does(edge, target, how, format_name):
    url = edge.url(target, how.get("name", PUBLIC_NAME), how.get("https", True))
    source = how.get("source", CLIENT)
    request = {"method": how.get("method", "GET"), "fields": how.get("fields", ())}
    offline = edge.ask(url, source, "--format", format_name, edge.proxy.conf, **request)
    running = edge.ask(url, source, "--format", format_name, "--socket", edge.socket, **request)
    assert running == offline
    assert offline[0] == 0


@pytest.mark.parametrize("question", [
    ("https://a.test:99999/", ()), ("a.test", ()), ("https://a.test/", ("no colon",)),
    ("https://a.test/", ("X: a\r\nY: b",)), ("https://a.test/\n", ()), ("https:///", ()),
    ("https://a.test/" + "x" * 70_000, ()), ("https://a.test/", ("X: " + "y" * 90_000,))])
def test_the_running_proxy_refuses_the_questions_that_are_refused_offline(edge, question):
    url, fields = question
    offline = edge.ask(url, CLIENT, edge.proxy.conf, fields=fields)
    assert edge.ask(url, CLIENT, "--socket", edge.socket, fields=fields) == offline


def test_a_question_without_end_is_refused_in_one_sentence(edge):
    fields = [f"X-{number}: " + "y" * 100_000 for number in range(3)]
    status, out, err = edge.ask(edge.url("/"), CLIENT, "--socket", edge.socket, fields=fields)
    assert (status, out) == (2, "")
    assert err == "ocsproxy: the question is longer than 262144 bytes\n"


@pytest.fixture(name="small")
def fixture_small(folder):
    """Everybody on loopback is let in by one rule; the proxy is asked at folder/run/socket."""
    (folder / "run").mkdir()
    give_to_unprivileged(folder / "run")
    address = own_address()
    port = free_port(address)

    def settings(name):
        rule = allow(9, name, bridging="http", **{"from": ["Lab"]})
        return configuration.configuration([listener(address, http=port, networks=["Lab"])], [rule],
                                           networks={"Lab": ["127.0.0.0/8"]})
    url = f"http://{PUBLIC_NAME}:{port}/"
    socket = folder / "run" / "socket"

    def rule_that_wins(asked):
        status, out, err = run("--explain", url, "--from", CLIENT, "--format", "json", *asked)
        assert (status, err) == (0, ""), err
        return json.loads(out)["rule"]
    return folder, socket, settings, rule_that_wins


@pytest.mark.parametrize("privileged", [False, pytest.param(True, marks=pytest.mark.root)])
def test_the_running_proxy_is_asked_about_what_it_serves_and_not_about_the_files(small, privileged):
    folder, socket, settings, rule_that_wins = small
    with Proxy(folder, settings("First"), privileged=privileged,
               arguments=["--socket", socket]) as proxy:
        running, offline = ["--socket", socket], [proxy.conf]
        assert rule_that_wins(running) == rule_that_wins(offline) == "First"
        configuration.write(proxy.conf, settings("Second"))
        assert (rule_that_wins(running), rule_that_wins(offline)) == ("First", "Second")
        proxy.reload()
        assert rule_that_wins(running) == rule_that_wins(offline) == "Second"
        broken = {**settings("Third"), "listeners": []}
        proxy.reload(broken, refused=True)
        assert rule_that_wins(running) == "Second"
        assert socket.stat().st_mode & 0o777 == 0o600
    assert not socket.exists(), "the file goes with the proxy"


@pytest.mark.root
def test_a_server_that_takes_the_place_of_a_dead_one_answers_questions(small):
    folder, socket, settings, rule_that_wins = small
    with Proxy(folder, settings("First"), privileged=True,
               arguments=["--socket", socket]) as proxy:
        dead = proxy.server_pid
        os.kill(dead, signal.SIGKILL)
        assert rule_that_wins(["--socket", socket]) == "First"
        assert proxy.server_pid != dead


@pytest.mark.root
def test_another_account_may_not_ask(small):
    folder, socket, settings, _ = small
    with Proxy(folder, settings("First"), privileged=True, arguments=["--socket", socket]):
        asked = subprocess.run(
            ["setpriv", f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups", binary(),
             "--explain", "http://a.test/", "--from", CLIENT, "--socket", socket],
            capture_output=True, text=True, timeout=60, check=False)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == (f"ocsproxy: the socket {socket}: this account may not ask there; its "
                            "owner and root may\n")


def test_without_a_proxy_the_question_ends_with_2_and_one_sentence(folder):
    status, out, err = run("--explain", "https://a.test/", "--from", CLIENT, "--socket",
                           folder / "none")
    assert (status, out) == (2, "")
    assert err == (f"ocsproxy: the socket {folder}/none: there is none; a proxy that was started "
                   "with --socket makes it\n")


@pytest.mark.parametrize("path, says", [
    ("/nonexistent/socket", "cannot be made: No such file or directory"),
    ("/etc/passwd", "there is a file of this name that is no socket"),
    ("/" + "x" * 200, "the path of a socket has at most 107 bytes")])
def test_a_socket_that_cannot_be_made_ends_the_start_with_2(small, path, says):
    folder, _, settings, _ = small
    configuration.write(folder / "conf", settings("First"))
    status, out, err = run("--socket", path, folder / "conf")
    assert (status, out) == (2, "")
    assert says in err and err.count("\n") == 1


def test_the_questions_meet_every_outcome_that_a_request_can_have(edge):
    outcomes = {edge.explain(edge.url(target, how.get("name", PUBLIC_NAME), how.get("https", True)),
                             how.get("source", CLIENT), how.get("method", "GET"),
                             how.get("fields", ()))["outcome"] for target, how in QUESTIONS}
    assert outcomes == {"forwarded", "denied", "redirected", "refused"}


@pytest.mark.parametrize("name, covers", [(PUBLIC_NAME, True), (OTHER, True),
                                          ("unknown.example.test", False)])
def test_the_certificate_that_was_foretold_is_shown(edge, name, covers):
    explained = edge.explain(edge.url("/", name), CLIENT)
    assert explained["certificate_covers"] == covers
    context = trusting(edge.root)
    context.check_hostname = False
    with contextlib.closing(Client((edge.address, edge.https), context, name, source=CLIENT).stream
                            ) as stream:
        shown = dict(pair for part in stream.tls.getpeercert()["subject"] for pair in part)
    assert shown["commonName"] == explained["certificate"]


def test_a_client_of_another_network_is_dropped_as_foretold(edge):
    explained = edge.explain(edge.url("/"), INTERNAL)
    assert explained["outcome"] == "not-served" and explained["network"] == "Internal"
    with pytest.raises((ConnectionError, ssl.SSLError, EOFError, AssertionError)):
        edge.connect(INTERNAL).get("/")


@pytest.mark.parametrize("words, says", [
    (("--explain", "https://a.test/"), "--explain wants to know who asks: add  --from IP"),
    (("--explain", "a.test", "--from", "192.0.2.1"), "is no URL of http or https"),
    (("--explain", "https://a.test/", "--from", "192.0.2"), "--from wants an IP address"),
    (("--explain", "https://a.test/", "--from", "192.0.2.1", "--method", "G T"), "is no method"),
    (("--explain", "https://a.test/", "--from", "192.0.2.1", "--header", "x"), "lacks a colon"),
    (("--explain", "https://a.test/", "--from", "192.0.2.1", "--format", "sarif"), "cannot print sarif"),
    (("--explain", "https://a.test/", "--from", "192.0.2.1", "--socket", "x"), "give one of the two"),
    (("--check", "--socket", "x"), "--socket has no meaning here: it belongs to serving and --explain"),
    (("--check", "--from", "192.0.2.1"), "--from has no meaning here: it belongs to --explain"),
])
def test_a_wrong_question_ends_with_2_and_one_sentence(edge, words, says):
    status, out, err = run(*words, edge.proxy.conf)
    assert (status, out) == (2, "")
    assert says in err.splitlines()[0]


def test_a_configuration_with_errors_is_not_explained(folder):
    (folder / "a.yaml").write_text("rules: [")
    status, out, err = run("--explain", "https://a.test/", "--from", "192.0.2.1", folder)
    assert (status, out) == (1, "")
    assert "this is not YAML" in err
