"""--check --live against faults that are really there, each beside a near miss without it."""
import base64
import email.utils
import hashlib
import ssl
import struct
import time

import pytest
from harness import configuration, lab_pool, nginx
from harness.addresses import free_port, own_address, refused_port
from harness.certificates import Authority, expired, not_yet_valid
from harness.configuration import PUBLIC_NAME, SITE, allow, listener
from harness.nameserver import NameServer
from harness.origin import Origin, answering
from harness.proxy import Proxy
from test_command_line import run


def live(conf, *words):
    """(exit status, output) of  --check --live."""
    status, out, err = run("--check", "--live", *words, conf)
    assert err == "", err
    return status, out


def write(folder, settings):
    conf = configuration.write(folder / "conf", settings).parent
    (conf / "log").mkdir(exist_ok=True)
    return conf


# --- ports ---

def clear(address, port):
    """A listener, and a rule whose site is named nowhere."""
    return configuration.configuration([listener(address, http=port)],
                                       [allow(9, bridging="http", delegation="none",
                                              enabled=False)])


@pytest.mark.root
def test_a_port_that_nginx_holds_is_an_error_with_its_pid(folder):
    address = own_address()
    with nginx.serving(folder, address=address) as port:
        status, out = live(write(folder, clear(address, port)))
    assert status == 1
    assert f"{address}:{port} is held by pid " in out and "(nginx) [cannot-listen]" in out, out


def test_a_free_port_is_said_to_be_free_and_left_free(folder):
    address = own_address()
    port = free_port(address)
    with nginx.serving(folder, address=address):  # which has another port
        status, out = live(write(folder, clear(address, port)))
        assert status == 0 and f"ok: {address}:{port} is free" in out, out
        with Proxy(folder, clear(address, port)):
            pass


@pytest.mark.root
def test_the_proxy_itself_may_hold_the_ports_of_its_configuration(folder):
    address = own_address()
    with Proxy(folder, clear(address, free_port(address))) as proxy:
        status, out = live(proxy.conf)
        assert status == 0 and "the ocsproxy that serves this configuration" in out, out
        status, out = proxy.check("--live")
        # Whose memory is private shows its descriptors to root alone, and that is said.
        assert status == 1 and "(only root can see which: sudo ss " in out, out


def test_a_proxy_with_another_configuration_is_in_the_way(folder):
    address = own_address()
    settings = clear(address, free_port(address))
    (folder / "other").mkdir()
    with Proxy(folder / "other", settings):
        status, out = live(write(folder, settings))
    assert status == 1 and "(ocsproxy) [cannot-listen]" in out, out


# --- the kernel ---

def test_what_the_kernel_does_for_tls_is_said_where_it_is_wanted(folder):
    address = own_address()
    settings = clear(address, free_port(address))
    said = ("ok: kernel TLS: ", "[kernel-tls-missing]")
    status, out = live(write(folder, {**settings, "kernel_tls": True}))
    assert status == 0 and sum(text in out for text in said) == 1, out
    status, out = live(write(folder, settings))
    assert status == 0 and not any(text in out for text in said), out


# --- sites ---

class Edge:
    """A listener with TLS, and a rule to a site on loopback."""

    def __init__(self, folder, pki):
        self.folder, self.pki = folder, pki
        self.address = own_address()

    def said(self, site, *, address="127.0.0.1", name="Site", port=None, http=None, **more):
        plain = {} if http is None else {"http": {"port": http, "redirect": "https"}}
        settings = configuration.configuration(
            [listener(self.address, https=port or free_port(self.address), **plain,
                      certificates=[self.pki.public])],
            [allow(site, name, address=address, **more)], roots=[self.pki.root])
        with NameServer(own_address(), {PUBLIC_NAME: self.address}) as names:
            return live(write(self.folder, settings), "--resolver", names.address)

    def with_certificate(self, leaf):
        leaf.write(self.folder, "site")
        with Origin(answering(), leaf.server_context()) as origin:
            return self.said(origin.port)


@pytest.fixture(name="edge")
def fixture_edge(folder, pki):
    return Edge(folder, pki)


@pytest.mark.root
def test_a_site_with_the_right_certificate_is_well(edge):
    status, out = edge.with_certificate(edge.pki.authority.issue(configuration.SITE))
    assert status == 0 and "proves to be the site" in out, out
    assert "0 errors, 0 warnings" in out


@pytest.mark.root
@pytest.mark.parametrize("leaf, says", [
    (lambda ours: Authority("OCS-ROOTCA").issue(SITE),
     'was issued by "OCS-ROOTCA", which is not in trusted_roots; add that root'),
    (lambda ours: ours.issue("fe1.example.internal"),
     "names [fe1.example.internal], not the site; write one of them as `site`"),
    (lambda ours: ours.issue(SITE, **expired()), "expired on 20"),
    (lambda ours: ours.issue(SITE, **not_yet_valid()), "is this machine's clock right?"),
], ids=["missing root", "wrong name", "expired", "not yet valid"])
def test_a_certificate_that_is_not_accepted_is_an_error_that_says_why(edge, leaf, says):
    status, out = edge.with_certificate(leaf(edge.pki.authority))
    assert status == 1 and says in out and "[site-untrusted]" in out, out


@pytest.mark.root
def test_a_site_that_sends_its_root_is_told_with_the_fingerprint_of_it(edge):
    stranger = Authority("OCS-ROOTCA")
    leaf = stranger.issue(SITE)
    leaf.chain += stranger.pem
    _, out = edge.with_certificate(leaf)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(stranger.pem)).hexdigest()
    assert f"add that root (SHA-256 {digest})" in out, out


@pytest.mark.root
def test_a_site_that_does_not_listen_and_one_that_speaks_no_tls_are_told_apart(edge):
    keeper, port = refused_port("127.0.0.1")
    with keeper:
        status, out = edge.said(port)
    assert status == 1 and "[site-unreachable]" in out and f"(127.0.0.1:{port})" in out, out
    with Origin(lambda connection: connection.send("HTTP/1.1 400 Bad Request\r\n\r\n")) as plain:
        status, out = edge.said(plain.port)
    assert status == 1 and "[site-handshake]" in out and "plain HTTP" in out, out


@pytest.mark.root
def test_a_black_holed_site_costs_its_connect_deadline(edge):
    with Origin(None, accept=False) as silent:  # the kernel accepts, nobody answers
        status, out = edge.said(silent.port, timeouts={"connect": "1s"})
    assert status == 1 and "did not answer within 1s (timeouts.connect) [site-unreachable]" in out, out


@pytest.mark.root
@pytest.mark.parametrize("minutes, says", [(-7, "behind this machine's"), (9, "ahead of this machine's"),
                                           (-2, None), (2, None)])
def test_a_clock_that_differs_by_minutes_is_a_warning(edge, minutes, says):
    date = email.utils.formatdate(time.time() + 60 * minutes, usegmt=True)
    with Origin(answering(lambda connection, _: connection.respond(fields=[f"Date: {date}"]))) as site:
        status, out = edge.said(site.port, bridging="http", delegation="none")
    assert status == 0 and ("[clock-skew]" in out) == bool(says), out
    assert (says or "agrees with this machine's") in out


@pytest.mark.root
@pytest.mark.parametrize("path, asked, status_line, code", [
    ("/x/file", "/x/file", "500 Internal Server Error", "[site-fails]"),
    ("/x/file", "/x/file", "404 Not Found", "[directory-missing]"),
    ("/x/*", "/x/", "404 Not Found", "[directory-missing]"),
    ("/*", "/", "404 Not Found", None),
    ("/etc/place/null/*", "/etc/place/null/", "404 Not Found", None),  # without a meeting's token
    ("/x/*", "/x/", "200 OK", None),
    ("/x/*", "/x/", "403 Forbidden", None)])
def test_a_published_directory_is_asked_for(edge, path, asked, status_line, code):
    with Origin(answering(lambda connection, _: connection.respond(status=status_line))) as site:
        status, out = edge.said(site.port, bridging="http", delegation="none", paths=[path])
        assert [request.target for request in site.requests] == [asked]
    assert status == 0 and f"https://{PUBLIC_NAME}" in out and f"{asked} answers {status_line[:3]}" in out
    for one in ("[site-fails]", "[directory-missing]"):
        assert (one in out) == (one == code), out


REDIRECTS = ("[redirect-internal]", "[redirect-loop]", "[redirect-refused]", "[redirect-unencrypted]")


@pytest.mark.root
@pytest.mark.parametrize("location, cookie, code, says", [
    # Of its own name, as it would of the public one, and of no name at all.
    (f"http://{SITE}/owa/", "", None, "/ answers 302"),
    ("https://{public}/owa/", "", None, "/ answers 302"),
    ("/owa/auth.aspx", "", None, "/ answers 302"),
    ("logon.aspx", "", None, "/ answers 302"),
    (f"http://{PUBLIC_NAME}/owa/", "", "[redirect-unencrypted]", "out of TLS"),
    ("https://{public}/", "", "[redirect-loop]", "without end"),
    ("/", "", "[redirect-loop]", "Front-End-Https"),
    ("/", "Set-Cookie: seen=1", None, "/ answers 302"),
    ("/ecp/", "", "[redirect-refused]", "which no rule allows"),
    (f"https://{SITE}/ecp/", "", "[redirect-refused]", "add its path to the rule"),
    (f"https://{PUBLIC_NAME}:1/owa/", "", "[redirect-refused]", "where no listener serves"),
    ("https://mbx1/owa/", "", "[redirect-internal]", "sends clients to https://mbx1/owa/"),
    ("https://mbx1.example.internal/owa/", "", "[redirect-internal]", "which is no public name"),
    ("https://192.0.2.9/owa/", "", "[redirect-internal]", "original_host: true"),
    ("https://login.example.com/", "", None, "/ answers 302"),  # somebody else's, outside
    ("mailto:admin@example.test", "", None, "/ answers 302")])
def test_where_a_site_sends_clients_is_followed_to_what_they_would_get(edge, location, cookie, code, says):
    port = free_port(edge.address)

    def answer(connection, request):
        if request.target != "/":
            connection.respond()
            return
        to = location.replace("{public}", f"{PUBLIC_NAME}:{port}")
        connection.respond(status="302 Found", fields=[f"Location: {to}", *filter(None, [cookie])])
    with Origin(answering(answer)) as site:
        status, out = edge.said(site.port, port=port, bridging="http", delegation="none",
                                paths=["/", "/owa/*"])
    assert status == 0 and says in out, out
    assert [one for one in REDIRECTS if one in out] == [one for one in [code] if one], out


@pytest.mark.root
def test_a_location_that_is_no_redirect_is_not_followed(edge):
    answer = answering(lambda connection, _: connection.respond(
        status="201 Created", fields=["Location: https://mbx1/owa/7"]))
    with Origin(answer) as site:
        status, out = edge.said(site.port, bridging="http", delegation="none")
    assert status == 0 and not [one for one in REDIRECTS if one in out], out


@pytest.mark.root
def test_a_redirect_to_a_listener_that_redirects_to_https_leads_to_where_it_should(edge):
    port = free_port(edge.address)
    http = free_port(edge.address)

    def answer(connection, _):
        connection.respond(status="302 Found", fields=[f"Location: http://{PUBLIC_NAME}:{http}/owa/"])
    with Origin(answering(answer)) as site:
        status, out = edge.said(site.port, port=port, http=http, bridging="http", delegation="none")
    assert status == 0 and not [one for one in REDIRECTS if one in out], out


@pytest.mark.root
def test_a_site_that_is_silent_is_asked_once(edge):
    def silent(connection):
        while connection.read_head():
            pass
    with Origin(silent) as site:
        status, out = edge.said(site.port, bridging="http", delegation="none",
                                paths=["/a/*", "/b/*", "/c/*", "/d/*"])
        assert len(site.requests) == 1
    assert status == 0 and "/a/ gets no answer" in out and out.count("[site-fails]") == 1, out


@pytest.mark.root
def test_a_site_that_ends_without_an_answer_is_a_warning(edge):
    with Origin(lambda connection: connection.read_head()) as site:
        status, out = edge.said(site.port, bridging="http", delegation="none")
    assert status == 0 and "gets no answer" in out and "[site-fails]" in out, out


# --- Office Communications Server, and logins ---

@pytest.mark.root
def test_a_pool_as_it_should_be_is_well(edge):
    with lab_pool.serving(edge.folder, edge.pki.pool) as pool:
        status, out = edge.said(pool.port, name="OCS")
    assert status == 0 and "0 errors, 0 warnings" in out, out
    for path in ("/ABS/Ext/Handler answers 401", "/GroupExpansion/Ext/service.asmx answers 401",
                 "/Conf/Ext/Tshoot.html answers 200"):
        assert path in out
    assert 'refuses a login as "ocsproxy-check" with 401, on one connection: NTLM can work' in out


@pytest.mark.root
def test_the_directories_that_ocs_documents_are_not_missing_where_its_services_below_answer(edge):
    documented = [f"/{name}/*" for name in (
        "ABS/Ext", "GroupExpansion/Ext", "Conf/Ext", "etc/place/null", "PhoneConferencing/Ext",
        "AutoUpdate/Ext", "DeviceUpdateFiles_Ext", "RequestHandlerExt")]
    with lab_pool.serving(edge.folder, edge.pki.pool) as pool:
        status, out = edge.said(pool.port, name="OCS", paths=documented)
    assert status == 0 and "[directory-" not in out, out
    assert "/RequestHandlerExt/ucdevice.upx answers 405, as OCS does" in out
    assert "/RequestHandlerExt/ answers" not in out and "/AutoUpdate/Ext/ answers" in out


@pytest.mark.root
def test_a_directory_that_is_open_to_anybody_is_not_as_ocs_has_it(edge):
    with Origin(answering()) as site:
        status, out = edge.said(site.port, name="OCS", bridging="http", delegation="none")
    assert status == 0 and "/ABS/Ext/Handler answers 200, and OCS answers 401" in out, out
    assert "[directory-unlike-ocs]" in out and "switch anonymous access off" in out


@pytest.mark.root
@pytest.mark.parametrize("how", ["close-between-legs", "close-after-401"])
def test_a_pool_that_closes_between_the_legs_of_ntlm_is_an_error(edge, how):
    with lab_pool.serving(edge.folder, edge.pki.pool, "--misbehave", f"how={how}") as pool:
        status, out = edge.said(pool.port, name="OCS")
    assert status == 1 and "[ntlm-closed]" in out and "/ABS/Ext/Handler ends the connection" in out, out


def challenge(computer):
    """A second message of NTLM, from this computer."""
    name = computer.encode("utf-16-le")
    info = struct.pack("<HH", 1, len(name)) + name + bytes(4)
    message = (b"NTLMSSP\0" + struct.pack("<I", 2) + bytes(8) + struct.pack("<I", 0xA2888205) +
               b"\1" * 8 + bytes(8) + struct.pack("<HHI", len(info), len(info), 48) + info)
    return base64.b64encode(message).decode()


def login(challengers, last="401 Unauthorized", last_fields=("WWW-Authenticate: NTLM",)):
    """Answers first messages of NTLM from one of `challengers` after the other."""
    turn = iter(challengers)

    def answer(connection, request):
        given = request.get("authorization", "")
        if not given:
            return connection.respond(status="401 Unauthorized", fields=["WWW-Authenticate: NTLM"])
        if base64.b64decode(given.removeprefix("NTLM "))[8] == 3:
            return connection.respond(status=last, fields=last_fields)
        computer = next(turn)
        offer = f"NTLM {challenge(computer)}" if computer else "NTLM"
        return connection.respond(status="401 Unauthorized", fields=[f"WWW-Authenticate: {offer}"])
    return Origin(answering(answer))


@pytest.mark.root
@pytest.mark.parametrize("answers, code, says", [
    ((("FE1", "FE1"),), None, "NTLM can work"),
    ((("FE1", "FE2"),), "[ntlm-spread]", 'to "FE1" and to "FE2"'),
    ((("FE1", "FE1"), "401 Unauthorized", [f"WWW-Authenticate: NTLM {challenge('FE1')}"]),
     "[ntlm-spread]", "with a new challenge"),
    ((("FE1", "FE1"), "400 Bad Request", ()), "[ntlm-spread]", "the last message with 400"),
    (((None,),), "[ntlm-without-challenge]", "401 and no challenge"),
    ((("FE1", None),), "[ntlm-without-challenge]", "401 and no challenge"),
], ids=["well", "two servers", "a new challenge", "bad request", "no challenge", "none again"])
def test_what_stands_in_the_way_of_a_login_is_told_apart(edge, answers, code, says):
    with login(*answers) as site:
        status, out = edge.said(site.port, bridging="http")
    assert status == (1 if code else 0) and says in out, out
    for one in ("[ntlm-spread]", "[ntlm-without-challenge]", "[ntlm-closed]"):
        assert (one in out) == (one == code), out


# --- how it is called ---

@pytest.mark.parametrize("words, says", [
    (("--live", "conf"), "--live has no meaning here: it belongs to --check"),
    (("--check", "--resolver", "127.0.0.1", "conf"), "add  --live"),
    (("--check", "--live", "--resolver", "dns.example", "conf"),
     '--resolver wants the IP address of a name server, perhaps with a port, not "dns.example"'),
    (("--check", "--live", "--resolver", "127.0.0.1:99999", "conf"), "wants the IP address"),
    (("--check", "--live", "--local-address", "192.0.2.1", "conf"), "tries this machine"),
])
def test_a_wrong_option_ends_with_2_and_one_sentence(words, says):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert says in err and err.count("\n") == 2  # and where to find help


def test_nothing_is_tried_while_the_configuration_has_errors(folder):
    (folder / "a.yaml").write_text("listners: []\n")
    status, out, err = run("--check", "--live", folder)
    assert status == 1 and "[unknown-key]" in out and "nothing was tried" in err
