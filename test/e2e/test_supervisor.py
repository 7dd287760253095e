"""The two processes of a proxy that was started as root: what each may do, and what survives."""
import contextlib
import os
import pathlib
import pwd
import signal
import socket

import pytest
from harness import configuration, process
from harness.addresses import own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, deny, listener
from harness.echo_site import EchoSite
from harness.folders import UNPRIVILEGED
from harness.load import Load
from harness.proxy import Proxy
from harness.stream import TlsStream
from harness.waiting import until

pytestmark = pytest.mark.root


class Edge:
    """Listens on the privileged ports of an own loopback address, with root-only keys."""

    def __init__(self, folder, pki, stack, *arguments):
        self.folder, self.pki = folder, pki
        self.address, self.port = own_address(), 443
        self.site = EchoSite(pki.pool.server_context())
        stack.callback(self.site.origin.close)
        stack.callback(self.site.released.set)
        self.leaf = pki.authority.issue(PUBLIC_NAME).write(folder, "edge")
        self.leaf.key_file.chmod(0o600)
        self.settings = self.with_rules()
        self.proxy = stack.enter_context(
            Proxy(folder, self.settings, privileged=True, arguments=arguments))
        self.context = trusting(pki.root)

    def with_rules(self, *rules):
        return configuration.configuration(
            [listener(self.address, https=self.port, certificates=[self.leaf])],
            [*rules, allow(self.site.port)], roots=[self.pki.root])

    def client(self, port=None, timeout=20):
        return Client((self.address, port or self.port), self.context, PUBLIC_NAME, timeout=timeout)

    def status(self, target="/"):
        with self.client() as client:
            return client.get(target).status


@pytest.fixture
def edge(folder, pki):
    with contextlib.ExitStack() as stack:
        yield Edge(folder, pki, stack)


def test_the_server_has_no_privilege_left(edge):
    account = pwd.getpwnam(UNPRIVILEGED)
    status = process.status(edge.proxy.server_pid)
    assert status["Uid"].split() == [str(account.pw_uid)] * 4
    assert status["Gid"].split() == [str(account.pw_gid)] * 4
    assert set(status["Groups"].split()) <= {str(account.pw_gid)}
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[capabilities], 16) == 0, capabilities
    assert status["NoNewPrivs"] == "1"
    assert process.status(edge.proxy.pid)["Uid"].split() == ["0"] * 4


def test_the_account_may_be_named(folder, pki):
    with contextlib.ExitStack() as stack:
        edge = Edge(folder, pki, stack, "--user", "daemon")
        assert process.status(edge.proxy.server_pid)["Uid"].split()[0] == \
            str(pwd.getpwnam("daemon").pw_uid)


def test_an_unknown_account_is_an_error_of_the_command_line(folder, pki):
    proxy = Proxy(folder, configuration.configuration(
        [listener(own_address(), http=80)], [allow(1, bridging="http")]), privileged=True,
        arguments=["--user", "no-such-account"]).start(ready=False)
    try:
        assert proxy.process.wait() == 2
        assert "no-such-account" in proxy.log()
    finally:
        proxy.process.kill()


def test_the_server_holds_no_descriptor_of_the_configuration(edge):
    held = edge.proxy.descriptors().values()
    assert not [path for path in held if path.endswith((".key", ".pem", ".yaml"))], held


def thread_states(pid):
    """The letters of proc(5)."""
    return {stat.read_text().rpartition(")")[2].split()[0]
            for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")}


def test_a_server_that_is_killed_is_started_again_and_the_queue_is_served(edge):
    assert edge.status() == 200
    old = edge.proxy.server_pid
    os.kill(old, signal.SIGSTOP)
    until(lambda: thread_states(old) == {"T"}, "it goes on")  # one thread stops the others
    with contextlib.ExitStack() as stack:
        # Accepted by the kernel, into the queue of one worker or the other, and by nobody else.
        waiting = [stack.enter_context(socket.create_connection((edge.address, edge.port)))
                   for _ in range(8)]
        os.kill(old, signal.SIGKILL)
        until(lambda: edge.proxy.server_pid != old, "no new server")
        for connection in waiting:
            with TlsStream(connection, edge.context, server_hostname=PUBLIC_NAME) as stream:
                assert stream.tls.version()
    assert edge.status() == 200
    assert f"the server (pid {old}) was killed by signal 9" in edge.proxy.log()


@pytest.mark.concurrency
def test_killing_the_server_costs_only_what_it_was_serving(edge):
    with Load(edge.client, requests_a_connection=1) as load:
        until(lambda: len(load.sent) > 20, "no load")
        for _ in range(3):
            old = edge.proxy.server_pid
            os.kill(old, signal.SIGKILL)
            until(lambda: edge.proxy.server_pid != old, "no new server")
            answered = len(load.sent)
            until(lambda: len(load.sent) > answered + 20, "no load after the restart")
    # Four clients, so at most four exchanges were open at each of the three deaths.
    assert len(load.failures) <= 12, load.failures


def test_a_restarted_server_serves_the_load_in_force_and_not_the_disk(edge):
    edge.proxy.reload(edge.with_rules(deny("/closed/*")))
    (edge.proxy.conf / "ocsproxy.yaml").write_text("broken: [")
    old = edge.proxy.server_pid
    os.kill(old, signal.SIGKILL)
    until(lambda: edge.proxy.server_pid != old, "no new server")
    assert (edge.status("/closed/x"), edge.status("/")) == (403, 200)
    configuration.write(edge.proxy.conf, edge.settings)


def test_a_reload_reads_root_only_keys_and_binds_a_new_privileged_port(edge):
    renewed = edge.pki.authority.issue(PUBLIC_NAME).write(edge.folder, "renewed")
    renewed.key_file.chmod(0o600)
    settings = edge.with_rules()
    settings["listeners"].append(listener(edge.address, "Second", https=444,
                                          certificates=[renewed]))
    settings["rules"].append(allow(edge.site.port, "Second", listener="Second"))
    edge.proxy.reload(settings)
    with edge.client(444) as client:
        assert client.get("/").status == 200
    assert edge.status() == 200


def test_the_log_is_opened_as_root_in_a_folder_of_root(edge):
    log = edge.proxy.conf / "log"
    assert log.stat().st_uid == 0 and log.stat().st_mode & 0o777 == 0o755
    assert edge.status("/logged") == 200
    assert edge.proxy.until_entries(1)
    assert edge.proxy.access_log_path.stat().st_mode & 0o007 == 0, "the log is readable for all"


def test_the_server_ends_with_its_supervisor(edge):
    server = edge.proxy.server_pid
    edge.proxy.process.signal(signal.SIGKILL)
    edge.proxy.process.child.wait()
    until(lambda: not os.path.exists(f"/proc/{server}"), "the server outlives its supervisor")
    edge.proxy.start()  # so that the end of the test finds it as it should be


def test_a_server_that_dies_from_its_first_load_ends_the_program(folder, pki):
    """What cannot start at all must not look like something that runs."""
    proxy = Proxy(folder, "listeners: []\n", privileged=True).start(ready=False)
    try:
        assert proxy.process.wait() == 1
        assert "ocsproxy.yaml" in proxy.log()
    finally:
        proxy.process.kill()


def test_a_configuration_that_cannot_be_read_is_status_2(folder):
    proxy = Proxy(folder, "", privileged=True)
    proxy.conf = folder / "nowhere"
    proxy.start(ready=False)
    try:
        assert proxy.process.wait() == 2
    finally:
        proxy.process.kill()
