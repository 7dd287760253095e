"""Kernel TLS and splicing, in a kernel that has both: user-mode Linux, booted once.

The scenarios themselves are in kernel_tls/ and run inside.
"""
import json
import os
import pathlib
import sys

import pytest
from harness import folders, user_mode_linux
from harness.proxy import REPOSITORY, SANITIZED
from kernel_tls.scenarios import SCENARIOS

pytestmark = [
    pytest.mark.skipif(not user_mode_linux.available(), reason="user-mode-linux is not installed"),
    pytest.mark.skipif(SANITIZED, reason="the sanitizers' shadow memory does not fit into it"),
    pytest.mark.xdist_group("kernel_tls")]


@pytest.fixture(scope="module")
def results():
    with folders.public_folder("ocsproxy-e2e-uml-") as folder:
        built = os.environ.get("OCSPROXY_BINARY", REPOSITORY / "build/release/app/ocsproxy")
        scenarios = pathlib.Path(__file__).parent / "kernel_tls/scenarios.py"
        status, output = user_mode_linux.run(
            folder, ["env", f"OCSPROXY_BINARY={built}", sys.executable, scenarios,
                     folder / "results"])
        assert status == 0, output[-4000:]
        yield json.loads((folder / "results").read_text())


@pytest.mark.parametrize("name", SCENARIOS)
def test_under_a_kernel_with_tls(results, name):
    assert results[name] == ""
