"""Headless Chromium on one page: a real browser's HTTP, TLS and fetch."""
import subprocess

from .waiting import PATIENCE


def dump_dom(folder, url, name, address, seconds=40):
    """The page after its scripts ran. `name` is resolved to `address` (host, port)."""
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
               "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
               f"--user-data-dir={folder}/chromium", f"--host-resolver-rules=MAP {name} {address}",
               "--virtual-time-budget=20000", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * PATIENCE,
                          check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
