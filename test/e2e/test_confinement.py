"""What the processes may do when they serve, as the kernel shows it, and what their memory holds."""
import contextlib
import os
import pwd
import re
import signal
import socket

import pytest
from cryptography.hazmat.primitives import serialization
from harness import configuration, process
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.folders import UNPRIVILEGED
from harness.memory import holds
from harness.origin import Origin, answering
from harness.proxy import Proxy
from harness.waiting import until

pytestmark = pytest.mark.root


class Edge:
    def __init__(self, folder, pki, stack, privileged, environment=None):
        self.address = own_address(), free_port(own_address())
        site = stack.enter_context(Origin(answering()))
        self.leaf = pki.authority.issue(PUBLIC_NAME).write(folder, "edge")
        self.settings = configuration.configuration(
            [listener(self.address[0], https=self.address[1], certificates=[self.leaf])],
            [allow(site.port, bridging="http")])
        self.proxy = stack.enter_context(
            Proxy(folder, self.settings, privileged=privileged, environment=environment))

    def status(self):
        with Client(self.address, trusting(), PUBLIC_NAME) as client:
            return client.get("/").status


@pytest.fixture(name="edge")
def fixture_edge(folder, pki):
    with contextlib.ExitStack() as stack:
        yield lambda **more: Edge(folder, pki, stack, **more)


def threads(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


@pytest.mark.parametrize("privileged", [True, False])
def test_the_server_is_confined_in_every_thread(edge, privileged):
    edge = edge(privileged=privileged)
    assert edge.status() == 200
    server = edge.proxy.server_pid
    assert len(threads(server)) > 2
    for thread in threads(server):
        status = process.status(f"{server}/task/{thread}")
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[capabilities], 16) == 0, capabilities
    # What kills, what is allowed, and what is refused without a word.
    assert int(process.status(server).get("Seccomp_filters", "3")) == 3


def test_the_supervisor_is_confined_too(edge):
    status = process.status(edge(privileged=True).proxy.pid)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


@pytest.mark.parametrize("privileged", [True, False])
def test_no_process_leaves_its_memory_to_a_core_dump_or_to_its_account(edge, privileged):
    edge = edge(privileged=privileged)
    server = edge.proxy.server_pid
    for pid in {server, edge.proxy.pid}:
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            assert re.search(r"^Max core file size +0 +0 ", limits.read(), re.M)
    assert process.user(server) == str(pwd.getpwnam(UNPRIVILEGED).pw_uid)
    assert os.stat(f"/proc/{server}/environ").st_uid == 0, "it is dumpable"


def test_a_server_that_did_what_it_never_does_is_reported_as_what_it_may_be(edge):
    edge = edge(privileged=True)
    old = edge.proxy.server_pid
    os.kill(old, signal.SIGSYS)  # as the kernel ends it
    until(lambda: edge.proxy.server_pid != old, "no new server")
    assert (f"the server (pid {old}) was killed by the kernel for a system call that ocsproxy never "
            "makes (SIGSYS): take it for a break-in") in edge.proxy.log()
    assert edge.status() == 200


@pytest.mark.optimised  # a sanitizer keeps what is freed, and has terabytes of shadow to look through
def test_a_private_key_is_in_no_memory_but_the_servers_and_there_not_as_text(edge):
    edge = edge(privileged=True)
    assert edge.status() == 200
    pem = edge.leaf.key_file.read_bytes()
    number = serialization.load_pem_private_key(pem, None).private_numbers()
    secret = getattr(number, "private_value", None) or number.d
    big_endian = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
    needles = {"text": pem.split(b"\n")[2], "bytes": big_endian, "number": big_endian[::-1]}
    edge.proxy.reload()
    assert edge.status() == 200
    in_server = holds(edge.proxy.server_pid, needles)
    assert in_server & {"bytes", "number"}, "the search is blind: the server signs with the key"
    assert "text" not in in_server
    assert holds(edge.proxy.pid, needles) == set()


@pytest.fixture(name="manager")
def fixture_manager(folder):
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(folder / "notify"))
        os.chmod(folder / "notify", 0o777)
        heard.settimeout(20)
        yield heard


@pytest.mark.parametrize("privileged", [True, False])
def test_a_service_manager_hears_of_start_reload_and_end(edge, folder, manager, privileged):
    edge = edge(privileged=privileged, environment={"NOTIFY_SOCKET": str(folder / "notify")})

    def heard():
        return manager.recv(1000).decode()
    assert heard() == "READY=1\nSTATUS=serving"
    edge.proxy.reload()
    assert heard().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard() == "READY=1\nSTATUS=serving"
    edge.proxy.reload("listeners: [", refused=True)
    assert heard().startswith("RELOADING=1\n")
    assert heard() == "READY=1\nSTATUS=serving as before the last reload, which failed"
    configuration.write(edge.proxy.conf, edge.settings)
    edge.proxy.process.terminate()
    assert heard() == "STOPPING=1"
