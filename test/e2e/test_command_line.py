"""What the program says and how it ends when it is called rightly and wrongly."""
import os
import subprocess

import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.configuration import allow, listener
from harness.proxy import Proxy, binary


def run(*words, cwd="/"):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, cwd=cwd,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def settings(address):
    return configuration.configuration(
        [listener(address, http=free_port(address))], [allow(9, bridging="http")])


@pytest.fixture(name="good")
def fixture_good(folder):
    return configuration.write(folder / "conf", settings(own_address())).parent


def test_help_names_every_option_and_version_is_one_line():
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    for word in ("--check", "--live", "--resolver", "--explain", "--replay", "--stats", "--lab", "--format", "--strict", "--from",
                 "--method", "--header", "--listener", "--local-address", "--user", "--no-color", "--socket",
                 "--version", "SIGHUP",
                 "SIGUSR1", "SIGTERM", "Exit status"):
        assert word in out
    assert all(len(line) <= 100 for line in out.splitlines())
    status, out, err = run("--version")
    assert (status, err) == (0, "") and out.startswith("ocsproxy ") and out.count("\n") == 1


@pytest.mark.parametrize("words, says", [
    ((), "no configuration was given"),
    (("--check",), "no configuration was given"),
    (("--chek", "conf"), "there is no option --chek; did you mean --check?"),
    (("a", "b"), "b"),
    (("--user",), "--user"),
    (("--check", "/nonexistent"), "cannot read /nonexistent: No such file or directory"),
    (("/nonexistent",), "cannot read /nonexistent: No such file or directory"),
    (("--check", "/dev/null/x"), "cannot read /dev/null/x: Not a directory"),
])
def test_a_wrong_command_line_or_path_ends_with_2_and_says_what_is_wrong(words, says):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert says in err


def test_a_configuration_without_errors_ends_with_0(good):
    status, out, err = run("--check", good)
    assert (status, err) == (0, "")
    assert "0 errors" in out
    assert run("--check", good / "ocsproxy.yaml")[0] == 0, "a single file is a configuration too"
    assert run("--check", "conf", cwd=good.parent)[0] == 0, "relative to where one stands"


@pytest.mark.parametrize("text, says", [
    ("rules: [", "a.yaml:1:8: error: this is not YAML"),
    ("listners: []\n", 'did you mean "listeners"?'),
    ("", "has no listener"),
])
def test_errors_in_the_configuration_end_with_1_and_are_shown_where_they_stand(folder, text, says):
    (folder / "a.yaml").write_text(text)
    for words in (("--check", folder), (folder,)):
        status, out, err = run(*words)
        assert status == 1, words
        assert says in out + err


def test_findings_have_colours_only_where_somebody_sees_them(folder):
    (folder / "a.yaml").write_text("rules: [")
    assert "\x1b" not in run("--check", folder)[1]
    # A terminal, which script(1) makes.
    def on_terminal(*words):
        return subprocess.run(["script", "-qec", " ".join(map(str, [binary(), *words])), "/dev/null"],
                              capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "TERM": "xterm"}).stdout
    assert "\x1b[" in on_terminal("--check", folder)
    assert "\x1b[" not in on_terminal("--no-color", "--check", folder)


def test_check_binds_nothing_so_that_it_can_run_beside_the_server(folder):
    address = own_address()
    with Proxy(folder, settings(address)) as proxy:
        status, said = proxy.check()
        assert status == 0, said


@pytest.mark.root
def test_an_account_that_does_not_exist_is_refused_before_anything_is_bound(good):
    status, _, err = run("--user", "no-such-account", good)
    assert status == 2
    assert "no-such-account" in err
