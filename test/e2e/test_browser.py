"""A real browser loads a page of the stand-in pool through the proxy."""
import contextlib

import pytest
from harness import chromium, configuration, lab_pool
from harness.addresses import free_port, own_address
from harness.configuration import PUBLIC_NAME, allow, deny, listener
from harness.proxy import Proxy
from harness.waiting import until

pytestmark = pytest.mark.browser


@pytest.fixture
def published(folder, pki):
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(lab_pool.serving(folder, pki.pool))
        address = own_address()
        port = free_port(address)
        proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(address, https=port, certificates=[pki.public])],
            [deny("/closed/*"), allow(pool.port)], roots=[pki.root])))
        yield proxy, address, port


def test_a_page_with_its_script_image_and_fetch_comes_through(published, folder):
    proxy, address, port = published
    page = chromium.dump_dom(folder, f"https://{PUBLIC_NAME}:{port}/lab/page", PUBLIC_NAME, address)
    assert '<p id="outcome">passed</p>' in page, page
    asked = [entry["cs-uri"] for entry in until(
        lambda: proxy.entries() if len(proxy.entries()) >= 3 else None, "too few log lines")]
    assert any("page.js" in uri for uri in asked) and any("page.svg" in uri for uri in asked)


def test_a_denied_page_shows_the_code(published, folder):
    _, address, port = published
    page = chromium.dump_dom(folder, f"https://{PUBLIC_NAME}:{port}/closed/x", PUBLIC_NAME, address)
    assert "12202" in page
