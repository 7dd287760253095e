"""testssl and sslscan against a listener as it comes: neither finds anything to complain about."""
import contextlib
import json
import subprocess
import xml.etree.ElementTree

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.origin import Origin, answering
from harness.process import Process
from harness.proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.scanners]
# What testssl says of the authority of this test, of its asking for an address, and of itself.
OF_THE_TEST = {"cert_trust", "cert_chain_of_trust", "cert_revocation", "DNS_CAArecord", "engine_problem"}
HARMLESS = {"OK", "INFO"}
# testssl gives s_client an input that ends at once, so that it closes, often before a ticket can have come, and
# says "connect problem" of the connection that lacks it. This one's input ends when the ticket is there.
PATIENT_OPENSSL = """#!/bin/bash
for argument; do [ "$before" = -sess_out ] && session=$argument; before=$argument; done
[ -z "$session" ] && exec openssl "$@"
set -o pipefail
for _ in {1..100}; do [ -s "$session" ] && break; sleep 0.05; done | openssl "$@"
"""


@pytest.fixture(name="edge", scope="module")
def fixture_edge(module_folder, pki):
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(Origin(answering()))
        address = own_address(), free_port(own_address())
        stack.enter_context(Proxy(module_folder, configuration.configuration(
            [listener(address[0], https=address[1], certificates=[pki.public])],
            [allow(site.port, bridging="http")], roots=[pki.root])))
        yield address


def test_testssl_finds_nothing(edge, folder):
    report = folder / "testssl.json"
    openssl = folder / "openssl"
    openssl.write_text(PATIENT_OPENSSL)
    openssl.chmod(0o755)
    scan = Process(["testssl", "--quiet", "--openssl", openssl, "--warnings", "off", "--color", "0", "--ip", "one", "-p", "-s",
                    "-S", "-f", "-U", "--jsonfile", report, f"https://{edge[0]}:{edge[1]}"],
                   folder / "testssl.log", environment={"TERM": "dumb"})
    try:
        scan.wait(300)
    finally:
        scan.kill()
    found = json.loads(report.read_text())
    assert {"supported"} == {one["finding"] for one in found if one["id"] == "sessionresumption_ticket"}
    assert {one["id"] for one in found} >= {"TLS1", "TLS1_3", "heartbleed", "CRIME_TLS", "secure_renego"}
    wrong = [one for one in found if one["severity"] not in HARMLESS
             and one["id"].split(" ")[0] not in OF_THE_TEST]
    assert not wrong, "\n".join(f"{one['id']} {one['severity']}: {one['finding']}" for one in wrong)


def test_sslscan_finds_no_old_protocol_and_no_weak_cipher(edge, folder):
    report = folder / "sslscan.xml"
    subprocess.run(["sslscan", f"--xml={report}", "--no-colour", f"--sni-name={PUBLIC_NAME}",
                    f"{edge[0]}:{edge[1]}"], check=True, timeout=300, stdout=subprocess.DEVNULL)
    test = xml.etree.ElementTree.parse(report).getroot().find("ssltest")
    enabled = {(one.get("type"), one.get("version")) for one in test.findall("protocol")
               if one.get("enabled") == "1"}
    assert enabled == {("tls", "1.2"), ("tls", "1.3")}
    ciphers = {one.get("cipher") for one in test.findall("cipher")}
    assert ciphers
    weak = [name for name in ciphers if not name.startswith(("TLS_", "ECDHE-"))
            or not any(aead in name for aead in ("GCM", "CHACHA20"))]
    assert not weak
    assert test.find("renegotiation").get("supported") == "0"
    assert all(one.get("vulnerable") == "0" for one in test.findall("heartbleed"))
