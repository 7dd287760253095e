"""--check --live among programs that others wrote: two name servers that disagree, another time."""
import subprocess

import pytest
from harness import configuration, dnsmasq
from harness.addresses import free_port, own_address
from harness.configuration import PUBLIC_NAME, SITE, allow, listener
from harness.origin import Origin, answering
from harness.proxy import binary
from test_check_live import Edge, live, write


@pytest.mark.root
def test_split_dns_is_told_by_asking_each_side(folder):
    """The Internet is led to the listener, the company to the site itself."""
    address, inside = own_address(), own_address()
    service = f"_sip._tls.{PUBLIC_NAME}"
    with Origin(answering()) as site:
        conf = write(folder, configuration.configuration(
            [listener(address, http=free_port(address))],
            [allow(site.port, bridging="http", delegation="none", address=inside)],
            dns=[{"srv": service, "target": PUBLIC_NAME, "port": 443}]))
        services = [(service, PUBLIC_NAME, 443)]
        with dnsmasq.serving(folder / "outside", {PUBLIC_NAME: address}, services) as resolver:
            _, out = live(conf, "--resolver", resolver)
            assert f"ok: {PUBLIC_NAME} is {address} in DNS" in out, out
            assert "[public-name" not in out and "[dns-record" not in out, out
        with dnsmasq.serving(folder / "inside", {PUBLIC_NAME: inside, SITE: inside}) as resolver:
            _, out = live(conf, "--resolver", resolver)
            assert "[public-name-is-site]" in out and inside in out, out
            assert service in out and "[dns-record-missing]" in out, out


@pytest.mark.optimised  # two libraries that want to be loaded first
@pytest.mark.root
@pytest.mark.parametrize("days, code, says", [
    (0, None, "proves to be the site"),
    (4000, "[site-untrusted]", "expired on 20"),
    (-4000, "[site-untrusted]", "is this machine's clock right?"),
])
def test_a_certificate_is_judged_by_the_time_of_this_machine(folder, pki, days, code, says):
    edge = Edge(folder, pki)
    leaf = pki.authority.issue(SITE).write(folder, "site")
    with Origin(answering(), leaf.server_context()) as site:
        conf = write(folder, configuration.configuration(
            [listener(edge.address, https=free_port(edge.address), certificates=[pki.public])],
            [allow(site.port)], roots=[pki.root]))
        with dnsmasq.serving(folder / "dns", {PUBLIC_NAME: edge.address}) as resolver:
            done = subprocess.run(
                ["faketime", "-f", f"{days:+}d", binary(), "--check", "--live", "--resolver",
                 resolver, str(conf)], capture_output=True, text=True, timeout=60, check=False)
    assert says in done.stdout, done.stdout + done.stderr
    assert code is None or code in done.stdout, done.stdout
