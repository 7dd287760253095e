"""--replay: what real traffic left in the log, before the same configuration and before another."""
import json
import os
import pty
import subprocess

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client
from harness.configuration import allow, deny
from harness.echo_site import EchoSite
from harness.proxy import Proxy, binary


def replay(*words, **more):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([binary(), "--replay", *map(str, words)], capture_output=True, text=True,
                          timeout=60, check=False, **more)
    return done.returncode, done.stdout, done.stderr


def publish(pool, name, **more):
    return allow(pool.port, name, **{"bridging": "http", **more})


def rules_of(site):
    return [
        deny("/abs/int/*", name="Closed"),
        {"name": "Moved", "action": "deny", "public_names": ["old.example.test"],
         "redirect": "https://moved.test/"},
        publish(site, "Forms", paths=["/forms/*"], methods=["GET"]),
        deny("/forms/*", name="No forms"),
        publish(site, "All"),
    ]


def edited(site):
    closed, moved, forms, no_forms, everything = rules_of(site)
    return [
        {**closed, "paths": ["/abs/int/secret"]},
        {**forms, "methods": ["GET", "POST"], "name": "Every form"},
        no_forms,
        deny("/echo/new/*", name="New"),
        publish(site, "Elsewhere", paths=["/echo/away/*"], site="other.example.internal"),
        everything,
    ]


# (method, target, host), and what edited() changes: the change, the rule then, the rule now.
TRAFFIC = [
    ("GET", "/", "www.example.test", None),
    ("GET", "/abs/int/x", "www.example.test", ("opened", "Closed", "All")),
    ("GET", "/ABS/%49nt/secret", "www.example.test", None),
    ("GET", "/", "old.example.test", ("answer", "Moved", None)),
    ("POST", "/forms/a", "www.example.test", ("opened", "No forms", "Every form")),
    ("GET", "/echo/new/a?q=1", "www.example.test", ("closed", "All", "New")),
    ("GET", "/echo/away/", "www.example.test", ("target", "All", "Elsewhere")),
    ("GET", "/\\x", "www.example.test", None),
    ("GET", "/a\"b", "www.example.test", None),
    ("GET", "/none", "none.example.test", None),
    ("GET", "/a%2Fb", "www.example.test", None),
    ("HEAD", "/;x/abs/int", "www.example.test", ("opened", "Closed", "All")),
]
REFUSED = {"/\\x", "/a%2Fb"}  # before any rule


@pytest.fixture(name="recorded", params=["w3c", "json"])
def fixture_recorded(request, folder):
    """(a proxy whose log has TRAFFIC, the path of a configuration with the edited rules)"""
    site, address = EchoSite(), own_address()
    settings = configuration.configuration(
        [configuration.listener(address, http=free_port(address))], rules_of(site),
        access_log={"path": "log/access.log", "format": request.param})
    with Proxy(folder, settings) as proxy:
        port = settings["listeners"][0]["http"]["port"]
        for method, target, host, _ in TRAFFIC:
            with Client((address, port)) as client:
                client.request(target, method=method, host=host)
                client.response(method=method)
        proxy.until_entries(len(TRAFFIC))
    edited_conf = folder / "edited"
    configuration.write(edited_conf, {**settings, "rules": edited(site)})
    yield proxy, edited_conf


def test_its_own_log_shows_no_change_before_the_same_configuration(recorded):
    proxy, _ = recorded
    status, out, err = replay("--format", "json", proxy.access_log_path, proxy.conf)
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["requests"] == len(TRAFFIC)
    assert told["same"] == len(TRAFFIC) - len(REFUSED)
    assert (told["changed"], told["not_judged"], told["by_another_rule"]) == (0, 0, [])
    assert [(one["reason"], one["lines"]) for one in told["lines_passed_over"]] == [
        ("refused-then", len(REFUSED))]


def test_before_an_edited_configuration_exactly_the_predicted_changes(recorded):
    proxy, edited_conf = recorded
    status, out, err = replay("--format", "json", proxy.access_log_path, edited_conf)
    assert (status, err) == (1, "")
    told = json.loads(out)
    seen = {}
    for one in told["changes"]:
        assert one["lines"] == len(one["examples"])
        for example in one["examples"]:
            method, url = example["request"].split()[:2]
            seen[method, url.split("/", 3)[3]] = (one["change"], one["before"].get("rule"),
                                                  one["now"].get("rule"))
    assert seen == {(method, target[1:]): change for method, target, _, change in TRAFFIC if change}


def test_the_text_names_the_rules_and_the_lines(recorded):
    proxy, edited_conf = recorded
    status, out, _ = replay(proxy.access_log_path, edited_conf)
    assert status == 1
    assert 'before    rule "All" allowed, to "pool.example.internal"\n' in out
    assert 'now       rule "New" (' in out
    assert f"example   {proxy.access_log_path}:" in out
    assert out.splitlines()[-1] == (
        f"{len(TRAFFIC)} requests: 3 opened, 1 closed, 1 target, 1 answer, "
        f"{len(REFUSED)} passed over, {len(TRAFFIC) - 6 - len(REFUSED)} with the same outcome")


def test_several_logs_and_standard_input_are_one_recording(recorded):
    proxy, _ = recorded
    log = proxy.access_log_path
    with log.open(encoding="utf-8") as standard_input:
        status, out, _ = replay("--format", "json", log, "-", log, proxy.conf, stdin=standard_input)
    assert status == 0
    assert json.loads(out)["requests"] == 3 * len(TRAFFIC)


@pytest.fixture(name="conf")
def fixture_conf(folder):
    address = own_address()
    configuration.write(folder / "conf", configuration.configuration(
        [configuration.listener(address, http=80)],
        [allow(443, "All", bridging="http")]))
    return folder / "conf"


def test_what_is_no_log_ends_with_one_clear_message(folder, conf):
    (folder / "binary").write_bytes(bytes(range(256)) * 64)
    (folder / "zipped").write_bytes(b"\x1f\x8b\x08\x00 and so on")
    (folder / "wide").write_bytes("#Software: Microsoft".encode("utf-16"))
    (folder / "broken.yaml").write_text("rules: [")
    (folder / "empty").write_bytes(b"")
    for words, expected, said in [
            (("missing", conf), 2, "cannot read missing: No such file or directory"),
            ((folder, conf), 2, f"cannot read {folder}: Is a directory"),
            ((folder / "binary", conf), 2, "is no text, so it is no access log"),
            ((folder / "zipped", conf), 2, "is compressed with gzip: pipe what zcat makes of it"),
            ((folder / "wide", conf), 2, "is UTF-16: pipe what"),
            ((folder / "empty", folder / "missing"), 2, "missing: No such file or directory"),
            ((folder / "empty", folder / "broken.yaml"), 1, "broken.yaml:1:8: error"),
            ((conf,), 2, "--replay wants access logs and behind them a configuration"),
            (("-", "-", conf), 2, "standard input is but one log"),
            (("--listener", "Egde", folder / "empty", conf), 2, 'did you mean "Edge"?'),
            (("--format", "sarif", folder / "empty", conf), 2, "--replay cannot print sarif")]:
        status, out, err = replay(*words)
        assert (status, out) == (expected, ""), words
        assert said in err, (words, err)
    assert replay(folder / "empty", conf) == (0, "0 requests\n", "")


def line_of(number):
    return (f"198.51.100.{number % 250}\tGET\thttp://www.example.test/dir/{number}\thttp\tEdge\tAll\t"
            "Allowed\t200\n").encode()


def write_lines(into, times):
    """So many times 10,000 lines, as a log."""
    into.write(b"#Fields: c-ip\ts-operation\tcs-uri\tcs-protocol\tx-listener\trule\taction\tsc-status\n")
    block = b"".join(map(line_of, range(10_000)))
    for _ in range(times):
        into.write(block)
    into.close()


@pytest.mark.optimised
def test_a_million_lines_take_no_more_memory_than_ten_thousand(folder, conf):
    """The peak that the kernel counted, of a stream without a size."""
    def peak_kib(write):
        command = ["/usr/bin/python3", "-c",
                   "import resource, subprocess, sys\n"
                   "subprocess.run(sys.argv[1:], check=True)\n"
                   "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
                   binary(), "--replay", "-", str(conf)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
            write(running.stdin)
            said, peak = running.stdout.read().decode().splitlines()
        return said, int(peak)

    said_of_few, peak_of_few = peak_kib(lambda into: write_lines(into, 1))
    said, peak = peak_kib(lambda into: write_lines(into, 100))
    assert said_of_few == "10000 requests: 10000 with the same outcome"
    assert said == "1000000 requests: 1000000 with the same outcome"
    assert peak < peak_of_few + 1024


def test_progress_is_shown_on_a_terminal_alone_and_removed(folder, conf):
    write_lines((folder / "log").open("wb"), 100)
    outside, inside = pty.openpty()
    with subprocess.Popen([binary(), "--replay", str(folder / "log"), str(conf)], stderr=inside,
                          stdout=subprocess.PIPE) as running:
        os.close(inside)
        shown = b""
        while True:
            try:
                piece = os.read(outside, 4096)
            except OSError:  # the program has closed its side
                break
            shown += piece
        assert running.stdout.read() == b"1000000 requests: 1000000 with the same outcome\n"
    os.close(outside)
    steps = shown.decode().split("\r")
    assert any("#" in step and "% " in step and "requests" in step for step in steps)
    assert steps[-1] == "\033[K"
    assert replay(folder / "log", conf)[2] == ""
