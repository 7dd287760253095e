"""The acceptance scenario step by step, on a network of its own: an outside, an inside, and the
edge between them with two NICs.

    outside 203.0.113.50 --- eth1 203.0.113.10  edge  192.168.1.2 eth0 --- 192.168.1.105 pool
                                                                      \\--- 192.168.1.50 inside
"""
import contextlib
import itertools
import json

import pytest
from harness import namespaces
from harness.process import Process
from harness.proxy import Proxy
from harness.waiting import until

pytestmark = pytest.mark.root

PUBLIC, POOL, RULE = "ocsweb.contoso.com", "ocspool.contoso.local", "OCS External Web Farm"
EDGE_OUT, EDGE_IN, POOL_ADDRESS = "203.0.113.10", "192.168.1.2", "192.168.1.105"

# A site that tells what it was asked, run inside the pool's namespace.
POOL_PROGRAM = """
import http.server, json, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"path": self.path, "client": self.client_address[0],
                           "fields": self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("serving", flush=True)
server.serve_forever()
"""


class Scenario:
    """Steps 1 to 7 of the scenario as a configuration, and its hosts."""

    def __init__(self, folder, pki, stack):
        self.folder, self.pki, self._runs = folder, pki, itertools.count()
        hosts = stack.enter_context(namespaces.namespaces("outside", "edge", "inside", "pool"))
        self.outside, self.edge = hosts["outside"], hosts["edge"]
        self.inside, self.pool = hosts["inside"], hosts["pool"]
        namespaces.join(self.outside, "203.0.113.50/24", "eth0", self.edge, f"{EDGE_OUT}/24", "eth1")
        # Inside there is a switch: a bridge on the edge, which carries its inner address.
        for host, address in ((self.inside, "192.168.1.50/24"), (self.pool, f"{POOL_ADDRESS}/24")):
            namespaces.join(host, address, "eth0", self.edge, None, host.name[-6:])
        self.edge.run("ip", "link", "add", "eth0", "type", "bridge")
        for host in (self.inside, self.pool):
            self.edge.run("ip", "link", "set", host.name[-6:], "master", "eth0")
        self.edge.run("ip", "address", "add", f"{EDGE_IN}/24", "dev", "eth0")
        self.edge.run("ip", "link", "set", "eth0", "up")
        self.outside.run("ip", "route", "add", "default", "via", EDGE_OUT)
        self.inside.run("ip", "route", "add", "default", "via", EDGE_IN)

        self.public = pki.authority.issue(PUBLIC).write(folder, "webfarm")       # step 2
        self.pool_leaf = pki.authority.issue(POOL).write(folder, "pool")
        (folder / "pool.py").write_text(POOL_PROGRAM)
        self.pool_process = Process(
            [*self.pool.words, "/usr/bin/python3", folder / "pool.py", POOL_ADDRESS,
             self.pool_leaf.chain_file, self.pool_leaf.key_file], folder / "pool.log")
        stack.callback(self.pool_process.kill)
        self.pool_process.until_it_says("serving")

    def settings(self, **rule):
        return {
            "networks": {"Internal": ["192.168.1.0/24"]},
            "trusted_roots": [str(self.pki.root)],                               # step 1
            "listeners": [{
                "name": RULE, "networks": ["External"], "addresses": [EDGE_OUT],  # step 5
                "http": {"port": 80, "redirect": "https"},
                "https": {"port": 443, "certificates": [
                    {"chain": str(self.public.chain_file), "key": str(self.public.key_file)}]},
                "authentication": "none"}],
            "rules": [{
                "name": RULE, "action": "allow", "listener": RULE,               # step 3
                "from": ["External"],                                            # step 7
                "public_names": [PUBLIC], "paths": ["/*"],                       # step 4
                "to": {"site": POOL, "address": POOL_ADDRESS, "port": 443},
                "bridging": "https", "delegation": "client", **rule}],           # step 6
            "access_log": {"path": "log/access.log", "format": "w3c"}, "workers": 2, "drain": "5s"}

    @contextlib.contextmanager
    def proxy(self, settings):
        proxy = self.unstarted(settings).start(ready=False)
        try:
            proxy.process.until_it_says(": generation ")
            yield proxy
            proxy.stop()
        finally:
            proxy.process.kill()

    def unstarted(self, settings):
        folder = self.folder / f"run-{next(self._runs)}"
        folder.mkdir()
        return Proxy(folder, settings, privileged=True, within=self.edge.words)

    def ask(self, host, path="/", *words, name=PUBLIC, scheme="https", address=EDGE_OUT):
        """curl on `host` -> (exit status, HTTP status, body)."""
        port = 443 if scheme == "https" else 80
        done = host.run("curl", "--silent", "--max-time", "5", "--cacert", self.pki.root,
                        "--resolve", f"{name}:{port}:{address}", "-w", "\n%{http_code}", *words,
                        f"{scheme}://{name}{path}", check=False)
        body, _, status = done.stdout.rpartition("\n")
        return done.returncode, int(status or 0), body


@pytest.fixture(scope="module")
def scenario(pki, module_folder):
    with contextlib.ExitStack() as stack:
        yield Scenario(module_folder, pki, stack)


@pytest.fixture(scope="class")
def running(scenario):
    with scenario.proxy(scenario.settings()) as proxy:
        yield scenario, proxy


class TestTheScenario:
    def test_the_outside_reaches_the_pool_through_the_edge(self, running):
        scenario, _ = running
        for path in ("/abs/ext/", "/GroupExpansion/Ext/service.asmx", "/conf/ext/Tshoot.html",
                     "/etc/place/null", "/DeviceUpdateFiles_Ext/"):
            exit_status, status, body = scenario.ask(scenario.outside, path)
            assert (exit_status, status) == (0, 200), body
            told = json.loads(body)
            assert told["path"] == path
            assert told["client"] == EDGE_IN, "requests appear to come from the proxy"
            fields = {name.lower(): value for name, value in told["fields"]}
            assert fields["host"] == POOL
            assert fields["x-forwarded-for"] == "203.0.113.50"

    def test_plain_http_from_outside_is_sent_to_https(self, running):
        scenario, _ = running
        assert scenario.ask(scenario.outside, "/x", scheme="http", name=PUBLIC)[1] == 302
        exit_status, status, body = scenario.ask(scenario.outside, "/x", "-L", "--resolve",
                                                 f"{PUBLIC}:443:{EDGE_OUT}", scheme="http")
        assert (exit_status, status) == (0, 200), body

    def test_the_bare_address_is_denied_with_12202(self, running):
        scenario, _ = running
        _, status, body = scenario.ask(scenario.outside, "/", "-k", name=EDGE_OUT)
        assert status == 403 and "12202" in body

    def test_the_inside_is_refused_by_the_outer_listener(self, running):
        scenario, proxy = running
        exit_status, status, body = scenario.ask(scenario.inside, "/")
        assert status in (0, 403), body  # closed, or denied: not served
        assert (exit_status, status) != (0, 200)
        assert not [entry for entry in proxy.entries()
                    if entry["c-ip"] == "192.168.1.50" and entry["sc-status"] == "200"]

    def test_nothing_listens_on_the_inner_address(self, running):
        scenario, _ = running
        for host in (scenario.inside, scenario.outside):
            assert scenario.ask(host, "/", address=EDGE_IN)[0] == 7  # curl: could not connect

    def test_the_edge_itself_is_local_host_and_not_external(self, running):
        scenario, _ = running
        assert scenario.ask(scenario.edge, "/")[1] in (0, 403)

    def test_the_log_names_rule_network_and_site(self, running):
        scenario, proxy = running
        scenario.ask(scenario.outside, "/for-the-log")
        entry = until(lambda: next((entry for entry in proxy.entries()
                                    if "/for-the-log" in entry["cs-uri"]), None), "no such line")
        assert entry["c-ip"] == "203.0.113.50"
        assert entry["rule"].replace("+", " ") == RULE
        assert entry["r-ip"] == POOL_ADDRESS and entry["r-port"] == "443"
        assert entry["cs-Network"] == "External"


def test_from_anywhere_would_still_not_serve_the_inside_on_an_external_listener(scenario):
    settings = scenario.settings(**{"from": ["Anywhere"]})
    with scenario.proxy(settings):
        assert scenario.ask(scenario.outside, "/")[1] == 200
        assert scenario.ask(scenario.inside, "/")[1] in (0, 403)


def test_a_listener_that_names_both_networks_serves_the_inside_only_by_the_rule(scenario):
    settings = scenario.settings()
    settings["listeners"][0]["networks"] = ["External", "Internal"]
    with scenario.proxy(settings) as proxy:
        status, body = scenario.ask(scenario.inside, "/")[1:]
        assert status == 403 and "12202" in body
        settings["rules"][0]["from"] = ["External", "Internal"]
        proxy.reload(settings)
        assert scenario.ask(scenario.inside, "/")[1] == 200


def test_an_exception_of_from_is_denied(scenario):
    with scenario.proxy(scenario.settings(except_from=["203.0.113.50"])):
        status, body = scenario.ask(scenario.outside, "/")[1:]
        assert status == 403 and "12202" in body


def test_a_listener_may_be_given_by_its_nic(scenario):
    settings = scenario.settings()
    listener = settings["listeners"][0]
    del listener["addresses"]
    listener["interface"] = "eth1"
    with scenario.proxy(settings):
        assert scenario.ask(scenario.outside, "/")[1] == 200
        assert scenario.ask(scenario.inside, "/", address=EDGE_IN)[0] == 7


def test_a_pool_that_answers_nothing_costs_the_connect_deadline(scenario):
    scenario.pool.run("nft", "add table inet block; add chain inet block input { type filter hook "
                      "input priority 0; }; add rule inet block input tcp dport 443 drop")
    try:
        with scenario.proxy(scenario.settings(timeouts={"connect": "1s"})):
            assert scenario.ask(scenario.outside, "/")[1] == 504
    finally:
        scenario.pool.run("nft", "delete table inet block")


def test_a_pool_that_refuses_is_502(scenario):
    scenario.pool.run("nft", "add table inet block; add chain inet block input { type filter hook "
                      "input priority 0; }; add rule inet block input tcp dport 443 "
                      "reject with tcp reset")
    try:
        with scenario.proxy(scenario.settings()):
            assert scenario.ask(scenario.outside, "/")[1] == 502
    finally:
        scenario.pool.run("nft", "delete table inet block")


def test_another_server_on_the_address_and_port_is_named(scenario):
    """Step 2's warning: a port conflict between IIS and the web listener."""
    program = ("import socket,time; s=socket.create_server(('0.0.0.0', 443)); "
               "print('holding', flush=True); time.sleep(60)")
    holder = Process([*scenario.edge.words, "/usr/bin/python3", "-c", program],
                     scenario.folder / "holder.log")
    try:
        holder.until_it_says("holding")
        proxy = scenario.unstarted(scenario.settings()).start(ready=False)
        try:
            assert proxy.process.wait() == 1
            assert f"{EDGE_OUT}:443 is held by pid {holder.pid} (python3" in proxy.log()
        finally:
            proxy.process.kill()
    finally:
        holder.kill()
