"""What a configuration expects of its own rules: proven at --check, at start and at reload."""
import pytest
from harness import configuration
from harness.addresses import free_port, own_address
from harness.client import Client
from harness.configuration import PUBLIC_NAME, SITE, allow, deny
from harness.echo_site import EchoSite
from harness.proxy import Proxy

NEVER = {"from": "External", "never_reaches": f"{SITE}/abs/int/*"}


@pytest.fixture(name="pieces")
def fixture_pieces():
    """(address, port, function from expectations and more denied paths to a configuration)"""
    site = EchoSite()
    address = own_address()
    port = free_port(address)

    def settings(*expectations, closed=("/abs/int/*",)):
        return configuration.configuration(
            [configuration.listener(address, http=port)],
            [deny(*closed, name="Closed"), allow(site.port, bridging="http")],
            expectations=list(expectations))
    return address, port, settings


def example(path, **more):
    return {"request": f"GET http://{PUBLIC_NAME}{path}", "from": "127.0.0.9", **more}


def test_rules_that_do_what_is_expected_are_served(folder, pieces):
    address, port, settings = pieces
    expected = (NEVER, example("/abs/ext/x", rule="Site", verdict="allow"),
                example("/ABS/Int/x", rule="Closed"),
                {"from": "External", "always_reaches": f"{SITE}/abs/ext/*"})
    with Proxy(folder, settings(*expected)) as proxy:
        assert proxy.check()[0] == 0
        with Client((address, port)) as client:
            assert client.get("/abs/ext/x").status == 200
            assert client.get("/abs/int/x").status == 403


@pytest.mark.parametrize("expectation, says", [
    (NEVER, f'"{SITE}/abs/int/*" is reached by GET http'),
    (example("/abs/int/x", verdict="deny"), 'is allowed: rule "Site" decides it'),
    ({"from": "External", "always_reaches": f"{SITE}/other/*"}, f'cannot reach "{SITE}/other'),
])
def test_a_violated_one_refuses_the_configuration_with_the_counter_example(
        folder, pieces, expectation, says):
    address, port, settings = pieces
    # The deny covers a part of /abs/int only, and closes all of /other.
    broken = settings(expectation, closed=("/abs/int/y/*", "/other/*"))
    with Proxy(folder, settings(NEVER)) as proxy:
        proxy.reload(broken, refused=True)
        status, said = proxy.check()
        assert status == 1 and says in said and "[expectation-violated]" in said
        with Client((address, port)) as client:
            assert client.get("/abs/int/x").status == 403, "the old rules go on"
    (folder / "start").mkdir(mode=0o755)
    started = Proxy(folder / "start", broken).start(ready=False)
    assert started.process.wait(20) == 1
    assert says in started.log()
