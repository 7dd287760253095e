"""TLS on both sides, as openssl, another machine's certificate and an administrator meet it."""
import contextlib
import re
import socket
import ssl
import subprocess

import pytest
from harness import certificates, configuration
from harness.addresses import free_port, own_address
from harness.certificates import Authority
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.curl import Curl
from harness.origin import Origin, answering
from harness.process import Process
from harness.proxy import Proxy
from harness.stream import TlsStream
from harness.waiting import PATIENCE, until

OTHER = "other.example.test"


class Edge:
    """Listener `Edge` with two certificates, `Second` with the same ones, one site behind both."""

    def __init__(self, folder, pki, stack):
        self.root = pki.root
        self.address = own_address()
        self.port, self.second_port, self.strict_port = (free_port(self.address) for _ in range(3))
        other = pki.authority.issue(OTHER).write(folder, "other")
        leaves = [pki.public, other]
        origin = stack.enter_context(Origin(answering(), pki.pool.server_context()))
        names = {"public_names": [PUBLIC_NAME, OTHER]}
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(self.address, https=self.port, certificates=leaves,
                      timeouts={"handshake": f"{int(PATIENCE)}s"}),
             listener(self.address, "Second", https=self.second_port, certificates=leaves),
             listener(self.address, "Strict", certificates=leaves,
                      https={"port": self.strict_port, "minimum_version": "1.3"})],
            [allow(origin.port, **names), allow(origin.port, "B", listener="Second", **names),
             allow(origin.port, "C", listener="Strict", **names)], roots=[pki.root])))

    def client(self, name=PUBLIC_NAME, port=None, context=None):
        return Client((self.address, port or self.port), context or trusting(self.root), name)

    def s_client(self, *words, name=PUBLIC_NAME, port=None, orders=b"Q\n"):
        command = ["openssl", "s_client", "-connect", f"{self.address}:{port or self.port}",
                   "-CAfile", str(self.root), *(["-servername", name] if name else ["-noservername"]),
                   *words]
        done = subprocess.run(command, input=orders, capture_output=True, check=False,
                              timeout=20 * PATIENCE)
        return (done.stdout + done.stderr).decode(errors="replace")


@pytest.fixture(scope="module")
def edge(pki, module_folder):
    with contextlib.ExitStack() as stack:
        yield Edge(module_folder, pki, stack)


# The listener


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_current_versions_are_spoken(edge, version):
    text = edge.s_client("-" + version.lower().replace("v", "").replace(".", "_"))
    assert f"{version}, Cipher is" in text and "Verify return code: 0" in text, text


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                   "TLS_CHACHA20_POLY1305_SHA256"])
def test_each_suite_of_tls_1_3_carries_requests(edge, suite):
    text = edge.s_client("-tls1_3", "-ciphersuites", suite, "-quiet", "-ign_eof", orders=(
        f"GET /1 HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\n\r\n"
        f"GET /2 HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nConnection: close\r\n\r\n").encode())
    assert text.count("HTTP/1.1 200 OK") == 2, text


def test_the_log_says_at_start_whose_aes_gcm_it_is(edge):
    assert re.search(r"AES-GCM of TLS 1\.3: (Intel IPsec MB 1\.\d|OpenSSL)", edge.proxy.log())


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(edge, option):
    text = edge.s_client(option, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in text and "alert" in text, text


def test_a_listener_may_ask_for_1_3(edge):
    assert "TLSv1.3, Cipher is" in edge.s_client(port=edge.strict_port)
    assert "alert protocol version" in edge.s_client("-tls1_2", port=edge.strict_port)


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256",
                                    "ECDHE-ECDSA-AES256-SHA",
                                    "ECDHE-ECDSA-AES256-SHA384"])
def test_ciphers_without_forward_secrecy_or_authenticated_encryption_are_refused(edge, cipher):
    text = edge.s_client("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "Cipher is (NONE)" in text, text


@pytest.mark.parametrize("asked, shown", [(PUBLIC_NAME, PUBLIC_NAME), (OTHER, OTHER),
                                          (None, PUBLIC_NAME), ("unknown.test", PUBLIC_NAME),
                                          (OTHER.upper(), OTHER)])
def test_the_certificate_is_chosen_by_sni_and_the_first_is_the_default(edge, asked, shown):
    assert re.search(rf"subject=.*CN ?= ?{re.escape(shown)}\b", edge.s_client(name=asked))


def test_a_request_for_another_certificates_name_is_misdirected(edge):
    with edge.client() as client:
        assert client.get("/", host=PUBLIC_NAME).status == 200
        assert client.get("/", host=OTHER).status == 421
    with edge.client(name=None) as client:  # without SNI nothing was promised
        assert client.get("/", host=OTHER).status == 200


@pytest.mark.parametrize("offered, spoken", [(("http/1.1",), "http/1.1"), (None, None),
                                             (("h2", "http/1.1"), "http/1.1")])
def test_alpn_is_http_1_1(edge, offered, spoken):
    with edge.client(context=trusting(edge.root, alpn=offered)) as client:
        assert client.stream.tls.selected_alpn_protocol() == spoken
        assert client.get("/").status == 200


def test_alpn_without_http_1_1_is_refused(edge):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        edge.client(context=trusting(edge.root, alpn=("h2",)))


def test_0_rtt_is_not_offered(edge):
    text = edge.s_client("-ign_eof", orders=b"GET / HTTP/1.1\r\nHost: " + PUBLIC_NAME.encode() +
                         b"\r\nConnection: close\r\n\r\n")
    assert set(re.findall(r"Max Early Data: (\d+)", text)) <= {"0"}
    assert "HTTP/1.1 200" in text


def test_one_ticket_is_given_a_handshake(edge):
    text = edge.s_client("-msg", "-ign_eof", orders=b"GET / HTTP/1.1\r\nHost: " +
                         PUBLIC_NAME.encode() + b"\r\nConnection: close\r\n\r\n")
    assert text.count("NewSessionTicket") == 1


def session_of(edge, context, name=PUBLIC_NAME, port=None):
    with edge.client(name, port, context) as client:
        assert client.get("/", host=name).status == 200
        return client.stream.tls.session


def is_resumed(edge, context, session, name=PUBLIC_NAME, port=None):
    connection = socket.create_connection((edge.address, port or edge.port), 10 * PATIENCE)
    with TlsStream(connection, context, server_hostname=name, session=session) as stream:
        return stream.tls.session_reused


def pinned_version(edge, version):
    context = trusting(edge.root)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_resumes_on_every_worker(edge, version):
    context = pinned_version(edge, version)
    session = session_of(edge, context)
    assert all(is_resumed(edge, context, session) for _ in range(24))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_does_not_resume_under_another_certificate_or_listener(edge, version):
    context = pinned_version(edge, version)
    context.check_hostname = False
    session = session_of(edge, context)
    assert not any(is_resumed(edge, context, session, name=OTHER) for _ in range(6))
    assert not any(is_resumed(edge, context, session, port=edge.second_port) for _ in range(6))
    assert is_resumed(edge, context, session)


def test_a_client_may_not_renegotiate(edge):
    process = Process(["openssl", "s_client", "-connect", f"{edge.address}:{edge.port}", "-tls1_2",
                       "-CAfile", edge.root, "-servername", PUBLIC_NAME],
                      edge.proxy.folder / "s_client.log", stdin=subprocess.PIPE)
    try:
        process.until_it_says("Verify return code")
        process.child.stdin.write(b"R\n")
        process.child.stdin.flush()
        process.until_it_says("RENEGOTIATING")
        # Refused: s_client ends with an error; "Verify return code" is not said again.
        until(lambda: not process.running, "the renegotiation went on")
        assert process.text().count("Verify return code") == 1
    finally:
        process.kill()


def test_plain_http_on_the_tls_port_ends_without_harm(edge):
    with Client((edge.address, edge.port)) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.rest()
    with edge.client() as client:
        assert client.get("/").status == 200


def test_a_handshake_that_stalls_meets_its_deadline(edge):
    before = len(edge.proxy.descriptors())
    with Client((edge.address, edge.port), timeout=20) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00")
        client.rest()  # the proxy ends it
    edge.proxy.until_descriptors(before)


# The published site


@pytest.fixture
def towards(folder, pki):
    """Starts a proxy whose rule verifies `site`, in front of a site with a given certificate."""
    with contextlib.ExitStack() as stack:
        def start(leaf, site=configuration.SITE, roots=None, to=(), **context):
            leaf.write(folder, "site")
            origin = stack.enter_context(Origin(answering(), leaf.server_context(**context)))
            address = own_address()
            port = free_port(address)
            proxy = stack.enter_context(Proxy(folder, configuration.configuration(
                [listener(address, https=port, certificates=[pki.public])],
                [allow(origin.port, site=site, to=to)], roots=roots or [pki.root])))
            return Curl((address, port), pki.root), proxy, origin
        yield start


def refused(curl, proxy, origin, sentence):
    answer = curl("/")
    assert answer.status == 502, answer
    for secret in (configuration.SITE, "certificate", "127.0.0.1", "fe1."):
        assert secret.encode() not in answer.body, "the page tells what is behind the proxy"
    assert not origin.requests, "a request left before the site was verified"
    until(lambda: sentence in proxy.log(), lambda: f"{sentence!r} is not in:\n{proxy.log()}")


def test_a_certificate_for_another_name_is_named_in_the_log(towards, pki):
    refused(*towards(pki.authority.issue("fe1.example.internal")),
            f"the certificate of {configuration.SITE} names [fe1.example.internal], not the site")


def test_a_root_that_is_not_trusted_is_named_in_the_log(towards):
    refused(*towards(Authority("OCS-ROOTCA").issue(configuration.SITE)),
            f'the certificate of {configuration.SITE} was issued by "OCS-ROOTCA", which is not in '
            "trusted_roots")


def test_an_expired_certificate_is_named_in_the_log_with_its_date(towards, pki):
    refused(*towards(pki.authority.issue(configuration.SITE, **certificates.expired())),
            f"the certificate of {configuration.SITE} expired on ")


def test_a_certificate_that_is_not_yet_valid_asks_for_the_clock(towards, pki):
    refused(*towards(pki.authority.issue(configuration.SITE, **certificates.not_yet_valid())),
            "is this machine's clock right?")


def test_a_common_name_counts_for_nothing(towards, pki):
    refused(*towards(pki.authority.issue(cn=configuration.SITE)), "no subject alternative names")


def test_a_site_of_old_tls_needs_legacy_and_gets_it_for_this_target_alone(towards, pki):
    old = {"maximum": ssl.TLSVersion.TLSv1, "minimum": ssl.TLSVersion.TLSv1}
    leaf = pki.authority.issue(configuration.SITE)
    leaf.context_level = 0
    refused(*towards(leaf, **old), "to.tls.legacy")


def test_a_legacy_target_reaches_a_site_of_tls_1_0(towards, pki):
    leaf = pki.authority.issue(configuration.SITE)
    leaf.context_level = 0
    curl, _, origin = towards(leaf, to={"tls": {"legacy": True, "minimum_version": "1.0"}},
                              maximum=ssl.TLSVersion.TLSv1, minimum=ssl.TLSVersion.TLSv1)
    assert curl("/").status == 200
    assert origin.connections[0].stream.tls.version() == "TLSv1"


def test_the_site_is_asked_for_by_its_name_and_offered_http_1_1(towards, pki):
    leaf = pki.authority.issue(configuration.SITE)
    curl, _, origin = towards(leaf)
    asked = []
    origin._context.sni_callback = lambda _, name, __: asked.append(name)
    assert curl("/").status == 200
    assert asked == [configuration.SITE]
    assert origin.connections[0].stream.tls.selected_alpn_protocol() == "http/1.1"


def test_a_session_with_the_site_is_resumed(towards, pki):
    curl, _, origin = towards(pki.authority.issue(configuration.SITE))
    for _ in range(8):
        assert curl("/").status == 200
        origin.close_connections()
        until(lambda: all(c.peer_left for c in origin.connections), "connections stay")
    assert any(connection.stream.tls.session_reused for connection in origin.connections)


# Starting


def fails_to_start(folder, settings, *sentences):
    proxy = Proxy(folder, settings).start(ready=False)
    try:
        assert proxy.process.wait() == 1
        for sentence in sentences:
            assert sentence in proxy.log(), f"{sentence!r} is not in:\n{proxy.log()}"
        proxy.assert_sound()
    finally:
        proxy.process.kill()


def plain(address, port, **more):
    return configuration.configuration([listener(address, http=port, **more)],
                                       [allow(1, bridging="http")])


@pytest.mark.root
@pytest.mark.parametrize("wildcard", [False, True])
def test_a_port_that_is_held_says_who_holds_it(folder, wildcard):
    address = own_address()
    port = free_port(address)
    (folder / "holder.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;"
        f"events {{}} http {{ access_log off; server {{"
        f" listen {'0.0.0.0' if wildcard else address}:{port}; }} }}")
    holder = Process(["nginx", "-p", folder, "-c", folder / "holder.conf"], folder / "holder.log")
    try:
        def holds():
            with socket.socket() as probe:
                return probe.connect_ex((address, port)) == 0
        until(holds, lambda: f"the holder does not listen: {holder.text()}")
        proxy = Proxy(folder, plain(address, port), privileged=True).start(ready=False)
        try:
            assert proxy.process.wait() == 1
            assert f"{address}:{port} is held by pid {holder.pid} (nginx)" in proxy.log()
            assert not wildcard or "0.0.0.0" in proxy.log()
        finally:
            proxy.process.kill()
    finally:
        holder.kill()


def test_an_address_on_no_nic_says_which_the_nics_have(folder):
    fails_to_start(folder, plain("192.0.2.77", 8080), "192.0.2.77", "lo 127.0.0.1")


def test_a_privileged_port_without_privilege_says_what_to_do(folder):
    fails_to_start(folder, plain(own_address(), 80), ":80", "root")


def test_a_key_of_another_certificate_is_refused_at_the_line_that_names_it(folder, pki):
    stranger = pki.authority.issue(PUBLIC_NAME).write(folder, "stranger")
    mixed = pki.authority.issue(PUBLIC_NAME).write(folder, "mixed")
    mixed.key_file = stranger.key_file
    for file in folder.glob("*.key"):
        file.chmod(0o644)
    address = own_address()
    settings = configuration.configuration(
        [listener(address, https=free_port(address), certificates=[mixed])], [allow(1)],
        roots=[pki.root])
    fails_to_start(folder, settings, "[certificate-key-mismatch]", "ocsproxy.yaml:")
