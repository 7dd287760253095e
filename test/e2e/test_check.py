"""--check as scripts and code review tools call it."""
import json
import shutil
import subprocess

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.configuration import allow, listener
from harness.process import Process
from harness.proxy import REPOSITORY, binary
from harness.waiting import until
from test_command_line import run

BROKEN = "listners: []\n"


@pytest.fixture(name="good")
def fixture_good(folder):
    address = own_address()
    return configuration.write(folder / "conf", configuration.configuration(
        [listener(address, http=free_port(address))],
        [allow(9, bridging="http", delegation="none")])).parent


@pytest.fixture(name="warned")
def fixture_warned(folder):
    address = own_address()
    return configuration.write(folder / "conf", configuration.configuration(
        [listener(address, http=free_port(address))],
        [allow(9, bridging="http", delegation="none", methods=["get", "GET"])])).parent


def test_json_names_code_place_and_mend(folder):
    (folder / "a.yaml").write_text(BROKEN)
    status, out, err = run("--check", "--format", "json", folder)
    report = json.loads(out)
    assert (status, err) == (1, "")
    assert report["errors"] == len([one for one in report["findings"] if one["severity"] == "error"])
    unknown, = (one for one in report["findings"] if one["code"] == "unknown-key")
    assert (unknown["line"], unknown["column"]) == (1, 1)
    assert unknown["file"].endswith("/a.yaml") and "listeners" in unknown["mend"]


def test_sarif_results_refer_to_rules_that_it_has(folder):
    (folder / "a.yaml").write_text(BROKEN)
    status, out, _ = run("--check", "--format=sarif", folder)
    log = json.loads(out)
    assert status == 1 and log["version"] == "2.1.0"
    driver = log["runs"][0]["tool"]["driver"]
    results = log["runs"][0]["results"]
    assert results
    for result in results:
        rule = driver["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert result["level"] == rule["defaultConfiguration"]["level"]
        assert rule["shortDescription"]["text"] and rule["help"]["text"]


def test_warnings_fail_only_when_strict(warned):
    assert run("--check", warned)[0] == 0
    status, out, _ = run("--check", "--strict", warned)
    assert status == 1 and "[method-in-lower-case]" in out
    assert "0 errors, 1 warning," in out


def test_strict_is_content_with_what_has_no_warning(good):
    status, out, _ = run("--check", "--strict", good)
    assert status == 0, out


@pytest.mark.parametrize("words, says", [
    (("--check", "--format", "xml", "conf"), 'is text, json, sarif or html, not "xml"'),
    (("--check", "--format"), "--format wants text, json, sarif or html behind it"),
    (("--check", "--strict=yes", "conf"), "--strict takes no value"),
    (("--strict", "conf"), "--strict has no meaning here: it belongs to --check"),
    (("--check", "--user", "nobody", "conf"), "--user has no meaning here: it belongs to serving"),
    (("--check", "--sarif", "conf"), "there is no option --sarif"),
])
def test_a_wrong_option_ends_with_2_and_one_sentence(words, says):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert says in err


def test_what_is_shipped_has_no_error_and_no_warning_once_the_lab_has_made_its_certificates(folder):
    address = own_address()
    conf = folder / "conf"
    shutil.copytree(REPOSITORY / "conf", conf, ignore=shutil.ignore_patterns("certs", "log"))
    for file in conf.iterdir():
        text = file.read_text().replace("127.0.0.1", address)
        for port in (8080, 8443, 9443):
            text = text.replace(f"port: {port}", f"port: {free_port(address)}")
        file.write_text(text)
    (conf / "log").mkdir()
    lab = Process([binary(), "--lab", conf], folder / "lab.log", cwd="/")
    try:
        until(lambda: ": generation " in lab.text(), lambda: f"no lab:\n{lab.text()}", 30)
        status, out, _ = run("--check", "--strict", conf)
        assert status == 0, out
        assert "0 errors, 0 warnings" in out
        nobody = f"{address}:{free_port(address)}"  # such a lab needs no DNS
        status, out, _ = run("--check", "--live", "--strict", "--resolver", nobody, conf)
        assert status == 0 and "0 errors, 0 warnings" in out, out
        assert "NTLM can work" in out and "the ocsproxy that serves this configuration" in out
    finally:
        lab.terminate()


@pytest.mark.root
def test_an_account_that_may_not_read_a_key_gets_a_note(folder, pki):
    address = own_address()
    leaf = pki.authority.issue(configuration.PUBLIC_NAME).write(folder, "secret")
    leaf.chain_file.chmod(0o644)
    leaf.key_file.chmod(0o600)
    conf = configuration.write(folder / "conf", configuration.configuration(
        [listener(address, https=free_port(address), certificates=[leaf])],
        [allow(9)], roots=[pki.root])).parent
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    done = subprocess.run([*as_nobody, binary(), "--check", conf], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "note: this account may not read" in done.stdout and "0 errors, 0 warnings" in done.stdout


def test_another_machines_addresses_can_be_given(folder):
    conf = configuration.write(folder / "conf", configuration.configuration(
        [listener("203.0.113.10", http=8080)],
        [allow(9, bridging="http", delegation="none")])).parent
    assert "[address-on-no-nic]" in run("--check", conf)[1]
    status, out, _ = run("--check", "--strict", "--local-address", "203.0.113.10", conf)
    assert status == 0 and "[address-on-no-nic]" not in out, out
