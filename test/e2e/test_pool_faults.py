"""Members of a pool that are killed, frozen, black-holed, reset or hardly reachable, on a network of
its own: what the client sees, what the log says, and that nothing remains.

    client and edge 192.168.1.2 --- 192.168.1.105 first member
                                \\-- 192.168.1.106 second member, an address of the same host
"""
import contextlib
import os
import signal

import pytest
from harness import configuration, namespaces
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.process import Process
from harness.proxy import Proxy
from harness.waiting import PATIENCE, until

pytestmark = pytest.mark.root
EDGE, MEMBERS, PORT = "192.168.1.2", ("192.168.1.105", "192.168.1.106"), 8080
LISTENING = "127.0.0.1", 8000  # in the edge's namespace nobody else has it
SIZE = 1 << 20

# A member: answers at once, but for /slowly, of which a part comes and the rest never, and /drip,
# whose rest comes byte by byte.
MEMBER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[1].encode() if self.path == "/" else b"x" * int(sys.argv[2])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path in ("/slowly", "/drip"):
            self.wfile.write(body[:1000])
            self.wfile.flush()
            print("halfway", flush=True)
            while self.path == "/drip":
                time.sleep(0.05)
                self.wfile.write(b"x")
            time.sleep(600)
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[3])), Handler)
print("serving", flush=True)
server.serve_forever()
"""
BLOCK = ("add table inet block; add chain inet block input { type filter hook input priority 0; }; "
         "add rule inet block input ip daddr {address} tcp dport {port} {verdict}")


class Pool:
    def __init__(self, folder, stack):
        self.folder = folder
        hosts = stack.enter_context(namespaces.namespaces("edge", "pool"))
        self.edge, self.host = hosts["edge"], hosts["pool"]
        namespaces.join(self.edge, f"{EDGE}/24", "eth0", self.host, f"{MEMBERS[0]}/24", "eth0")
        self.host.run("ip", "address", "add", f"{MEMBERS[1]}/24", "dev", "eth0")
        self.members = [None, None]
        stack.callback(lambda: [self.kill(number) for number in (0, 1)])
        for number in (0, 1):
            self.start(number)
        self.proxy = Proxy(folder, configuration.configuration(
            [listener(LISTENING[0], http=LISTENING[1])],
            [allow(PORT, bridging="http", address=list(MEMBERS),
                   timeouts={"connect": "1s", "response_head": "1s", "idle": "1s"})], workers=1),
            within=self.edge.words).start(ready=False)
        stack.callback(self.proxy.process.kill)
        self.proxy.process.until_it_says(": generation ")
        until(lambda: self.ask()[0] == 0, "nobody serves")
        self.before = min(len(self.proxy.descriptors()) for _ in range(50))

    def start(self, number):
        log = self.folder / f"member-{number}-{len(list(self.folder.iterdir()))}.log"
        self.members[number] = Process(
            [*self.host.words, "/usr/bin/python3", "-c", MEMBER, MEMBERS[number], SIZE, PORT], log)
        self.members[number].until_it_says("serving")

    def kill(self, number):
        if self.members[number]:
            self.members[number].kill()

    @contextlib.contextmanager
    def frozen(self, *numbers):
        for number in numbers:
            self.members[number].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for number in numbers:
                self.members[number].signal(signal.SIGCONT)

    @contextlib.contextmanager
    def blocked(self, address, verdict):
        self.host.run("nft", BLOCK.replace("{address}", address).replace("{port}", str(PORT))
                      .replace("{verdict}", verdict))
        try:
            yield
        finally:
            self.host.run("nft", "delete table inet block")

    def ask(self, path="/"):
        """-> curl's exit status, the HTTP status, and how much came or what."""
        done = self.edge.run(*self.curl(path), check=False)
        body, _, rest = done.stdout.rpartition("\n")
        status, size = rest.split()
        return done.returncode, int(status), body if path == "/" else int(size)

    def curl(self, path):
        return ["curl", "--silent", "--max-time", int(30 * PATIENCE), "-H", f"Host: {PUBLIC_NAME}",
                "-w", "\n%{http_code} %{size_download}", f"http://{LISTENING[0]}:{LISTENING[1]}{path}"]

    @contextlib.contextmanager
    def halfway(self, path="/slowly"):
        """A response of which a part has come -> [curl's exit status], when it has ended."""
        found = []
        said = sum(member.text().count("halfway") for member in self.members)
        asking = Process([*self.edge.words, *self.curl(path)], self.folder / "curl.log")
        try:
            until(lambda: sum(member.text().count("halfway") for member in self.members) > said,
                  "the member was not asked")
            yield found
            found.append(asking.wait(30))
        finally:
            asking.kill()

    def line(self, action="Failed"):
        return until(lambda: next((entry for entry in reversed(self.proxy.entries())
                                   if entry["action"] == action), None), "no such line in the log")

    def nothing_remains(self):
        """It serves as before, holds at most the connections that it keeps for the next, and ends."""
        assert self.ask()[:2] == (0, 200)
        self.proxy.until_descriptors(self.before + 2, 20)
        self.proxy.stop()


@pytest.fixture(name="pool")
def fixture_pool(folder):
    with contextlib.ExitStack() as stack:
        yield Pool(folder, stack)


CUT = 18  # curl: less came than was announced


def test_members_that_are_frozen_cost_the_deadline_of_the_response_head(pool):
    assert pool.ask() == (0, 200, MEMBERS[0])
    with pool.frozen(0, 1):
        assert pool.ask()[:2] == (0, 504)
        assert "timeout (response_head)" in pool.line()["error-info"]
    pool.nothing_remains()


def test_a_member_that_freezes_in_an_answer_is_given_up_and_the_client_can_tell(pool):
    with pool.halfway() as ended:
        frozen = pool.frozen(0, 1)
        frozen.__enter__()
    frozen.__exit__(None, None, None)
    assert ended == [CUT]
    assert "timeout (idle) in response_body" in pool.line()["error-info"]
    pool.nothing_remains()


def test_a_member_that_is_killed_in_an_answer_cuts_it_and_the_other_serves(pool):
    with pool.halfway() as ended:
        pool.kill(0)
    assert ended == [CUT]
    assert "in response_body" in pool.line()["error-info"]
    assert pool.ask() == (0, 200, MEMBERS[1])
    pool.nothing_remains()


def test_when_all_members_are_killed_it_is_502_until_one_is_back(pool):
    assert pool.ask()[:2] == (0, 200)
    pool.kill(0)
    pool.kill(1)
    assert pool.ask()[:2] == (0, 502)
    assert "refused in connect" in pool.line()["error-info"]
    pool.start(0)
    until(lambda: pool.ask() == (0, 200, MEMBERS[0]), "the member that is back is not used", 30)
    pool.nothing_remains()


def test_a_black_hole_is_gone_round_by_the_other_member(pool):
    with pool.blocked(MEMBERS[0], "drop"):
        assert pool.ask()[:2] == (0, 504)  # over the connection that stands: it may have been heard
        assert pool.ask() == (0, 200, MEMBERS[1])
        assert "timeout (connect) in connect (timeouts.connect)" in pool.proxy.log()
    pool.nothing_remains()


@pytest.mark.parametrize("path, verdict, said", [
    # What comes next never does, or its acknowledgement is what the reset answers.
    ("/slowly", "drop", "timeout (idle) in response_body"),
    ("/drip", "reject with tcp reset", "upstream reset in response_body"),
])
def test_an_answer_whose_way_is_lost_is_given_up_and_the_client_can_tell(pool, path, verdict, said):
    with pool.halfway(path) as ended:
        blocked = pool.blocked(MEMBERS[0], verdict)
        blocked.__enter__()
    blocked.__exit__(None, None, None)
    assert ended == [CUT]
    assert said in pool.line()["error-info"]
    pool.nothing_remains()


def test_a_member_whose_connections_are_reset_is_gone_round_by_the_other(pool):
    with pool.blocked(MEMBERS[0], "reject with tcp reset"):
        assert pool.ask() == (0, 200, MEMBERS[1])
    pool.nothing_remains()


def test_over_a_narrow_link_all_of_it_comes_and_others_are_served_beside(pool):
    pool.host.run("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", "4mbit", "burst",
                  "32kbit", "latency", "400ms")
    asking = Process([*pool.edge.words, *pool.curl("/large")], pool.folder / "large.log")
    try:
        until(lambda: os.path.exists(f"/proc/{asking.pid}"), "curl does not run")
        for _ in range(3):
            assert pool.ask()[:2] == (0, 200)
        assert asking.wait(60) == 0
    finally:
        asking.kill()
    assert asking.text().rsplit("\n", 1)[1].split() == ["200", str(SIZE)]
    pool.nothing_remains()
