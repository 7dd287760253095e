"""Whole bodies: they arrive, and the kernel had their records."""
import hashlib
import os
import pathlib
import subprocess

from harness.client import Client
from harness.configuration import PUBLIC_NAME
from kernel_tls.bench import (BODY, DIGEST, TLS1_2, TLS1_3, Bench, big, digest, download, scenario,
                              taken_over)


@scenario
def a_download_is_spliced_between_two_kernel_sockets(pki, folder):
    with Bench(pki, folder, big) as bench:
        download(bench)
        assert taken_over(bench.before) == (2, 2), taken_over(bench.before)
        assert bench.has_pipes()
        bench.kernel_had("both", "both")


@scenario
def an_upload_is_spliced_between_two_kernel_sockets(pki, folder):
    with Bench(pki, folder) as bench:
        with bench.connect() as client:
            client.request("/up", "POST", body=BODY)
            assert client.response("POST").status == 200
        assert digest(bench.origin.requests[0].body) == DIGEST
        assert taken_over(bench.before) == (2, 2)
        assert bench.has_pipes()
        bench.kernel_had("both", "both")


@scenario
def every_cipher_is_taken_over(pki, folder):
    for ciphers in ("ECDHE+AES128", "ECDHE+AES256", "ECDHE+CHACHA20"):
        with Bench(pki, folder / ciphers, big, ciphers=f"{ciphers}:@SECLEVEL=2") as bench:
            download(bench)
            assert taken_over(bench.before) == (2, 2), (ciphers, taken_over(bench.before))


@scenario
def tls_1_3_is_sent_by_the_kernel_and_received_by_us(pki, folder):
    with Bench(pki, folder, big, client=TLS1_3, origin=TLS1_3) as bench:
        download(bench)
        assert taken_over(bench.before) == (1, 0), taken_over(bench.before)
        bench.kernel_had("send", "-")


@scenario
def a_plain_site_is_spliced_to_a_tls_1_3_client(pki, folder):
    with Bench(pki, folder, big, client=TLS1_3, origin=None) as bench:
        download(bench)
        assert taken_over(bench.before) == (1, 0), taken_over(bench.before)
        assert bench.has_pipes()
        bench.kernel_had("send", "-")


@scenario
def an_upload_of_tls_1_2_is_spliced_to_a_plain_site(pki, folder):
    with Bench(pki, folder, origin=None) as bench:
        with bench.connect() as client:
            client.request("/up", "POST", body=BODY)
            assert client.response("POST").status == 200
        assert digest(bench.origin.requests[0].body) == DIGEST
        assert bench.has_pipes()
        bench.kernel_had("both", "-")


@scenario
def versions_may_differ_on_the_two_sides(pki, folder):
    for number, (client, origin, expected) in enumerate((
            (TLS1_2, TLS1_3, ("both", "-")), (TLS1_3, TLS1_2, ("send", "both")))):
        with Bench(pki, folder / str(number), big, client=client, origin=origin) as bench:
            download(bench)
            bench.kernel_had(*expected)


@scenario
def chunked_bodies_cross_kernel_sockets(pki, folder):
    def answer(connection, request):
        if request.method == "POST":
            connection.respond(hashlib.sha256(request.body).hexdigest().encode())
            return
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(BODY), 70_001):
            piece = BODY[at:at + 70_001]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send("0\r\n\r\n")
    with Bench(pki, folder, answer) as bench:
        download(bench)
        with bench.connect() as client:
            client.send(f"POST /up HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(BODY), 50_000):
                piece = BODY[at:at + 50_000]
                client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            client.send("0\r\n\r\n")
            assert client.response("POST").body.decode() == DIGEST
        bench.kernel_had("both", "both")


@scenario
def small_requests_and_large_bodies_share_connections(pki, folder):
    def answer(connection, request):
        connection.respond(BODY if request.target == "/big" else request.target.encode())
    for version in (TLS1_2, TLS1_3):
        with Bench(pki, folder / version.name, answer, client=version, origin=version) as bench:
            with bench.connect() as client:
                for round_ in range(4):
                    for number in range(5):
                        assert client.get(f"/{round_}/{number}").body == f"/{round_}/{number}".encode()
                    assert digest(client.get("/big").body) == DIGEST
            assert len(bench.origin.connections) == 1


@scenario
def a_resumed_connection_is_taken_over_too(pki, folder):
    with Bench(pki, folder, big) as bench:
        context, session = bench.client_context(), None
        for turn in range(3):
            with Client(bench.address, context, PUBLIC_NAME, timeout=20, session=session) as client:
                assert digest(client.get("/big").body) == DIGEST
                assert client.stream.tls.session_reused == (turn > 0)
                session = client.stream.tls.session
        # One upstream connection, three clients.
        assert taken_over(bench.before) == (4, 4), taken_over(bench.before)


@scenario
def a_key_is_not_used_for_longer_than_it_may_be(_pki, _folder):
    # Not by the program: its keys last for 256 GiB.
    tests = pathlib.Path(os.environ["OCSPROXY_BINARY"]).parents[1] / "test/tls/tls_test"
    run = subprocess.run([tests, "--gtest_filter=*KernelKey*", "--gtest_brief=1"], check=False,
                         capture_output=True, text=True)
    assert run.returncode == 0 and "PASSED" in run.stdout and "SKIPPED" not in run.stdout, \
        run.stdout + run.stderr


# ---- without it

@scenario
def nothing_is_taken_over_where_it_is_not_asked_for(pki, folder):
    with Bench(pki, folder, big, kernel_tls=False) as bench:
        download(bench)
        assert taken_over(bench.before) == (0, 0), taken_over(bench.before)
        assert "kernel TLS: off (kernel_tls: false)" in bench.proxy.log()
        bench.kernel_had("-", "-")


@scenario
def the_log_says_at_start_what_is_offered(pki, folder):
    with Bench(pki, folder, big) as bench:
        assert ("kernel TLS: TLS 1.2 (AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305), sending of TLS "
                "1.3 (AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305)") in bench.proxy.log()
