"""How connections end whose records are the kernel's."""
import contextlib
import pathlib
import subprocess

from harness import process
from harness.waiting import until
from kernel_tls.bench import BODY, DIGEST, TLS1_2, TLS1_3, Bench, big, digest, download, scenario


@scenario
def the_end_of_a_connection_is_announced(pki, folder):
    for version in (TLS1_2, TLS1_3):
        with Bench(pki, folder / version.name, big, client=version, origin=version) as bench:
            with bench.connect() as client:
                client.request("/big", fields=["Connection: close"])
                assert digest(client.response().body) == DIGEST
                client.rest()
                assert client.stream.ended == "clean", client.stream.ended


@contextlib.contextmanager
def a_narrow_path():
    """Small packets and a small send buffer: it fills while the kernel still has sealed records."""
    memory = pathlib.Path("/proc/sys/net/ipv4/tcp_wmem")
    before = memory.read_text()
    subprocess.run(["ip", "link", "set", "lo", "mtu", "1500"], check=True)
    memory.write_text("4096 16384 49152")
    try:
        yield
    finally:
        memory.write_text(before)
        subprocess.run(["ip", "link", "set", "lo", "mtu", "65536"], check=True)


def read_slowly(client):
    while client.stream.receive(4096):
        pass
    return bytes(client.stream.received).partition(b"\r\n\r\n")[2]


def sized(connection, request):
    connection.respond(BODY[:int(request.target[1:])])


# Of whatever length: where the last record meets a full send buffer is not known beforehand.
SIZES = range(300_000, 430_000, 10_007)


def download_slowly(bench, after_request=lambda client: None):
    for size in SIZES:
        with bench.connect(receive_buffer=8192) as client:
            client.request(f"/{size}", fields=["Connection: close"])
            after_request(client)
            body = read_slowly(client)
            assert body == BODY[:size], (size, len(body))
            assert client.stream.ended == "clean", (size, client.stream.ended)


@scenario
def a_slow_client_of_tls_1_2_gets_the_end_behind_which_its_connection_closes(pki, folder):
    with a_narrow_path(), Bench(pki, folder, sized, origin=None) as bench:
        download_slowly(bench)
        bench.kernel_had("both", "-")


@scenario
def a_slow_client_of_tls_1_3_gets_the_end_behind_which_its_connection_closes(pki, folder):
    with a_narrow_path(), Bench(pki, folder, sized, client=TLS1_3, origin=None) as bench:
        download_slowly(bench)
        bench.kernel_had("send", "-")


@scenario
def a_slow_client_that_has_ended_its_side_gets_the_end_too(pki, folder):
    for version in (TLS1_2, TLS1_3):
        with a_narrow_path(), \
                Bench(pki, folder / version.name, sized, client=version, origin=None) as bench:
            download_slowly(bench, after_request=lambda client: client.stream.half_close())


@scenario
def a_slow_client_gets_the_end_of_a_tunnel(pki, folder):
    def serve(connection):
        request = connection.read_head()
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        "Upgrade: websocket\r\nSec-WebSocket-Accept: "
                        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        connection.send(BODY[:int(request.target[1:])])
        connection.stream.half_close()
        connection.stream.receive_until_end()

    fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    with a_narrow_path(), Bench(pki, folder, serve=serve, client=TLS1_3, origin=None) as bench:
        for size in SIZES:
            with bench.connect(receive_buffer=8192) as client:
                client.request(f"/{size}", fields=fields)
                body = read_slowly(client)
                assert body == BODY[:size], (size, len(body))
                assert client.stream.ended == "clean", (size, client.stream.ended)
        bench.kernel_had("send", "-")


@scenario
def a_client_that_goes_while_the_end_waits_for_it_is_let_go(pki, folder):
    def sockets(bench):
        links = process.descriptors(bench.proxy.server_pid).values()
        return sum(link.startswith("socket:") for link in links)

    for version, leave in ((TLS1_2, "reset"), (TLS1_3, "reset"), (TLS1_2, "close"),
                           (TLS1_3, "close")):
        place = folder / f"{version.name}-{leave}"
        with a_narrow_path(), Bench(pki, place, sized, client=version, origin=None) as bench:
            before = sockets(bench)
            for number, size in enumerate(SIZES):
                client = bench.connect(receive_buffer=8192)
                client.request(f"/{size}", fields=["Connection: close"])
                # Until the proxy has nothing more to write, and waits for room.
                while len(bench.proxy.entries()) <= number:
                    client.stream.receive(2048)
                getattr(client.stream, leave)()
            until(lambda: sockets(bench) <= before + 1, "connections stay")  # one to the site


@scenario
def a_body_that_is_cut_is_not_made_to_look_whole(pki, folder):
    def serve(end):
        def run(connection):
            connection.read_request()
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n")
            connection.send(BODY[:1_000_000])
            getattr(connection.stream, end)()
        return run
    for end in ("close", "fin", "reset"):
        with Bench(pki, folder / end, serve=serve(end)) as bench:
            with bench.connect() as client:
                client.request("/big")
                client.rest()
                assert client.stream.ended != "clean", (end, client.stream.ended)
                assert BODY[:1_000_000].startswith(
                    bytes(client.stream.received).partition(b"\r\n\r\n")[2])
            assert bench.logged()["action"] == "Failed"


@scenario
def a_client_that_resets_ends_its_upstream_connection(pki, folder):
    with Bench(pki, folder, big) as bench:
        client = bench.connect()
        client.request("/big")
        client.stream.receive()
        client.reset()
        until(lambda: bench.origin.connections[0].peer_left, "the upstream connection stays")
        assert bench.logged()["action"] == "Failed"
        download(bench)


@scenario
def a_body_until_the_end_of_the_connection_is_whole_only_with_an_announced_end(pki, folder):
    def serve(end):
        def run(connection):
            connection.read_request()
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            connection.send(BODY)
            getattr(connection.stream, end)()
        return run
    for end, whole in (("close", True), ("fin", False)):
        with Bench(pki, folder / end, serve=serve(end)) as bench:
            with bench.connect() as client:
                client.request("/big", version="HTTP/1.0")
                client.rest()
                body = bytes(client.stream.received).partition(b"\r\n\r\n")[2]
                assert digest(body) == DIGEST, len(body)
                assert (client.stream.ended == "clean") == whole, (end, client.stream.ended)
