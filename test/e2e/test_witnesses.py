"""Each example request that a question about the policy is answered with, sent to the proxy that
serves this policy: it gets what was said of it. The policies are drawn, each seed another one."""
import json
import random
import re

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client
from harness.echo_site import EchoSite
from harness.proxy import Proxy
from test_command_line import run

NETWORKS = {"Lab": ["127.0.0.0/9"], "Branch": ["127.200.0.0/16"], "Guests": ["127.201.0.0/24"]}
NAMES = ["www.example.test", "mail.example.test", "*.example.test", "other.test"]
PATHS = ["/*", "/abs/*", "/abs/int/*", "/abs/ext/a", "/a", "/a/b/*", {"regex": "/[ab]/.*"},
         {"regex": "/files/[0-9]+"}, {"external": "/book/*", "internal": "/abs/*"}]
METHODS = [["GET"], ["GET", "POST"], ["POST", "DELETE"]]
TOLD = re.compile(r"([A-Z]+) http://([^/ ]+)(\S*) from (127[.\d]*\d)")


def drawn_rule(dice, number, port):
    rule = {"name": f"Rule {number}", "public_names": dice.sample(NAMES, dice.randint(1, 2)),
            "from": dice.sample(list(NETWORKS), dice.randint(1, 3))}
    if dice.random() < 0.3:
        rule["except_from"] = [dice.choice(["127.0.0.0/10", "127.200.7.0/24", "Guests"])]
    if dice.random() < 0.3:
        rule["methods"] = dice.choice(METHODS)
    if dice.random() < 0.4:
        kind = {"action": "deny"}
        paths = [path for path in PATHS if not isinstance(path, dict) or "regex" in path]
    else:
        kind = {"action": "allow", "listener": "Edge", "bridging": "http",
                "to": {"site": f"rule{number}.example.internal", "address": "127.0.0.1", "port": port}}
        paths = PATHS
    return {**rule, **kind, "paths": dice.sample(paths, dice.randint(1, 3))}


class Drawn:
    """A policy and the proxy that serves it."""

    def __init__(self, folder, seed):
        dice = random.Random(seed)
        self.site = EchoSite()
        self.address = own_address()
        self.port = free_port(self.address)
        self.rules = [drawn_rule(dice, number, self.site.port) for number in range(14)]
        self.folder = folder
        self.proxy = Proxy(folder, self.settings())
        self.sent = 0

    def settings(self, **more):
        return configuration.configuration(
            [configuration.listener(self.address, http=self.port, networks=list(NETWORKS))],
            self.rules, networks=NETWORKS, **more)

    def decided_by(self, method, name, path, source):
        """(status, the rule and the site by the access log)"""
        with Client((self.address, self.port), source=source) as client:
            client.request(path, method=method, host=name)
            response = client.response(method=method)
        self.sent += 1
        entry = self.proxy.until_entries(self.sent)[-1]
        if response.body and response.status == 200:
            asked = dict(json.loads(response.body)["fields"])["host"].split(":")[0]
            assert asked == entry["r-host"]
        return response.status, entry["rule"], entry["r-host"]


@pytest.fixture(name="drawn", params=range(6))
def fixture_drawn(folder, request):
    drawn = Drawn(folder, request.param)
    with drawn.proxy:
        yield drawn


def reached(drawn):
    """What --exposure says: [(rule's name, its example)], without what only regexes can tell."""
    status, out, err = run("--exposure", drawn.proxy.conf, "--format", "json")
    assert (status, err) == (0, "")
    rows = [one for network in json.loads(out)["networks"] for one in network["reaches"]]
    assert not [row for row in rows if row["certain"] and "example" not in row]
    return [(row["rule"], row["example"]) for row in rows if "example" in row]


def site_of(rule):
    return f"rule{rule.split()[1]}.example.internal"


def test_the_example_of_each_exposed_site_reaches_this_site(drawn):
    rows = reached(drawn)
    assert rows
    for rule, example in rows:
        got = drawn.decided_by(example["method"], example["name"], example["path"], example["from"])
        assert got == (200, rule, site_of(rule)), example


def test_what_a_rule_takes_from_a_later_one_is_decided_by_it(drawn):
    status, out, _ = run("--check", drawn.proxy.conf, "--format", "json")
    assert status == 0
    findings = [one for one in json.loads(out)["findings"] if one["code"] == "rule-partly-covered"]
    assert findings
    for finding in findings:
        told = finding["text"]
        earlier = re.search(r'names: rule "([^"]+)"', told)[1]
        method, name, path, source = TOLD.search(told).groups()
        _, rule, _ = drawn.decided_by(method, name, path, source)
        assert rule == earlier, told


def test_a_claim_that_a_site_is_never_reached_fails_by_a_request_that_reaches_it(drawn):
    exposed = {rule for rule, _ in reached(drawn)}
    allowing = [rule["name"] for rule in drawn.rules if rule["action"] == "allow"]
    place = drawn.folder / "claims"
    for rule in allowing:
        configuration.write(place, drawn.settings(expectations=[
            {"from": network, "never_reaches": f"{site_of(rule)}/*"} for network in NETWORKS]))
        status, out, _ = run("--check", place)
        claims = [line for line in out.splitlines() if "is reached by" in line]
        assert (status == 1, bool(claims)) == (rule in exposed,) * 2, rule
        for claim in claims:
            method, name, path, source = TOLD.search(claim).groups()
            got = drawn.decided_by(method, name, path, source)
            assert got == (200, rule, site_of(rule)), claim
