"""Reloading, draining and the log's rotation while clients are served: nothing is lost."""
import collections
import contextlib
import copy
import json
import os
import re
import signal
import socket
import threading
import time

import pytest
from harness import access_log, apache, configuration, websocket
from harness.addresses import free_port, own_address
from harness.certificates import Authority
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, deny, listener
from harness.curl import Curl
from harness.echo_site import EchoSite
from harness.load import Load
from harness.ntlm import Login
from harness.proxy import Proxy
from harness.waiting import until

BOTH = pytest.mark.parametrize("privileged", [
    pytest.param(True, id="two_processes", marks=pytest.mark.root),
    pytest.param(False, id="one_process")])


class Edge:
    """A TLS listener in front of an EchoSite; `settings` is what a test changes and reloads."""

    def __init__(self, folder, pki, stack, privileged=False, rules=(), **more):
        self.pki, self.address = pki, own_address()
        self.port = free_port(self.address)
        self.site = EchoSite(pki.pool.server_context())
        stack.callback(self.site.origin.close)
        stack.callback(self.site.released.set)
        self.settings = configuration.configuration(
            [listener(self.address, https=self.port, certificates=[pki.public])],
            [*rules, allow(self.site.port)], roots=[pki.root], **more)
        self.proxy = stack.enter_context(
            Proxy(folder, copy.deepcopy(self.settings), privileged=privileged))
        self.context = trusting(pki.root)
        self.curl = Curl((self.address, self.port), pki.root)

    def client(self, port=None):
        return Client((self.address, port or self.port), self.context, PUBLIC_NAME)

    def changed(self, change):
        settings = copy.deepcopy(self.settings)
        change(settings)
        return settings


@pytest.fixture
def edge(folder, pki):
    with contextlib.ExitStack() as stack:
        yield Edge(folder, pki, stack)


def loads_of(entries):
    """How often each numbered request of a Load is in the log."""
    return collections.Counter(int(found[1]) for entry in entries
                               if (found := re.search(r"load=(\d+)", entry["cs-uri"])))


# Under load


class Companions:
    """Clients that live through everything: a WebSocket, a long download, an NTLM login."""

    def __init__(self, edge, folder, stack):
        self.edge, self.failures = edge, []
        self._stopping = threading.Event()
        url = f"wss://{PUBLIC_NAME}:{edge.port}/ws/x"
        self._websocket = stack.enter_context(
            websocket.client(folder, url, edge.address, edge.pki.root))
        self._websocket.expect(open="chat")
        self._ntlm = stack.enter_context(edge.client())
        login = Login(lambda fields: self._ntlm.get("/ntlm/page.txt", fields=fields), "alice", "word")
        self._first = login.run()
        assert self._first.status == 200
        self._download = stack.enter_context(edge.client())
        self._download.request("/drip")
        self.downloaded = None
        self._threads = [threading.Thread(target=run, daemon=True) for run in (
            self._keep(self._talk), self._keep(self._ask), self._read)]
        for thread in self._threads:
            thread.start()

    def _keep(self, act):
        def run():
            while not self._stopping.wait(0.05):
                try:
                    act()
                except (OSError, AssertionError) as error:
                    self.failures.append(repr(error))
                    return
        return run

    def _talk(self):
        self._websocket.echo("still here")

    def _ask(self):
        response = self._ntlm.get("/ntlm/page.txt")
        assert response is not None and response.status == 200, response
        assert response.get("x-user") == "CONTOSO\\alice", response
        assert response.get("x-peer-port") == self._first.get("x-peer-port")

    def _read(self):
        try:
            self.downloaded = self._download.response()
        except OSError as error:
            self.failures.append(repr(error))

    def end(self):
        self._stopping.set()
        for thread in self._threads[:2]:
            thread.join()

    def finish_download(self):
        self._threads[2].join(20)
        return self.downloaded


class DrippingSite(EchoSite):
    """/drip: a long download whose end waits until the test is done."""

    def answer_drip(self, connection, request):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self.released.wait(0.02):
            connection.send("400\r\n" + "x" * 1024 + "\r\n")
        connection.send("0\r\n\r\n")


@pytest.mark.concurrency
@pytest.mark.slow
@BOTH
def test_a_hundred_reloads_lose_nothing(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        dripping = DrippingSite(pki.pool.server_context())
        stack.callback(dripping.origin.close)
        ntlm = stack.enter_context(apache.serving(folder, {"alice": "word"}, leaf=pki.pool))
        sockets = stack.enter_context(websocket.server(folder, leaf=pki.pool))
        edge.settings["rules"][:0] = [
            allow(ntlm, "NTLM", paths=["/ntlm/*"]), allow(sockets.port, "Sockets", paths=["/ws/*"]),
            allow(dripping.port, "Drip", paths=["/drip"])]
        edge.proxy.reload(edge.settings)
        companions = Companions(edge, folder, stack)
        with Load(edge.client) as load:
            for number in range(100):
                edge.proxy.reload(edge.changed(lambda settings: settings["rules"].insert(
                    0, deny(f"/closed-{number}/*", name=f"Closed {number}"))))
            until(lambda: len(load.sent) > 200, "the load is too light to tell anything")
        companions.end()
        dripping.released.set()
        downloaded = companions.finish_download()
        assert load.failures == []
        assert companions.failures == []
        assert downloaded is not None and downloaded.complete
        assert edge.curl("/closed-99/x").status == 403  # the last one is in force
        # Every request has its one line, and no line is of another request.
        until(lambda: len(loads_of(edge.proxy.entries())) >= len(load.sent), "lines are missing")
        assert loads_of(edge.proxy.entries()) == collections.Counter(load.sent)


@pytest.mark.concurrency
def test_the_checker_sees_a_restart_that_loses_requests(folder, pki):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack)
        with Load(edge.client) as load:
            until(lambda: len(load.sent) > 20, "no load")
            edge.proxy.stop()
            edge.proxy.start()
            answered = len(load.sent)
            until(lambda: len(load.sent) > answered, "no load after the restart")
        assert load.failures, "a restart with a gap went unseen"


# What a reload changes, and what it leaves


@BOTH
def test_the_next_request_of_an_old_connection_is_judged_by_the_new_rules(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        with edge.client() as client:
            assert client.get("/later").status == 200
            edge.proxy.reload(edge.changed(
                lambda settings: settings["rules"].insert(0, deny("/later/*"))))
            assert client.get("/later").status == 403
            edge.proxy.reload(edge.settings)
            assert edge.curl("/later").status == 200


def test_an_exchange_under_way_ends_under_the_old_rules(edge):
    with edge.client() as client:
        client.request("/poll")
        until(lambda: edge.site.origin.requests, "the request did not reach the site")
        edge.proxy.reload(edge.changed(
            lambda settings: settings["rules"].insert(0, deny("/poll/*"))))
        edge.site.released.set()
        assert client.response().body == b"now"
        assert client.get("/poll").status == 403


BROKEN = {
    "broken YAML": lambda settings: "listeners: [\n",
    "an unknown key": lambda settings: {**settings, "listners": []},
    "a missing certificate": lambda settings: json.dumps(settings).replace("public.pem", "gone.pem"),
    "a rule of an unknown listener": lambda settings: {
        **settings, "rules": [allow(1, listener="Nowhere")]},
    "a broken regular expression": lambda settings: {
        **settings, "rules": [allow(1, paths=[{"regex": "/(unclosed"}])]},
    "an address on no NIC": lambda settings: {
        **settings, "listeners": [*settings["listeners"],
                                  listener("192.0.2.77", "Nowhere", http=8080)]},
}


@BOTH
@pytest.mark.parametrize("what", BROKEN)
def test_a_configuration_that_does_not_load_changes_nothing(folder, pki, privileged, what):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        with edge.client() as client:
            assert client.get("/").status == 200
            edge.proxy.reload(BROKEN[what](copy.deepcopy(edge.settings)), refused=True)
            assert client.get("/").status == 200
        assert edge.curl("/").status == 200
        edge.proxy.reload(edge.settings)  # and the next good one is taken
        assert edge.curl("/").status == 200


def test_a_refused_load_points_at_the_line(edge):
    edge.proxy.reload("listeners:\n  - nam: Edge\n", refused=True)
    assert "ocsproxy.yaml:2:" in edge.proxy.log()


def listening_sockets(proxy):
    """Inodes of the listening sockets of the process that serves."""
    return {inode for inode, (_, state) in tcp_sockets(proxy).items() if state == "0A"}


def tcp_sockets(proxy):
    mine = {link[8:-1] for link in proxy.descriptors().values() if link.startswith("socket:[")}
    found = {}
    for line in open("/proc/net/tcp", encoding="ascii").read().splitlines()[1:]:
        words = line.split()
        if words[9] in mine:
            found[words[9]] = (words[1], words[3])
    return found


@BOTH
def test_an_unchanged_address_keeps_its_sockets(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        before = listening_sockets(edge.proxy)
        assert before
        edge.proxy.reload(edge.changed(lambda settings: settings["rules"].insert(0, deny("/a/*"))))
        assert listening_sockets(edge.proxy) == before


@BOTH
def test_a_listener_comes_and_goes(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        descriptors = len(edge.proxy.descriptors())
        port = free_port(edge.address)

        def add(settings):
            settings["listeners"].append(listener(edge.address, "Second", https=port,
                                                  certificates=[pki.public]))
            settings["rules"].append(allow(edge.site.port, "For the second", listener="Second"))
        edge.proxy.reload(edge.changed(add))
        with edge.client(port) as client:
            assert client.get("/").status == 200
            client.request("/poll")
            until(lambda: any(r.target == "/poll" for r in edge.site.origin.requests), "no request")
            edge.proxy.reload(edge.settings)
            with pytest.raises(ConnectionRefusedError):
                edge.client(port)
            edge.site.released.set()
            assert client.response().body == b"now"  # what was under way ends in order
            assert client.is_closed()
        assert edge.curl("/").status == 200
        edge.proxy.until_descriptors(descriptors + 4)  # the pool may hold a few


@BOTH
def test_a_changed_certificate_is_shown_to_new_connections(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)

        def serial():
            with edge.client() as client:
                return client.stream.tls.getpeercert()["serialNumber"]
        first = serial()
        with edge.client() as old:
            renewed = pki.authority.issue(PUBLIC_NAME).write(folder, "renewed")
            renewed.key_file.chmod(0o600 if privileged else 0o644)

            def change(settings):
                settings["listeners"][0]["https"]["certificates"] = [
                    {"chain": str(renewed.chain_file), "key": str(renewed.key_file)}]
            edge.proxy.reload(edge.changed(change))
            assert serial() != first
            assert old.get("/").status == 200


def test_a_root_that_is_taken_away_is_no_longer_trusted(edge, folder):
    assert edge.curl("/").status == 200
    other = Authority("Another Root").write(folder, "another")
    edge.proxy.reload(edge.changed(lambda settings: settings.update(trusted_roots=[str(other)])))
    # No pooled connection and no session of the old trust may be used.
    for _ in range(8):
        assert edge.curl("/").status == 502


def test_the_log_says_which_load_is_in_force(edge):
    before = edge.proxy.log()
    edge.proxy.reload(edge.settings)
    assert len(edge.proxy.log()) > len(before)


# Ending


@BOTH
def test_sigterm_lets_what_is_under_way_finish(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        with edge.client() as busy, edge.client() as idle:
            assert idle.get("/").status == 200
            busy.request("/poll")
            until(lambda: any(r.target == "/poll" for r in edge.site.origin.requests), "no request")
            edge.proxy.process.signal(signal.SIGTERM)
            assert idle.is_closed() and idle.stream.ended == "clean"
            until(lambda: refuses((edge.address, edge.port)), "new connections are still accepted")
            assert edge.proxy.process.running
            edge.site.released.set()
            response = busy.response()
            assert (response.status, response.body) == (200, b"now")
            assert edge.proxy.process.wait() == 0


def refuses(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) != 0


@BOTH
def test_a_drain_ends_when_its_time_is_over(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged, drain="1s")
        with edge.client() as busy:
            busy.request("/poll")
            until(lambda: edge.site.origin.requests, "no request")
            begun = time.monotonic()
            edge.proxy.process.signal(signal.SIGTERM)
            assert edge.proxy.process.wait() == 0
            assert time.monotonic() - begun >= 0.9
            busy.rest()
            assert busy.stream.ended != "clean" or not busy.stream.received.startswith(b"HTTP/1.1 200")


def test_a_second_sigterm_ends_at_once(folder, pki):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, drain="300s")
        with edge.client() as busy:
            busy.request("/poll")
            until(lambda: edge.site.origin.requests, "no request")
            edge.proxy.process.signal(signal.SIGTERM)
            until(lambda: refuses((edge.address, edge.port)), "it does not drain")
            edge.proxy.process.signal(signal.SIGTERM)
            edge.proxy.process.wait(20)
            edge.proxy.assert_sound()


# The access log


@pytest.mark.concurrency
@BOTH
def test_rotating_the_log_loses_and_doubles_no_line(folder, pki, privileged):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, privileged)
        path = edge.proxy.access_log_path
        rotated = []
        with Load(edge.client) as load:
            for number in range(5):
                until(lambda: len(load.sent) > 30 * (number + 1), "no load")
                rotated.append(path.with_name(f"access.log.{number}"))
                os.rename(path, rotated[-1])
                edge.proxy.process.signal(signal.SIGUSR1)
                until(path.exists, "the log was not opened again")
                until(lambda: path.read_text().count("#Fields:") == 1, "no header in the new log")
        assert load.failures == []

        def all_loads():
            return loads_of(entry for file in [*rotated, path] for entry in access_log.read(file))
        until(lambda: len(all_loads()) >= len(load.sent), "lines are missing")
        assert all_loads() == collections.Counter(load.sent)


@pytest.mark.concurrency
def test_everything_that_was_served_is_in_the_log_after_the_end(folder, pki):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack)
        with Load(edge.client) as load:
            until(lambda: len(load.sent) > 100, "no load")
        edge.proxy.stop()
        assert loads_of(edge.proxy.entries()) == collections.Counter(load.sent)


def test_json_lines_hold_the_same(folder, pki):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, access_log={"path": "log/access.log", "format": "json"})
        assert edge.curl("/json-line").status == 200
        entry = edge.proxy.until_entries(1)[0]
        assert entry["status"] == 200 and "/json-line" in entry["url"]
