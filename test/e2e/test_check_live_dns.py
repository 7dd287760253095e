"""--check --live against what a name server of the test's own says."""
import pytest
from harness import configuration
from harness.addresses import free_port, own_address, refused_port
from harness.configuration import PUBLIC_NAME, SITE, allow, listener
from harness.nameserver import NameServer
from harness.origin import Origin, answering
from test_check_live import clear, live, write


# --- the names of rules ---

class Names:
    """A configuration with a running site, and what  --check --live  says when DNS says so."""

    def __init__(self, folder):
        self.folder, self.address = folder, own_address()
        self.rule = {}

    def said(self, addresses, listener_address=None, **more):
        listening = listener_address or self.address
        with Origin(answering()) as site, NameServer(own_address(), addresses) as names:
            rule = {**allow(site.port, bridging="http", delegation="none"), **more}
            if "to" in more:
                rule["to"] = {"port": site.port, **more["to"]}
            settings = configuration.configuration(
                [listener(listening, http=free_port(self.address), freebind=True)], [rule],
                networks={"External": ["127.0.0.0/8", "203.0.113.0/24"]})
            return live(write(self.folder, settings), "--resolver", names.address)


@pytest.fixture(name="names")
def fixture_names(folder):
    return Names(folder)


@pytest.mark.root
def test_a_public_name_that_is_the_listener_is_well(names):
    status, out = names.said({PUBLIC_NAME: names.address})
    assert status == 0 and f"ok: {PUBLIC_NAME} is {names.address} in DNS" in out, out
    assert "[public-name" not in out


@pytest.mark.root
def test_split_dns_that_leads_a_public_name_to_the_site_is_a_note(names):
    status, out = names.said({PUBLIC_NAME: "127.0.0.1"})
    assert status == 0 and "[public-name-is-site]" in out and "127.0.0.1" in out, out


@pytest.mark.root
def test_a_public_name_with_another_address_is_a_note(names):
    status, out = names.said({PUBLIC_NAME: "198.51.100.9"})
    assert status == 0 and "is 198.51.100.9 in DNS, and the listener" in out, out
    assert "[public-name-elsewhere]" in out


@pytest.mark.root
def test_a_public_name_that_nobody_can_find_is_a_warning_unless_the_listener_is_on_loopback(names):
    status, out = names.said({}, listener_address="203.0.113.10")
    assert status == 0 and f"{PUBLIC_NAME} has no address (NXDOMAIN" in out, out
    assert "[public-name-unresolved]" in out
    assert "[public-name-unresolved]" not in names.said({})[1]


@pytest.mark.root
def test_a_site_that_dns_has_elsewhere_is_a_note_with_both_addresses(names):
    _, out = names.said({SITE: "127.0.0.9"})
    assert "is 127.0.0.9 in DNS, and the rule goes to 127.0.0.1 [site-elsewhere]" in out, out
    _, out = names.said({SITE: "127.0.0.1"})
    assert f"ok: {SITE} is 127.0.0.1 in DNS, as in the rule" in out, out
    assert "[site-elsewhere]" not in names.said({})[1]


@pytest.mark.root
def test_a_site_known_by_its_name_alone_has_to_be_in_dns(names):
    status, out = names.said({}, to={"site": SITE})
    assert status == 1 and "[site-unresolved]" in out and "NXDOMAIN" in out, out
    status, out = names.said({SITE: "127.0.0.1"}, to={"site": SITE})
    assert status == 0 and f"ok: {SITE} (127.0.0.1:" in out, out


@pytest.mark.root
def test_a_name_server_that_is_silent_costs_one_deadline(names):
    status, out = names.said({SITE: None, PUBLIC_NAME: None}, to={"site": SITE})
    assert status == 1 and "no answer from" in out and "[site-unresolved]" in out, out


@pytest.mark.root
def test_a_site_whose_name_leads_back_to_our_listener_is_a_loop(folder):
    address = own_address()
    port = free_port(address)
    rule = allow(port, bridging="http", delegation="none")
    del rule["to"]["address"]
    conf = write(folder, configuration.configuration([listener(address, http=port)], [rule]))
    with NameServer(own_address(), {SITE: address}) as names:
        status, out = live(conf, "--resolver", names.address)
    assert status == 0 and "[target-is-listener]" in out, out
    assert f"port {port} of {address}" in out


# --- what DNS must have besides ---

SERVICE = "_sip._tls.example.test"
SERVER = "sip.example.test"


def records(folder, pki, entries, *, addresses=(), services=()):
    """What is said of `dns: entries`, on a configuration that has nothing else to find."""
    address = own_address()
    settings = {**clear(address, free_port(address)), "dns": entries,
                "trusted_roots": [str(pki.root)]}
    with NameServer(own_address(), addresses, services=services) as names:
        return live(write(folder, settings), "--resolver", names.address)


def with_server(folder, pki, entry, leaf, server=SERVER):
    """The same with an SRV record that leads to a TLS server with this certificate."""
    leaf.write(folder, "sip")
    with Origin(lambda connection: None, leaf.server_context()) as origin:
        entry = {"srv": SERVICE, "port": origin.port, **entry}
        return records(folder, pki, [entry], addresses={server: "127.0.0.1"},
                       services={SERVICE: (server, origin.port)})


DNS_CODES = ("[dns-record-missing]", "[dns-record-differs]", "[dns-target-outside]",
             "[dns-target-untrusted]")


def only(code, out):
    assert [one for one in DNS_CODES if one in out] == ([code] if code else []), out


@pytest.mark.root
def test_a_service_record_that_leads_to_a_server_of_that_name_is_well(folder, pki):
    status, out = with_server(folder, pki, {"target": SERVER}, pki.authority.issue(SERVER))
    assert status == 0 and f"ok: {SERVICE} leads to {SERVER}:" in out, out
    assert "whose certificate is for that name" in out
    only(None, out)


@pytest.mark.root
def test_a_service_record_that_dns_lacks_is_a_warning(folder, pki):
    status, out = records(folder, pki, [{"srv": SERVICE}])
    assert status == 0 and f"there is no SRV record {SERVICE} at 127." in out, out
    only("[dns-record-missing]", out)


@pytest.mark.root
def test_a_service_record_whose_target_has_no_address_is_a_warning(folder, pki):
    _, out = records(folder, pki, [{"srv": SERVICE}], services={SERVICE: (SERVER, 443)})
    assert f"{SERVER} has no address (NXDOMAIN" in out
    only("[dns-record-missing]", out)


@pytest.mark.root
@pytest.mark.parametrize("entry, says", [({"target": "edge.example.test"}, "not to edge.example.test"),
                                         ({"port": 1}, "not to port 1")])
def test_a_service_record_that_leads_elsewhere_is_a_warning(folder, pki, entry, says):
    _, out = with_server(folder, pki, entry, pki.authority.issue(SERVER))
    assert says in out, out
    only("[dns-record-differs]", out)


@pytest.mark.root
@pytest.mark.parametrize("server", ["pool.example.internal", "sip.notexample.test", "sip.example.test.example"])
def test_a_service_record_that_leads_out_of_its_domain_is_a_warning(folder, pki, server):
    _, out = with_server(folder, pki, {}, pki.authority.issue(server), server)
    assert "which is not in example.test" in out, out
    only("[dns-target-outside]", out)


@pytest.mark.root
def test_a_server_whose_certificate_lacks_the_name_of_the_record_is_a_warning(folder, pki):
    status, out = with_server(folder, pki, {}, pki.authority.issue("ap.example.test"))
    assert status == 0 and "names [ap.example.test], not the site" in out, out
    only("[dns-target-untrusted]", out)


@pytest.mark.root
def test_a_server_that_cannot_be_reached_from_here_is_no_fault(folder, pki):
    keeper, port = refused_port("127.0.0.1")
    with keeper:
        _, out = records(folder, pki, [{"srv": SERVICE}], addresses={SERVER: "127.0.0.1"},
                         services={SERVICE: (SERVER, port)})
    assert "could not be asked for its certificate (refused)" in out, out
    only(None, out)


@pytest.mark.root
@pytest.mark.parametrize("found, wanted, code", [
    ("192.0.2.1", ["192.0.2.1"], None), ("192.0.2.1", None, None),
    ("192.0.2.1", ["192.0.2.2"], "[dns-record-differs]"),
    ("192.0.2.1", ["192.0.2.1", "192.0.2.2"], "[dns-record-differs]"),
    ("", ["192.0.2.1"], "[dns-record-missing]")])
def test_the_addresses_of_a_name_are_those_of_the_entry(folder, pki, found, wanted, code):
    entry = {"host": SERVER, **({"addresses": wanted} if wanted else {})}
    status, out = records(folder, pki, [entry], addresses={SERVER: found})
    assert status == 0
    only(code, out)
