"""Records that are not data (alerts, new keys, a try to renegotiate), and what is no record."""
import contextlib
import ssl
import subprocess
import threading

from harness.configuration import PUBLIC_NAME
from harness.waiting import until
from kernel_tls.bench import (BODY, DIGEST, TLS1_3, Bench, big, digest, download, scenario,
                              taken_over)
from kernel_tls.forger import FATAL, Forger

UNRECOGNIZED_NAME, NO_RENEGOTIATION = 112, 100
UPLOAD = (f"POST /up HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n"
          f"Content-Length: {len(BODY)}\r\n\r\n").encode()
REQUEST = f"GET /big HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n".encode()
HALF = len(BODY) // 2
SECOND = threading.Event()  # lets the second half of a body come


class OpensslClient:
    """openssl s_client, which does on command what no library offers."""

    def __init__(self, bench, version="-tls1_3"):
        self._process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{bench.address[1]}", version,
             "-servername", PUBLIC_NAME, "-CAfile", str(bench.pki.root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def say(self, data):
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def read_until(self, mark):
        """What came behind the mark."""
        seen = b""
        while mark not in seen:
            data = self._process.stdout.read1(65536)
            assert data, f"it ended: {seen[-600:]!r}"
            seen = seen[-len(mark):] + data
        return seen.partition(mark)[2]

    def rest(self):
        return self._process.stdout.read()


def in_two_halves():
    SECOND.clear()

    def serve(connection):
        while connection.read_request():
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n")
            connection.send(BODY[:HALF])
            SECOND.wait(60)
            connection.send(BODY[HALF:])
    return serve


@scenario
def new_keys_of_a_client_are_followed(pki, folder):
    # The body comes by and by, so that the client can speak in the middle of it.
    with Bench(pki, folder, client=TLS1_3, origin=TLS1_3, serve=in_two_halves()) as bench:
        with OpensslClient(bench) as client:
            client.say(REQUEST)
            client.read_until(BODY[HALF - 64:HALF])
            client.say(b"k\n")  # new keys, none asked of us
            client.say(REQUEST)
            SECOND.set()
            client.read_until(BODY[-64:])
        bench.kernel_had("send", "-")


@scenario
def new_keys_that_the_kernel_cannot_make_end_the_connection_behind_the_response(pki, folder):
    with Bench(pki, folder, client=TLS1_3, origin=TLS1_3, serve=in_two_halves()) as bench:
        with OpensslClient(bench) as client:
            client.say(REQUEST)
            client.read_until(BODY[HALF - 64:HALF])
            client.say(b"K\n")  # new keys, and ours are asked for
            SECOND.set()
            said = client.read_until(BODY[-64:]) + client.rest()
            assert b"alert internal error" in said, said[-600:]
        assert bench.logged()["action"] == "Allowed"


RUBBISH = bytes(range(48))
NO_RECORDS = (  # what is said for a record, and the alert that answers it
    (b"\x17\x03\x03\x00\x30" + RUBBISH, "BAD_RECORD_MAC"),
    (b"\x15\x03\x03\x00\x30" + RUBBISH, "BAD_RECORD_MAC"),
    (b"\x17\x03\x03\x48\x01" + RUBBISH * 400, "UNEXPECTED_MESSAGE"),
    (b"\x17\x03\x03\x00\x01" + RUBBISH, "BAD_RECORD_MAC"),
    (b"GET / HTTP/1.1\r\n\r\n" * 4, "UNEXPECTED_MESSAGE"))


def alert_to(client):
    """The alert that the proxy ends the connection with."""
    try:
        client.rest()
    except ssl.SSLError as error:
        return str(error)
    raise AssertionError(f"no alert: {client.stream.ended}")


@scenario
def what_is_no_authentic_record_ends_the_connection(pki, folder):
    for number, (what, alert) in enumerate(NO_RECORDS):
        with Bench(pki, folder / str(number), big) as bench:
            with bench.connect() as client:
                assert client.get("/big").status == 200
                client.stream.socket.sendall(what)
                said = alert_to(client)
                assert alert in said, (what[:5], said)
            download(bench)  # and nobody else noticed


def arrived(bench, size):
    """Is the body of the upload with the site up to there?"""
    return bench.origin.requests and \
        bench.origin.connections[0].received.endswith(BODY[size - 64:size])


@scenario
def what_is_no_authentic_record_ends_a_spliced_upload_at_once(pki, folder):
    reasons = {"BAD_RECORD_MAC": "decryption failed or bad record mac",
               "UNEXPECTED_MESSAGE": "what came is no protected TLS record"}
    for number, (what, alert) in enumerate(NO_RECORDS):
        with Bench(pki, folder / str(number)) as bench:
            with bench.connect() as client:
                client.send(UPLOAD + BODY[:HALF])
                # All of it went through the pipe, and the proxy waits for more.
                until(lambda: arrived(bench, HALF), "the first half does not arrive")
                client.stream.socket.sendall(what)
                said = alert_to(client)
                assert alert in said, (what[:5], said)
            line = bench.logged()
            assert line["error-info"].startswith("client") and \
                reasons[alert] in line["error-info"], line
            bench.kernel_had("both", "both")


@scenario
def rubbish_behind_records_of_the_same_moment_ends_a_spliced_upload_too(pki, folder):
    for number, (what, alert) in enumerate(NO_RECORDS):
        with Bench(pki, folder / str(number)) as bench:
            with Forger(bench, folder / str(number)) as client:
                client.send_data(UPLOAD + BODY[:HALF])
                until(lambda: arrived(bench, HALF), "the first half does not arrive")
                # In one segment: the pass that splices the data meets the rubbish.
                client.socket.sendall(client.record(BODY[HALF:HALF + 2000]) + what)
                try:
                    assert client.receive() != b"", "no alert"
                except ssl.SSLError as error:
                    assert alert in str(error), (what[:5], str(error))
            assert bench.logged()["action"] == "Failed"
            assert arrived(bench, HALF + 2000)


@scenario
def empty_records_and_warnings_do_not_end_a_connection(pki, folder):
    with Bench(pki, folder) as bench, Forger(bench, folder) as client:
        empty = client.record(b"") + client.record(b"") + client.warning(UNRECOGNIZED_NAME)
        client.socket.sendall(empty)  # while nothing is asked
        client.send_data(UPLOAD + BODY[:HALF])
        until(lambda: arrived(bench, HALF), "the first half does not arrive")
        for _ in range(20):
            client.send(b"")
        for _ in range(4):
            client.socket.sendall(client.warning(UNRECOGNIZED_NAME))
        # Between data, of one moment.
        client.socket.sendall(client.record(BODY[HALF:HALF + 100_00]) + client.record(b"") +
                              client.record(b"") + client.warning(UNRECOGNIZED_NAME) +
                              client.record(b""))
        client.send_data(BODY[HALF + 100_00:])
        client.receive_until(b"HTTP/1.1 200 OK\r\n")
        assert digest(bench.origin.requests[0].body) == DIGEST
        bench.kernel_had("both", "both")
        client.send(b"")
        client.send_data(REQUEST)
        client.receive_until(b"HTTP/1.1 200 OK\r\n")


@scenario
def empty_records_and_warnings_without_end_and_what_is_fatal_end_a_connection(pki, folder):
    def many(record, count):
        def send(client):
            with contextlib.suppress(OSError):  # it may have ended before the last
                for _ in range(count):
                    client.socket.sendall(record(client))
        return send

    for name, offend, reason in (
            ("warnings", many(lambda client: client.warning(UNRECOGNIZED_NAME), 5),
             "the peer sends TLS warnings without end"),
            ("empty", many(lambda client: client.record(b""), 2000),
             "the peer sends empty TLS records without end"),
            ("fatal", many(lambda client: client.warning(UNRECOGNIZED_NAME, FATAL), 1),
             'the alert "unrecognized name"'),
            ("refusal", many(lambda client: client.warning(NO_RENEGOTIATION), 1),
             'the alert "no renegotiation"'),
            ("level", many(lambda client: client.warning(UNRECOGNIZED_NAME, 3), 1),
             "a TLS alert is neither a warning nor fatal")):
        with Bench(pki, folder / name) as bench, Forger(bench, folder / name) as client:
            client.send_data(UPLOAD + BODY[:HALF])
            until(lambda: arrived(bench, HALF), "the first half does not arrive")
            offend(client)
            line = bench.logged()
            assert line["action"] == "Failed" and reason in line["error-info"], (name, line)


@scenario
def renegotiation_is_refused(pki, folder):
    with Bench(pki, folder, big) as bench:
        with OpensslClient(bench, version="-tls1_2") as client:
            client.say(REQUEST)
            said = client.read_until(BODY[-64:])
            client.say(b"R\n")
            said += client.rest()
            assert b"no renegotiation" in said, said[-600:]
        assert taken_over(bench.before) == (2, 2)
        download(bench)
