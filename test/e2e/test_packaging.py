"""What `cmake --install` puts on a machine, and that the parts fit the program."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from harness.certificates import authority
from harness.proxy import REPOSITORY, binary
from test_command_line import run

BUILD = pathlib.Path(os.environ.get("OCSPROXY_BINARY", "/nonexistent")).parents[1]


@pytest.fixture(scope="module", name="installed")
def fixture_installed(module_folder):
    done = subprocess.run(["cmake", "--install", BUILD], env={**os.environ,
                                                              "DESTDIR": str(module_folder)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.relative_to(module_folder).as_posix().partition("/")[2]: path
            for path in module_folder.rglob("*") if path.is_file()}


def found(installed, end):
    paths = [path for name, path in installed.items() if name.endswith(end)]
    assert len(paths) == 1, installed
    return paths[0]


def test_everything_is_there_and_the_program_runs(installed):
    for end in ("lib/systemd/system/ocsproxy.service", "lib/sysusers.d/ocsproxy.conf",
                "lib/tmpfiles.d/ocsproxy.conf", "/example.yaml", "/README.md", "/findings.md"):
        found(installed, end)
    program = found(installed, "sbin/ocsproxy")
    assert subprocess.run([program, "--version"], check=True, capture_output=True).stdout
    unit = found(installed, "ocsproxy.service").read_text()
    assert "@" not in re.sub(r"SystemCallFilter=.*", "", unit), "a place was not filled in"
    assert f"/sbin/ocsproxy --socket" in unit


def test_the_example_is_a_configuration_without_errors(folder):
    root = authority()
    certs = folder / "certs"
    certs.mkdir()
    root.issue("www.example.com").write(certs, "web")
    root.write(certs, "rootca")
    shutil.copy(REPOSITORY / "packaging/example.yaml", folder / "ocsproxy.yaml")
    status, out, err = run("--check", "--local-address", "203.0.113.10", folder)
    assert (status, err) == (0, ""), out
    assert "\n0 errors, 0 warnings" in out


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_the_unit_is_right_and_exposes_little(installed, folder):
    unit = folder / "ocsproxy.service"
    text = found(installed, "ocsproxy.service").read_text()
    unit.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={binary()}", text))
    for words in (["verify", unit], ["security", "--offline=true", "--threshold=30", unit]):
        done = subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True,
                              text=True, check=False)
        complaints = [line for line in done.stderr.splitlines() if "ocsproxy.service" in line]
        assert (done.returncode, complaints) == (0, []), done.stdout[-2000:]


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="no systemd-sysusers")
def test_the_account_and_the_folders_are_made(installed, folder):
    (folder / "etc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", folder / "etc" / name)
    subprocess.run(["systemd-sysusers", f"--root={folder}", found(installed, "sysusers.d/ocsproxy.conf")],
                   check=True)
    line = [line for line in (folder / "etc/passwd").read_text().splitlines()
            if line.startswith("ocsproxy:")]
    assert len(line) == 1 and line[0].endswith(":/nonexistent:/usr/sbin/nologin")
    certs = folder / "etc/ocsproxy/certs"
    certs.mkdir(parents=True)
    (certs / "web.key").touch(0o644)
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={folder}",
                    found(installed, "tmpfiles.d/ocsproxy.conf")], check=True)
    assert (certs / "web.key").stat().st_mode & 0o777 == 0o600
