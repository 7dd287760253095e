"""--diff: each difference that it tells of, shown by the two proxies themselves."""
import json
import subprocess

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client
from harness.configuration import allow, deny
from harness.echo_site import EchoSite
from harness.proxy import Proxy, binary


def diff(old, new, *words):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([binary(), "--diff", *words, str(old), str(new)], capture_output=True,
                          text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def settings(address, port, rules):
    """Everybody on loopback is of one network, and nobody else is served."""
    return configuration.configuration(
        [configuration.listener(address, http=port, networks=["Lab"])], rules,
        networks={"Lab": ["127.0.0.0/8"]})


def publish(site, name, **more):
    return allow(site.port, name, **{"from": ["Lab"], "bridging": "http", **more})


def rules_of(site):
    return [
        deny("/abs/int/*", "/secret", name="Closed"),
        deny("/late/*", name="Late", except_from=["127.0.0.64/26"]),
        publish(site, "Forms", paths=["/forms/*"], methods=["GET", "POST"]),
        deny("/forms/*", name="No forms"),
        publish(site, "All"),
        publish(site, "Wild", public_names=["*.wild.test"],
                paths=[{"external": "/pub/*", "internal": "/inner/*"}]),
    ]


def edited(site):
    """What an afternoon's work does to them, one change of each kind and some that are none."""
    closed, late, forms, no_forms, everything, wild = rules_of(site)
    return [
        {**closed, "paths": ["/ABS/Int/*"]},
        {**late, "except_from": ["127.0.0.64/27"]},
        {**forms, "methods": ["GET"]},
        no_forms,
        {**everything, "paths": ["/new/*", "/*"]},
        {"name": "Moved", "action": "deny", "public_names": ["old.wild.test"],
         "redirect": "https://moved.test/"},
        {**wild, "paths": [{"external": "/pub/*", "internal": "/other/*"}]},
    ]


@pytest.fixture(name="two")
def fixture_two(folder):
    """Two proxies in front of one site: ((old, its address), (new, its address))."""
    site = EchoSite()
    sides = []
    for name, rules in (("old", rules_of(site)), ("new", edited(site))):
        address = own_address()
        place = folder / name
        place.mkdir(mode=0o755)
        port = free_port(address)
        sides.append((Proxy(place, settings(address, port, rules)), (address, port)))
    with sides[0][0], sides[1][0]:
        yield sides


def answer(address, example):
    """What a client gets: the status, and where it was sent or what the site was asked for."""
    with Client(address, source=example["from"]) as client:
        client.request(example["path"], method=example["method"], host=example["name"])
        response = client.response(method=example["method"])
    if response.status == 302:
        return "redirect", response.get("location")
    if response.status == 403:
        return "deny", None
    assert response.status == 200
    return "allow", json.loads(response.body)["target"] if response.body else None


def test_each_example_gets_the_predicted_answers_from_the_two_proxies(two):
    (old, old_address), (new, new_address) = two
    status, out, err = diff(old.conf, new.conf, "--format", "json")
    assert (status, err) == (1, "")
    told = json.loads(out)
    assert told["undecided"] == []
    kinds = [one["change"] for one in told["differences"]]
    assert set(kinds) == {"opened", "closed", "target", "answer"}
    assert kinds == sorted(kinds, key=["opened", "closed", "target", "answer"].index)
    for one in told["differences"]:
        before = answer(old_address, one["example"])
        now = answer(new_address, one["example"])
        assert before != now, one
        assert before[0] == one["before"]["answer"], one
        assert now[0] == one["now"]["answer"], one


def test_requests_outside_of_the_differences_get_the_same_answers(two):
    (_, old_address), (_, new_address) = two
    for path in ("/", "/abs/int/x", "/late/x", "/new/x", "/forms/a;b", "/;x/abs/int"):
        example = {"from": "127.0.0.2", "method": "GET", "path": path, "name": "www.example.test"}
        assert answer(old_address, example) == answer(new_address, example), path


def test_the_same_configuration_differs_in_nothing_and_ends_with_0(two):
    (old, _), _ = two
    assert diff(old.conf, old.conf) == (
        0, "no behavioural difference: every request gets the same answer\n", "")


def test_what_cannot_be_compared_ends_with_one_clear_message(folder, two):
    (old, _), _ = two
    status, out, err = diff(old.conf, folder / "missing")
    assert (status, out) == (2, "") and "missing: No such file or directory" in err
    (folder / "broken.yaml").write_text("rules: [")
    status, out, err = diff(folder / "broken.yaml", old.conf)
    assert (status, out) == (1, "") and "broken.yaml:1:8: error" in err
    status, out, err = diff(old.conf, old.conf, "--format", "sarif")
    assert (status, out) == (2, "") and "--diff cannot print sarif" in err
    done = subprocess.run([binary(), "--diff", str(old.conf)], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 2 and "name the old one and then the new one" in done.stderr
