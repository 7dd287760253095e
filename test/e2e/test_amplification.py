"""What a hostile message costs the program, against a good one of the same size: at most twenty times
the processor time and twenty times the memory, counted over repetitions.
"""
import concurrent.futures
import contextlib
import pathlib
import socket

import pytest
from harness import configuration
from harness.abuse import CASES, payload
from harness.addresses import free_port, own_address
from harness.configuration import PUBLIC_NAME, allow, deny, listener
from harness.messages import chunks
from harness.origin import Origin, answering
from harness.proxy import Proxy

pytestmark = pytest.mark.optimised
TIMES = 20  # more than this, and a message is a weapon
REPEATED, AT_ONCE = 20, 10
KIBI = 1024
# Of messages that small, sockets and the scheduler are all that is measured.
SMALLEST = 64
NO_ANSWER = 0.05


def good(size):
    """A request of about that many bytes: in its fields, or where there is no room, in its body."""
    head = f"POST /good HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nContent-Length: %d\r\n%s\r\n"
    if size <= 30 * KIBI:
        least = len(head) + 12
        return (head % (0, f"X-Filler: {'x' * max(0, size - least)}\r\n")).encode()
    return (head % (size, "")).encode() + bytes(size)


class Edge:
    def __init__(self, folder, stack, rules=()):
        self.site = stack.enter_context(Origin(answering()))
        self.address = own_address(), free_port(own_address())
        host, port = self.address
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(host, http=port)],
            [*rules, deny("/admin/*", name="Admin", public_names=[PUBLIC_NAME]),
             allow(self.site.port, bridging="http")], workers=1)))
        self.good = {}  # size -> what one costs
        # What the first ones bring along is nobody's; what they leave behind serves the next.
        self.normal_memory = self.cost(good(SMALLEST))[1]

    def send(self, data):
        with socket.create_connection(self.address, 10) as connection:
            with contextlib.suppress(OSError):  # it is refused before all was sent
                connection.sendall(data)
                connection.settimeout(NO_ANSWER)
                try:
                    answered = connection.recv(65536)
                except TimeoutError:
                    answered = b""
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(10)
                while answered and connection.recv(65536):
                    pass

    def burst(self, data):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.send, [data] * REPEATED))

    def nanoseconds(self):
        """Of all its threads so far."""
        return sum(int((task / "schedstat").read_text().split()[0])
                   for task in pathlib.Path(f"/proc/{self.proxy.pid}/task").iterdir())

    def cost(self, data):
        """-> nanoseconds of one, and by how many bytes a burst lifts the most that it ever had."""
        process = pathlib.Path(f"/proc/{self.proxy.pid}")
        (process / "clear_refs").write_text("5")  # the peak is measured anew
        resident, before = self.proxy.resident_kib(), self.nanoseconds()
        self.burst(data)
        nanoseconds = (self.nanoseconds() - before) / REPEATED
        peak = next(int(line.split()[1]) for line in (process / "status").read_text().splitlines()
                    if line.startswith("VmHWM"))
        return nanoseconds, max(0, peak - resident) * KIBI

    def nanoseconds_of_good(self, size):
        size = max(SMALLEST, 1 << (size - 1).bit_length())  # one for all of about that size
        if size not in self.good:
            self.good[size] = self.cost(good(size))[0]
        return self.good[size]


@pytest.fixture(name="edge")
def fixture_edge(folder):
    with contextlib.ExitStack() as stack:
        yield lambda rules=(): Edge(folder, stack, rules)


def too_costly(edge, name, data):
    """A sentence, when it costs too much each time that it is measured. What is many requests is
    compared with as many."""
    requests = max(1, data.count(b" HTTP/1."))
    for _ in range(3):
        normal = requests * edge.nanoseconds_of_good(len(data) // requests)
        cost, memory = edge.cost(data)
        allowed = TIMES * max(len(data) * AT_ONCE, edge.normal_memory)
        if cost <= TIMES * normal and memory <= allowed:
            return None
        edge.good.clear()  # a busy machine may be what made the difference
    return (f"{name}: {cost:.0f} ns, a good one of its size {normal:.0f} ns; {memory} bytes for "
            f"{AT_ONCE} of {len(data)} at a time, {allowed} would be allowed")


def test_no_abuse_case_costs_more_than_a_good_message_times_twenty(edge):
    edge = edge()
    wrong = []
    for name, case in CASES.items():
        data = b"".join(chunks(payload(case, False)))
        if sentence := too_costly(edge, name, data):
            wrong.append(sentence)
    assert not wrong, "\n".join(wrong)


def test_the_measure_sees_work(edge):
    """Else nothing would be proven by its finding none."""
    edge = edge()
    one = good(SMALLEST)
    assert edge.cost(one * 100)[0] > 5 * edge.cost(one)[0]


# One rule of each kind that judges a path, each by a name of its own.
KINDS = {
    "exact": [deny("/closed/file")],
    "prefix": [deny("/closed/*")],
    "wildcard name": [deny("/closed/*", public_names=["*.example.test"])],
    "redirect": [deny("/closed/*", redirect="https://www.example.test/")],
    "regex": [deny({"regex": "/closed/.*"})],
    "regex that is anchored nowhere": [deny({"regex": ".*closed.*[0-9]+.*"})],
    "regex of many choices": [deny({"regex": "(/a|/aa|/aaa)*/(b|bb|bbb)+c?"})],
    "many prefixes": [deny(*[f"/a/{number}/*" for number in range(2000)])],
    "many regexes": [deny(*[{"regex": f"/a/.*{number}x"} for number in range(50)])],
}
SEGMENTS = {"one segment": "a", "many segments": "a/", "escapes": "%20a", "escaped letters": "%61",
            "dot segments": "a/../", "slashes": "/", "parameters": "a;b/"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_path_costs_no_rule_more_than_a_short_one_times_twenty(edge, kind):
    edge = edge(KINDS[kind])
    wrong = []
    for name, unit in SEGMENTS.items():
        for size, answers in ((64 * KIBI, b"4"), (16 * KIBI - 1, b"24")):
            path = ("/" + unit * size)[:size - 2].rstrip("%26/.") + "bc"
            data = f"GET {path} HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n".encode()
            with socket.create_connection(edge.address, 10) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(data)
                status = connection.recv(12)
            assert status.startswith(b"HTTP/1.1 ") and status[9:10] in [answers[at:at + 1] for at in
                                                                         range(len(answers))], status
            if sentence := too_costly(edge, f"{name} of {size}", data):
                wrong.append(sentence)
    assert not wrong, "\n".join(wrong)
