"""Fixtures that all modules share."""
import os

import pytest
from harness import certificates, configuration, folders, proxy


@pytest.fixture(scope="session", autouse=True)
def _remove_binary():
    yield
    proxy.remove_binary()


@pytest.fixture(scope="session")
def pki():
    """Root, the listener's certificate and the pool's, written where every account can read."""
    with folders.public_folder("ocsproxy-e2e-pki-") as folder:
        authority = certificates.authority()

        class Pki:
            path = folder
            root = authority.write(folder, "root")
            public = authority.issue(configuration.PUBLIC_NAME).write(folder, "public")
            pool = authority.issue(configuration.SITE).write(folder, "pool")
        for file in folder.iterdir():
            file.chmod(0o644)
        Pki.authority = authority
        yield Pki


@pytest.fixture
def folder():
    with folders.public_folder() as path:
        yield path


@pytest.fixture(scope="module")
def module_folder():
    with folders.public_folder() as path:
        yield path


def pytest_collection_modifyitems(items):
    """Without root there are no namespaces, no privileged ports and no second process."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))
